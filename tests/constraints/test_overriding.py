"""What a subclass overrides is honoured, when it is called, checked and applied by an optimizer."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

import feasible.jax
from feasible import ops
from feasible.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.constraints.gate import Measurement
from feasible.torch import check, constrain, project


class Called(MaxNorm):
    """As in Keras: a function of the whole weight."""

    def __call__(self, w: Any) -> Any:
        return ops.maximum(super().__call__(w), 0.0)


class Projecting(MaxNorm):
    """By blocks."""

    def project(self, part: Any) -> Any:
        entries, stays = yield from super().project(part)
        whole = part.xp.where(stays, part.wide, entries)
        return part.xp.maximum(whole, part.xp.zeros_like(whole))


class Clipping:
    """No constraint, but what comes first among the bases of one."""

    def __call__(self, w: Any) -> Any:
        return ops.maximum(super().__call__(w), 0.0)  # type: ignore[misc]


class Mixed(Clipping, MaxNorm):
    pass


class Derived(Called):
    """Another one below that, with nothing of its own."""


class Rounded(UnitNorm):
    """Less than a unit, by its limits."""

    def limits(self, stored: Any, length: int) -> Any:
        return super().limits(stored, length)._replace(least=0.5, low=0.5, high=0.5, most=0.5)


class Rows(MaxNorm):
    """Along other axes than it says."""

    def vector_axes(self, shape: Any) -> tuple[int, ...]:
        return (len(shape) - 1,)


class Shrunk(NonNeg):
    """Each entry times a half."""

    def project(self, part: Any) -> Any:
        return part.w * 0.5


class Elsewhere(MaxNorm):
    """Whatever axes it is put along, the last."""

    def along(self, axes: Any) -> Any:
        return MaxNorm(self.max_value, axis=-1)


class Fixed(UnitNorm):
    """It resolves "unit" to the whole weight."""

    def resolve(self, unit_axes: Any) -> Any:
        return UnitNorm(axis=None)


class Bounded(MinMaxNorm):
    """The other way round."""

    def __call__(self, w: Any) -> Any:
        return -super().__call__(w)


OVERRIDING = [
    Called(0.4, axis="unit"),
    Projecting(0.4, axis="unit"),
    Mixed(0.4, axis="unit"),
    Derived(0.4, axis="unit"),
    Rounded(axis="unit"),
    Rows(0.4, axis=0),
    Shrunk(),
    Elsewhere(0.4, axis="unit"),
    Fixed(axis="unit"),
    Bounded(0.1, 0.2, axis=1),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("constraint", OVERRIDING, ids=repr)
def test_an_optimizer_does_what_a_call_does(constraint: Constraint, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    linears = nn.ModuleList(nn.Linear(6, 4, bias=False) for _ in range(3)).to(dtype)
    expected = [constraint.resolve((0,))(linear.weight.detach().t()) for linear in linears]
    constrain(linears, kernel=constraint)
    for linear in linears:
        linear.weight.grad = torch.zeros_like(linear.weight)
    torch.optim.SGD(linears.parameters(), lr=0.1).step()
    for linear, one in zip(linears, expected, strict=True):
        rounding = 1e-2 if dtype is torch.bfloat16 else 1e-6
        torch.testing.assert_close(linear.weight.detach().t(), one, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("constraint", OVERRIDING, ids=repr)
def test_a_tree_is_projected_as_by_a_call(constraint: Constraint) -> None:
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)), jnp.float32)
    expected = constraint.resolve((0,))(kernel)
    found = feasible.jax.project({"kernel": constraint}, {"kernel": kernel})["kernel"]
    assert np.allclose(found, expected, atol=1e-6)


CLIPPING = [Called, Projecting, Mixed, Derived]


@pytest.mark.parametrize("kind", CLIPPING, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("axis", [0, "unit", None])
def test_check_goes_by_the_projection_that_is_there(kind: type[MaxNorm], axis: Any) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(6, 4)
    report = constrain(linear, kernel=kind(100, axis=axis))
    assert report.rows[0].violating > 0
    negative = linear.weight.detach().clamp(max=0)
    whole = kind is not Projecting or axis is None
    distances = negative.norm()[None] if whole else negative.norm(dim=1)
    assert report.rows[0].worst == pytest.approx(float(distances.max()), rel=1e-5)
    assert report.rows[0].violating == int((distances > 0).sum())
    kernel = linear.weight.detach().t().numpy()
    tree = feasible.jax.check({"*": kind(100, axis=axis)}, {"kernel": jnp.asarray(kernel)})
    assert tree.rows[0].violating == report.rows[0].violating
    project(linear)
    assert check(linear).ok


class Measuring(Called):
    """With a measure of its own: how far entries are below zero."""

    def measure(self, part: Any) -> Any:
        (below,) = yield (part.total(part.xp.clip(part.wide, None, 0.0)),)
        return Measurement(below, part.xp.abs(below))


class Violating(Projecting):
    """It counts entries."""

    quantity = "count"
    bounds = (0.0, 5.0)

    def violations(self, w: Any) -> Any:
        return ops.sum(w < 0, axis=0)

    def measured(self, w: Any) -> Any:
        return ops.sum(w < 0, axis=0) + 10


class Tolerant(MaxNorm):
    """With other limits, but the same projection."""

    def limits(self, stored: Any, length: int) -> Any:
        return super().limits(stored, length)._replace(most=1e3)


def test_a_measure_of_ones_own_is_honoured() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(6, 4)
    weight = linear.weight.detach()
    (row,) = constrain(linear, kernel=Measuring(100)).rows
    assert row.worst == pytest.approx(-float(weight.clamp(max=0).sum()), rel=1e-5)
    (row,) = constrain(linear, kernel=Violating(100, axis="unit")).rows
    counts = (weight < 0).sum(1)
    assert (row.worst, row.quantity, row.bounds) == (float(counts.max()), "count", (0.0, 5.0))
    assert row.measured.tolist() == (counts + 10).tolist()
    with torch.no_grad():
        linear.weight.mul_(10)
    constrain(linear, kernel=Tolerant(0.1))
    before = linear.weight.detach().clone()
    assert check(linear).ok
    project(linear)
    assert torch.equal(linear.weight, before)


def test_below_a_measure_of_ones_own_another_projection_does_not_inherit_it() -> None:
    class Shifted(Measuring):
        def __call__(self, w: Any) -> Any:
            return ops.maximum(w, 1.0)

    assert Shifted.measure is Constraint.measure
    assert Shifted(1).violations(np.zeros((2, 2))).tolist() == [2.0]


def test_a_function_of_ones_own_that_calls_a_set_may_be_anything() -> None:
    class Sequence(Constraint):
        def __init__(self, first: Any, second: Any) -> None:
            self.first, self.second = first, second

        def __call__(self, w: Any) -> Any:
            return self.second(self.first(w))

    linear = nn.Linear(6, 4)
    constrain(linear, kernel=Sequence(NonNeg(), UnitNorm(0)), project=True)
    assert check(linear).ok
    assert (linear.weight >= 0).all()
    torch.testing.assert_close(linear.weight.norm(dim=1), torch.ones(4))
