"""What a projection returned is feasible to `check`, also under a function of one's own."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

import feasible.jax
from feasible import Constraint, ops
from feasible.torch import check, constrain, project


class CenterAround(Constraint):
    """As in the README."""

    def __init__(self, ref_value: float) -> None:
        self.ref_value = ref_value

    def __call__(self, w: Any) -> Any:
        return w - ops.mean(w) + self.ref_value


class CenteredUnits(Constraint):
    def __call__(self, w: Any) -> Any:
        return w - ops.mean(w, axis=0, keepdims=True)


class WholeUnit(Constraint):
    def __call__(self, w: Any) -> Any:
        return w / ops.norm(w)


class UnitColumns(Constraint):
    """With vectors of its own."""

    def vector_axes(self, shape: Any) -> tuple[int, ...]:
        return (0,)

    def __call__(self, w: Any) -> Any:
        return w / ops.norm(w, axis=0, keepdims=True)


class Simplex(Constraint):
    """Non-negative entries that add up to one."""

    def __call__(self, w: Any) -> Any:
        positive = ops.maximum(w, 0.0)
        return positive / ops.sum(positive)


class Symmetric(Constraint):
    def __call__(self, w: Any) -> Any:
        return (w + ops.transpose(w)) / 2


class CenteredBlocks(Constraint):
    """In parts."""

    def __init__(self, ref_value: float, axis: Any) -> None:
        self.ref_value, self.axis = ref_value, axis

    def project(self, part: Any) -> Any:
        (total,) = yield (part.total(part.wide),)
        return part.wide - total / part.length + self.ref_value


def without_median(w: Any) -> Any:
    return w - (w.median() if isinstance(w, torch.Tensor) else jnp.median(w).astype(w.dtype))


def without_mean(w: Any) -> Any:
    return w - w.mean()


def without_size(w: Any) -> Any:
    return w / (w * w).sum() ** 0.5


CONSTRAINTS = [
    CenterAround(0.0),
    CenterAround(1.0),
    CenterAround(-3.0),
    CenteredUnits(),
    WholeUnit(),
    UnitColumns(),
    Simplex(),
    Symmetric(),
    CenteredBlocks(0.0, axis=0),
    CenteredBlocks(1.0, axis=None),
    CenteredBlocks(-3.0, axis="unit"),
    without_median,
    without_mean,
    without_size,
]
every_constraint = pytest.mark.parametrize(
    "constraint", CONSTRAINTS, ids=lambda one: getattr(one, "__name__", None) or str(one)
)
SHAPES = [(64, 64), (16, 16)]


@every_constraint
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_of_twenty_models(constraint: Any, dtype: torch.dtype) -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        model = nn.Sequential(*(nn.Linear(*shape, bias=False) for shape in SHAPES)).to(dtype)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1)
        assert not constrain(model, kernel=constraint).ok
        project(model)
        report = check(model)
        assert report.ok, report
        before = [parameter.detach().clone() for parameter in model.parameters()]
        project(model)
        assert check(model).ok
        if dtype is torch.float64:
            for parameter, one in zip(model.parameters(), before, strict=True):
                torch.testing.assert_close(parameter.detach(), one, rtol=1e-9, atol=1e-9)


@every_constraint
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_of_twenty_trees(constraint: Any, dtype: str) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        tree = {
            str(place): {
                "kernel" if shape else "scale": jnp.asarray(
                    random.uniform(-0.1, 0.3, size=shape), dtype
                )
            }
            for place, shape in enumerate(SHAPES)
        }
        rules = {"*": constraint}
        assert not feasible.jax.check(rules, tree).ok
        report = feasible.jax.check(rules, feasible.jax.project(rules, tree))
        assert report.ok, report


@pytest.mark.parametrize("constraint", CONSTRAINTS[:10], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_of_twenty_arrays(constraint: Constraint, dtype: str) -> None:
    constraint = constraint.resolve((0,))
    for seed in range(20):
        for shape in SHAPES:
            weight = np.random.default_rng(seed).normal(size=shape).astype(dtype)
            assert not constraint.violations(constraint(weight)).any()


def test_what_is_beyond_rounding_is_still_found() -> None:
    torch.manual_seed(0)
    for dtype, moved in ((torch.float32, 1e-4), (torch.float64, 1e-10), (torch.bfloat16, 0.1)):
        linear = nn.Linear(64, 64).to(dtype)
        constrain(linear, kernel=CenterAround(1.0), project=True)
        assert check(linear).ok
        with torch.no_grad():
            linear.weight.add_(moved)
        assert not check(linear).ok
