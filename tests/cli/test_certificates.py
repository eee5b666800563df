"""What is certified holds: bounds are above what is measured, and close to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from feasible import Sequential
from feasible.checkpoints import open_checkpoint
from feasible.checkpoints.certificates import certify, convolution_norm_bound
from feasible.cli import main
from feasible.layers import LSTM, BatchNormalization, Conv2D, Dense, Flatten


@pytest.mark.parametrize("size", [(3, 3), (2, 5), (1, 4), (4, 4)])
def test_a_convolution(size: tuple[int, int]) -> None:
    kernel = np.random.default_rng(0).normal(size=(*size, 3, 2))
    bound = convolution_norm_bound(kernel)
    weight = torch.tensor(kernel).permute(3, 2, 0, 1)

    def apply(flat: torch.Tensor) -> torch.Tensor:
        return conv2d(flat.reshape(1, 3, 12, 12), weight, padding=(size[0] - 1, size[1] - 1))

    # The very matrix of the convolution with full padding, column by column.
    matrix = torch.stack([apply(one).ravel() for one in torch.eye(432, dtype=torch.float64)])
    norm = float(torch.linalg.matrix_norm(matrix, 2))
    assert norm <= bound <= 1.2 * norm
    reshaped = np.linalg.norm(kernel.reshape(-1, 2), 2)
    assert bound > reshaped  # which is no bound


def test_a_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = Sequential(
        [
            Conv2D(4, 3, activation="relu", input_shape=(6, 6, 2)),
            BatchNormalization(),
            Flatten(),
            Dense(3, activation="tanh"),
        ]
    )
    model.save(tmp_path / "m.keras")
    with open_checkpoint(tmp_path / "m.keras") as checkpoint:
        found = certify(checkpoint)
    assert found.constant is not None
    assert found.increasing is None
    x, y = torch.randn(2, 64, 6, 6, 2)
    with torch.no_grad():
        ratio = (model.eval()(x) - model(y)).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
    assert float(ratio.max()) <= found.constant
    assert main(["show", str(tmp_path / "m.keras"), "--certify"]) == 0
    assert "Lipschitz constant at most" in capsys.readouterr().out


def test_monotone_inputs(tmp_path: Path) -> None:
    model = Sequential([Dense(2, activation="relu", input_shape=(3,)), Dense(1)])
    with torch.no_grad():
        model.layers[0].set_weights([np.array([[1, 2], [-1, 0], [-1, 1]], "f4"), np.zeros(2, "f4")])
        model.layers[1].set_weights([np.array([[1], [3]], "f4"), np.zeros(1, "f4")])
    model.save(tmp_path / "m.keras")
    with open_checkpoint(tmp_path / "m.keras") as checkpoint:
        assert certify(checkpoint).increasing == (0,)


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    Sequential([LSTM(3, name="memory", input_shape=(4, 2))]).save(tmp_path / "m.keras")
    with open_checkpoint(tmp_path / "m.keras") as checkpoint:
        assert "the LSTM 'memory'" in certify(checkpoint).refused
    np.savez(tmp_path / "m.npz", a=np.ones(2))
    with open_checkpoint(tmp_path / "m.npz") as checkpoint:
        assert "chain" in certify(checkpoint).refused
