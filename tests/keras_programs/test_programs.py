"""Programs as Keras users write them run with the import root changed, and reach Keras's losses.

The losses are those that Keras 3.15 on PyTorch reached from the same initial weights.
"""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
LOSSES = json.loads((HERE / "losses.json").read_text())


@pytest.mark.parametrize("name", LOSSES)
def test_a_program_reaches_the_loss_of_keras(name: str, tmp_path: Path) -> None:
    source = (HERE / f"program_{name}.py").read_text()
    source = re.sub(r"(?m)^(\s*)import keras\s*$", r"\1import feasible as keras", source)
    source = re.sub(r"(?m)^(\s*(?:from|import)) keras\b(?! as)", r"\1 feasible", source)
    reached: list[float] = []

    def start(model: Any) -> Any:
        weights = HERE / "weights" / f"{name}.npz"
        if weights.exists():
            held = np.load(weights)
            model.set_weights([held[key] for key in held.files])
        return model

    names = {
        "START": start,
        "LOSS": lambda value: reached.append(float(value)),
        "TMP": str(tmp_path),
        "__name__": "__main__",
    }
    with warnings.catch_warnings():
        # Of Keras's default axis on a kernel, which the programs mean as Keras does.
        warnings.filterwarnings("ignore", "(?s).*takes norms along axis 0 only", UserWarning)
        exec(compile(source, name, "exec"), names)
    if LOSSES[name] is None:
        assert 0 <= reached[0] <= 1
    else:
        np.testing.assert_allclose(reached[0], LOSSES[name], rtol=0.02, atol=1e-4)
