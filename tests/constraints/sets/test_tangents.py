"""Projected gradients are what weights can move along, to first order."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from feasible import (
    Blocks,
    Box,
    CappedSimplex,
    Constraint,
    FixedSum,
    HalfSpace,
    Hyperplane,
    L1Ball,
    Mask,
    MaxNorm,
    MinMaxNorm,
    Monotone,
    NonNeg,
    NuclearNorm,
    Orthogonal,
    PositiveSemidefinite,
    RadialConstraint,
    Rank,
    Simplex,
    SpectralNorm,
    Sphere,
    Symmetric,
    UnitNorm,
)

NORMAL = np.linspace(-1, 2, 25).reshape(5, 5)
SETS = [
    NonNeg(),
    Box(-0.5, 0.5),
    Mask(NORMAL > 0),
    MaxNorm(1, axis=0),
    MaxNorm(100, axis=0),
    MinMaxNorm(3, 4, axis=0),
    UnitNorm(axis=1),
    Sphere(2, axis=None),
    FixedSum(1, axis=0),
    Hyperplane(NORMAL, 0.5, axis=0),
    HalfSpace(NORMAL, -0.5, axis=1),
    Simplex(1, axis=0),
    CappedSimplex(1, 0.4, axis=0),
    L1Ball(1, axis=1),
    L1Ball(100, axis=1),
    Monotone(axis=0),
    Monotone(increasing=False, axis=1),
    SpectralNorm(1),
    NuclearNorm(1),
    Rank(2),
    Orthogonal(),
    Symmetric(),
    PositiveSemidefinite(),
    NonNeg() & MaxNorm(1, axis=0),
    Simplex(1, axis=0) & Box(0, 0.4),
    Blocks(UnitNorm(axis=0), axis=0, sizes=(2, 3)),
]


@pytest.mark.parametrize("constraint", SETS, ids=repr)
def test_a_step_along_it_is_where_the_projection_leads(constraint: Constraint) -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        w = constraint(rng.normal(size=(5, 5)))
        gradient = rng.normal(size=(5, 5))
        found = constraint.tangent(w, gradient)
        # What keeps its bits within rounding of 4e-13 must not hide the step.
        step = 1e-6
        moved = (constraint(w - step * gradient) - w) / step
        np.testing.assert_allclose(-found, moved, atol=2e-5 * max(1, abs(gradient).max()))
        np.testing.assert_allclose(constraint.tangent(w, 3 * gradient), 3 * found, atol=1e-11)
        np.testing.assert_allclose(constraint.tangent(w, found), found, atol=1e-9)


@pytest.mark.parametrize("constraint", SETS, ids=repr)
def test_the_same_in_every_library(constraint: Any) -> None:
    rng = np.random.default_rng(1)
    w = constraint(rng.normal(size=(5, 5)).astype(np.float32))
    gradient = rng.normal(size=(5, 5)).astype(np.float32)
    expected = constraint.tangent(w, gradient)
    assert expected.dtype == np.float32
    for asarray in (torch.tensor, jnp.asarray):
        found = constraint.tangent(asarray(w), asarray(gradient))
        assert type(found) is type(asarray(w))
        np.testing.assert_allclose(np.asarray(found), expected, atol=2e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "constraint",
    [
        NonNeg() & FixedSum(1),
        NonNeg() & Hyperplane(np.linspace(-1, 2, 6)[:, None], 0.5),
        HalfSpace(np.linspace(-1, 2, 6)[:, None], -0.5) & NonNeg(),
    ],
    ids=repr,
)
def test_what_alternating_leaves_near_a_bound_is_at_it(constraint: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for _ in range(4):
        w = constraint(rng.normal(size=(6, 6)).astype(dtype))
        gradient = rng.normal(size=(6, 6)).astype(dtype)
        found, wide, step = constraint.tangent(w, gradient), w.astype(np.float64), 1e-3
        moved = (constraint(wide - step * gradient) - constraint(wide)) / step
        np.testing.assert_allclose(-found, moved, atol=2e-3)


def test_radial_kernels() -> None:
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(5, 5, 1, 2))
    mean = RadialConstraint("mean")
    found = mean.tangent(mean(gradient), gradient)
    np.testing.assert_allclose(found, mean(gradient))
    assert np.array_equal(RadialConstraint().tangent(gradient, gradient), gradient)


def test_of_a_function_it_is_the_gradient() -> None:
    class Halved(Constraint):
        def __call__(self, w: Any) -> Any:
            return w / 2

    gradient = np.ones(3)
    assert Halved().tangent(np.ones(3), gradient) is gradient


def test_it_leads_where_two_curved_bounds_do_as_steps_become_short() -> None:
    """Where singular values are near the bound, or entries near zero, only short steps tell."""
    constraint = SpectralNorm(1) & NonNeg()
    rng = np.random.default_rng(0)
    for _ in range(5):
        w = constraint(rng.normal(size=(5, 5)))
        gradient = rng.normal(size=(5, 5))
        found = constraint.tangent(w, gradient)
        off = []
        for step in (1e-4, 1e-6, 1e-8):
            moved = (constraint(w - step * gradient) - w) / step
            off.append(np.abs(-found - moved).max())
        assert off[1] <= max(0.02 * off[0], 1e-9)
        assert off[2] < 1e-5
