"""Our constraints on a model of Keras itself, trained by PyTorch, where that is its backend."""

from __future__ import annotations

import keras
import pytest

import feasible.keras  # noqa: F401  after Keras
from feasible import MaxNorm, NonNeg

if keras.backend.backend() == "torch":
    import torch

    @pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
    def test_they_act_after_each_step(kind: type[torch.optim.Optimizer]) -> None:
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(
                    3, kernel_constraint=MaxNorm(0.1, axis="unit"), bias_constraint=NonNeg()
                ),
                keras.layers.Dense(2, kernel_constraint=MaxNorm(0.2, axis=1)),
            ]
        )
        optimizer = kind(model.parameters(), lr=0.5)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(5, 4)).square().sum().backward()
            optimizer.step()
            first, bias, second, _ = model.weights
            assert float(first.value.detach().norm(dim=0).max()) <= 0.1 * (1 + 1e-6)
            assert float(bias.value.detach().min()) >= 0
            assert float(second.value.detach().norm(dim=1).max()) <= 0.2 * (1 + 1e-6)


def test_the_backend_is_known() -> None:
    assert keras.backend.backend() in ("torch", "jax", "numpy", "tensorflow")
