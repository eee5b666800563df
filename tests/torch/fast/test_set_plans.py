"""Loops for sets of vectors do what the sets say, for rows, columns and whole weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from feasible import (
    Box,
    Constraint,
    FixedSum,
    L1Ball,
    Mask,
    MaxNorm,
    MinMaxNorm,
    NofM,
    Simplex,
    Sphere,
    UnitNorm,
)
from feasible.torch.fast import fast_gradient_plan
from feasible.torch.fast.set_plans import SetPlan
from feasible.torch.fast.spheres import SpherePlan
from feasible.torch.plans import plan_of

TOLERANCES = {torch.float32: 2e-6, torch.bfloat16: 2e-2}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
AXES = pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)], ids=str)
SHAPES = [(36, 52), (52, 36), (3, 40), (300, 1200)]


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def weights(dtype: torch.dtype) -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        for scale in (1.0, 100.0, 0.01):
            values = scale * torch.randn(shape, generator=generator)
            values[1, 1], values[2] = 0.0, 0.0
            if scale == 100.0:
                values[0, 0], values[0, 1] = float("nan"), float("inf")
            yield values.to(dtype)


def check_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Close where there are numbers, and the same where there are none."""
    unknown = ~torch.isfinite(expected)
    assert torch.equal(torch.isfinite(found), ~unknown)
    found, wide = found.double()[~unknown], expected.double()[~unknown]
    limit = TOLERANCES[expected.dtype] * wide.abs().max().clamp_min(1e-30)
    assert (found - wide).abs().max() <= limit


def project(constraint: Constraint, weight: torch.Tensor, kind: type) -> torch.Tensor:
    projected = weight.clone()
    planned = plan_of(constraint, projected)
    assert planned is not None
    plan, stored = planned
    assert isinstance(plan, kind)
    plan.project([stored])
    return projected


def check_set(constraint: Constraint, weight: torch.Tensor, kind: type = SetPlan) -> None:
    once = project(constraint, weight, kind)
    check_same(once, constraint(weight))
    twice = project(constraint, once, kind)
    assert torch.equal(torch.nan_to_num(once, 7.0), torch.nan_to_num(twice, 7.0))
    known = torch.isfinite(constraint.measured(once)) & torch.isfinite(constraint.violations(once))
    assert not constraint.violations(once)[known].any()


@DTYPES
@AXES
@pytest.mark.parametrize(
    "make",
    [
        lambda axes: FixedSum(1.5, axis=axes),
        lambda axes: Simplex(2, axis=axes),
        lambda axes: L1Ball(2, axis=axes),
        lambda axes: NofM(2, 4, axis=axes),
        lambda axes: NofM(1, 2, axis=axes),
    ],
)
def test_sets_of_vectors(make: Any, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    constraint = make(axes)
    for weight in weights(dtype):
        length = constraint.vectors(weight.shape)[1]
        if not isinstance(constraint, NofM) or length % constraint.m == 0:
            check_set(constraint, weight)


@DTYPES
def test_sets_of_entries(dtype: torch.dtype) -> None:
    for weight in weights(dtype):
        check_set(Box(-0.5, 1.0), weight)
        mask = np.arange(weight.numel()).reshape(weight.shape) % 3 > 0
        check_set(Mask(mask), weight)
        transposed = weight.t()
        check_set(Mask(mask.T), transposed)


@DTYPES
@AXES
def test_spheres(axes: tuple[int, ...], dtype: torch.dtype) -> None:
    for weight in weights(dtype):
        check_set(Sphere(2.0, axis=axes), weight, SpherePlan)


def test_large_weights_are_near_after_a_step() -> None:
    generator = torch.Generator().manual_seed(1)
    for constraint in (Simplex(1, axis=1), L1Ball(30, axis=1), Simplex(500, axis=1)):
        weight = constraint(torch.randn(64, 4096, generator=generator))
        for scale in (1e-2, 1e-4, 1e-6, 1e-8):
            moved = weight + scale * torch.randn(64, 4096, generator=generator)
            check_set(constraint, moved)
            check_set(constraint, moved + 1e4 * scale)


@DTYPES
@AXES
@pytest.mark.parametrize(
    "make",
    [
        lambda axes: FixedSum(1.5, axis=axes),
        lambda axes: Simplex(2, axis=axes),
        lambda axes: L1Ball(2, axis=axes),
        lambda axes: MaxNorm(1, axis=axes),
        lambda axes: MinMaxNorm(1, 2, axis=axes),
        lambda axes: UnitNorm(axis=axes),
        lambda axes: Sphere(2, axis=axes),
    ],
)
def test_gradients(make: Any, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    constraint = make(axes)
    generator = torch.Generator().manual_seed(2)
    for shape in SHAPES:
        for scale in (1.0, 0.01):
            weight = constraint((scale * torch.randn(shape, generator=generator)).to(dtype))
            gradient = torch.randn(shape, generator=generator).to(dtype)
            expected = constraint.tangent(weight, gradient)
            plan = fast_gradient_plan(constraint, weight, gradient, axes)
            assert plan is not None
            plan.project([weight], [gradient])
            check_same(gradient, expected)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("length", [4, 256, 4096, 100_000])
@pytest.mark.parametrize("make", [Simplex, L1Ball])
def test_even_entries_are_not_zero(make: Any, length: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    for shape, axis in (((length,), 0), ((length, 3), 0), ((3, length), 1)):
        weight = torch.full(shape, 1 / length, dtype=dtype)
        gradient = torch.randn(shape, generator=generator).to(dtype)
        constraint = make(float(weight[(0,) * len(shape)]) * length, axis=axis)
        expected = constraint.tangent(weight, gradient)
        plan = fast_gradient_plan(constraint, weight, gradient, (axis,))
        assert plan is not None
        plan.project([weight], [gradient])
        check_same(gradient, expected)
        assert gradient.abs().max() > 0.5
