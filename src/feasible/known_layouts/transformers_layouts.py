"""What the parameters of Hugging Face's own modules are; the others are torch.nn's."""

from __future__ import annotations

from collections.abc import Mapping

from feasible.known_layouts.torch_layouts import BIAS
from feasible.layouts import ParameterLayout

TRANSFORMERS: Mapping[str, tuple[ParameterLayout, ...]] = {
    # The linear map of GPT-2, which is stored as in Keras.
    "transformers.pytorch_utils.Conv1D": (
        ParameterLayout("weight", "kernel", "in out", unit="out"),
        BIAS,
    ),
}
