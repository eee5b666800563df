"""What the parameters of Hugging Face's own modules are; the others are torch.nn's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from feasible.known_layouts.torch_layouts import BETA, BIAS, GAMMA
from feasible.layouts import ParameterLayout

TRANSFORMERS: Mapping[str, tuple[ParameterLayout, ...]] = {
    # The linear map of GPT-2, which is stored as in Keras.
    "transformers.pytorch_utils.Conv1D": (
        ParameterLayout("weight", "kernel", "in out", unit="out"),
        BIAS,
    ),
}

_LESS_ONE = replace(GAMMA, note="stored less 1: the module multiplies by 1 + weight")
# Each model has classes of its own for the same few normalizations: by globs, the first that fits.
TRANSFORMERS_FAMILIES: Mapping[str, tuple[ParameterLayout, ...]] = {
    **{
        f"transformers.models.{folder}.*RMSNorm": (_LESS_ONE,)
        for folder in (
            *("gemma", "gemma2", "gemma3", "recurrent_gemma", "t5gemma", "t5gemma2", "vaultgemma"),
            *("minimax_m3_vl", "qwen3_5", "qwen3_5_moe", "qwen3_next", "qwen4_exp", "step3p7"),
        )
    },
    "transformers.models.muse_*CenteredRMSNorm": (_LESS_ONE,),
    "transformers.models.*LayerNorm1P": (_LESS_ONE, BETA),
    "transformers.models.*RMSNorm": (GAMMA,),
    "transformers.models.*RMSNormGated": (GAMMA,),
    # T5's has no bias, and is no torch.nn.LayerNorm.
    "transformers.models.*LayerNorm": (GAMMA, BETA),
}
