"""Gradients are projected onto tangent cones before each step, whatever takes the step."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from feasible import (
    Constraint,
    FixedSum,
    L1Ball,
    MaxNorm,
    NonNeg,
    Sequential,
    Simplex,
    SpectralNorm,
    Sphere,
)
from feasible.layers import Dense
from feasible.torch import check, constrain

SHAPE = (8, 4)
SETS = [
    Simplex(1, axis=0),
    L1Ball(1, axis=0),
    MaxNorm(1, axis=0),
    FixedSum(1, axis=0),
    SpectralNorm(1, axis="unit"),
]


def reached(constraint: Constraint, tangent: Any, inputs: torch.Tensor, wanted: Any) -> float:
    """The loss that Adam comes down to, from a feasible start."""
    generator = torch.Generator().manual_seed(3)
    layer = nn.Linear(*SHAPE, bias=False)
    start = constraint(torch.rand(SHAPE, generator=generator).numpy())
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(start).t())
    constrain(layer, {"weight": constraint}, tangent=tangent)
    steps = 600
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (layer(inputs) - wanted).square().mean().backward()
        optimizer.step()
        schedule.step()
    assert check(layer).ok
    return float((layer(inputs) - wanted).square().mean().detach())


def best(constraint: Constraint, inputs: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """The losses at the start and at the optimum, by projected gradients in float64."""
    generator = torch.Generator().manual_seed(3)
    w = constraint(torch.rand(SHAPE, generator=generator).double().numpy())

    def loss(w: np.ndarray) -> float:
        return float(np.mean((inputs @ w - wanted) ** 2))

    first = loss(w)
    size = wanted.size
    rate = size / (2 * np.linalg.eigvalsh(inputs.T @ inputs)[-1])
    for _ in range(3000):
        w = constraint(w - rate * 2 * inputs.T @ (inputs @ w - wanted) / size)
    return first, loss(w)


@pytest.mark.parametrize("constraint", SETS, ids=repr)
def test_adam_reaches_the_optimum(constraint: Constraint) -> None:
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(40, 8, generator=generator)
    wanted = inputs @ (2 * torch.randn(SHAPE, generator=generator))
    first, optimum = best(constraint, inputs.double().numpy(), wanted.double().numpy())
    lost = (reached(constraint, True, inputs, wanted) - optimum) / (first - optimum)
    assert -1e-4 < lost < 0.01
    without = (reached(constraint, False, inputs, wanted) - optimum) / (first - optimum)
    assert without > max(lost, 0.01)


def linear(constraint: Any, tangent: Any = "auto") -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3, bias=False)
    constrain(layer, {"weight": constraint}, tangent=tangent, project=True)
    return layer


def graded(layer: nn.Module) -> torch.Tensor:
    """One step, and the gradient that the optimizer saw."""
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.ones(2, 5)).square().sum().backward()
    optimizer.step()
    (parameter,) = layer.parameters()
    assert parameter.grad is not None
    return parameter.grad


@pytest.mark.parametrize(
    ("constraint", "tangent", "projects"),
    [
        (FixedSum(0, axis="unit"), "auto", True),
        (FixedSum(0, axis="unit"), False, False),
        (Sphere(1, axis="unit"), "auto", True),
        (MaxNorm(0.1, axis="unit"), "auto", False),
        (NonNeg(), "auto", False),
    ],
)
def test_auto_goes_by_the_class(constraint: Any, tangent: Any, projects: bool) -> None:
    free = copy.deepcopy(linear(constraint, False))
    expected = graded(free)
    found = graded(linear(constraint, tangent))
    assert torch.equal(found, expected) is not projects


def test_it_survives_what_a_model_goes_through() -> None:
    for same in (copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))):
        layer = same(linear(FixedSum(0, axis="unit")))
        assert graded(layer).sum(1).abs().max() < 1e-5


def test_a_closure_computes_gradients_that_are_projected() -> None:
    layer = linear(FixedSum(0, axis="unit"))
    optimizer = torch.optim.LBFGS(layer.parameters())
    seen = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (layer(torch.eye(5)) - 1).square().sum()
        loss.backward()
        seen.append(1)
        return loss

    optimizer.step(closure)
    assert seen
    assert layer.weight.grad is not None
    assert layer.weight.grad.sum(1).abs().max() < 1e-5
    optimizer.step(closure=closure)
    assert check(layer).ok


def test_accumulated_gradients_are_projected_once_after_clipping() -> None:
    layer, free = linear(FixedSum(0, axis="unit")), linear(FixedSum(0, axis="unit"), False)
    for one in (layer, free):
        optimizer = torch.optim.SGD(one.parameters(), lr=0.1)
        for scale in (1.0, 2.0, 3.0):
            (scale * one(torch.arange(10.0).view(2, 5))).square().sum().backward()
        nn.utils.clip_grad_norm_(one.parameters(), 0.5)
        optimizer.step()
    assert free.weight.grad is not None
    expected = free.weight.grad - free.weight.grad.mean(1, keepdim=True)
    torch.testing.assert_close(layer.weight.grad, expected)


def test_scaled_gradients() -> None:
    layer = linear(FixedSum(0, axis="unit"))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(layer(torch.ones(2, 5)).square().sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert layer.weight.grad is not None
    assert layer.weight.grad.sum(1).abs().max() < 1e-4


def test_tied_weights_are_projected_once() -> None:
    layer = linear(Simplex(1, axis="unit"))
    other = nn.Linear(5, 3, bias=False)
    other.weight = layer.weight
    both = nn.Sequential(layer, nn.Linear(3, 5), other)
    constrain(both, {"2.weight": Simplex(1, axis="unit")})
    expected = Simplex(1, axis=1).tangent(layer.weight.detach(), torch.ones(3, 5))
    layer.weight.grad = torch.ones(3, 5)
    torch.optim.SGD(both.parameters(), lr=0.0).step()
    torch.testing.assert_close(layer.weight.grad, expected)


def test_many_small_weights_are_projected_together() -> None:
    model = nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in range(5)))
    constrain(model, kernel=SpectralNorm(1), project=True)
    gradients = []
    for layer in model:
        layer.weight.grad = torch.randn(4, 4)
        gradients.append(SpectralNorm(1).tangent(layer.weight.detach().t(), layer.weight.grad.t()))
    torch.optim.SGD(model.parameters(), lr=0.0).step()
    for layer, gradient in zip(model, gradients, strict=True):
        torch.testing.assert_close(layer.weight.grad, gradient.t(), rtol=1e-5, atol=1e-6)


def test_a_gradient_in_another_order_of_memory() -> None:
    layer = linear(FixedSum(0, axis="unit"))
    layer.weight.grad = torch.randn(5, 3).t()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()
    assert layer.weight.grad.sum(1).abs().max() < 1e-5


def test_a_sparse_gradient_is_refused() -> None:
    embedding = nn.Embedding(7, 3, sparse=True)
    constrain(embedding, {"weight": Simplex(1, axis="unit")})
    embedding(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(ValueError, match=r"dense .*tangent=False"):
        torch.optim.SparseAdam(embedding.parameters()).step()


def test_a_computed_weight_has_no_gradient_of_its_own() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))
    with pytest.raises(ValueError, match="tangent=True"):
        constrain(layer, {"weight": FixedSum(0, axis="unit")}, tangent=True)


class Centred(FixedSum):
    """A set of which gradients are projected only where that is asked for."""

    tangent_by_default = False


def test_models_are_compiled_with_it() -> None:
    x = np.random.default_rng(0).normal(size=(16, 5)).astype(np.float32)
    for constraint, tangent, projects in (
        (FixedSum(0), "auto", True),
        (FixedSum(0), False, False),
        (Centred(), "auto", False),
        (Centred(), True, True),
    ):
        model = Sequential([Dense(3, kernel_constraint=constraint, use_bias=False)])
        model.compile("sgd", "mse", tangent=tangent)
        model.fit(x, x[:, :3], epochs=2, verbose=0)
        (parameter,) = model.parameters()
        assert bool((parameter.grad.sum(1).abs() < 1e-6).all()) is projects
    with pytest.raises(ValueError, match="`tangent` must be one of"):
        model.compile("sgd", "mse", tangent="always")
