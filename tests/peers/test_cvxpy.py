"""Each convex set beside CVXPY, which finds the nearest point by a solver for general problems.

Clarabel stops at gaps of 1e-9, by which a point may be 5e-5 away from the nearest one. Ours must
keep the conditions to 1e-12, and be no farther from the weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from feasible import (
    Box,
    CappedSimplex,
    Constraint,
    FixedSum,
    HalfSpace,
    Hyperplane,
    L1Ball,
    MaxNorm,
    Monotone,
    NonNeg,
    NuclearNorm,
    PositiveSemidefinite,
    Simplex,
    SpectralNorm,
    Symmetric,
)

LENGTH, VECTORS = 7, 5
SQUARE = 5
NORMAL = np.linspace(-1.0, 2.0, LENGTH)
TOLERANCE = 5e-5

# What CVXPY is told of a variable, for a set of vectors that are its columns.
Conditions = Callable[[Any], list[Any]]

OF_VECTORS: dict[str, tuple[Constraint, Conditions]] = {
    "NonNeg": (NonNeg(), lambda x: [x >= 0]),
    "Box": (Box(-0.5, 0.7), lambda x: [x >= -0.5, x <= 0.7]),
    "MaxNorm": (MaxNorm(1.5), lambda x: [cp.norm(x, 2, axis=0) <= 1.5]),
    "L1Ball": (L1Ball(1.5), lambda x: [cp.norm(x, 1, axis=0) <= 1.5]),
    "Simplex": (Simplex(2.0), lambda x: [x >= 0, cp.sum(x, axis=0) == 2.0]),
    "CappedSimplex": (
        CappedSimplex(2.0, upper=0.6),
        lambda x: [x >= 0, x <= 0.6, cp.sum(x, axis=0) == 2.0],
    ),
    "FixedSum": (FixedSum(1.0), lambda x: [cp.sum(x, axis=0) == 1.0]),
    "Hyperplane": (Hyperplane(NORMAL[:, None], 0.3), lambda x: [NORMAL @ x == 0.3]),
    "HalfSpace": (HalfSpace(NORMAL[:, None], 0.3), lambda x: [NORMAL @ x <= 0.3]),
    "Monotone": (Monotone(), lambda x: [cp.diff(x, axis=0) >= 0]),
    "NonNeg & MaxNorm": (
        NonNeg() & MaxNorm(1.0),
        lambda x: [x >= 0, cp.norm(x, 2, axis=0) <= 1.0],
    ),
    "FixedSum & Box": (
        FixedSum(1.0) & Box(-0.4, 0.5),
        lambda x: [cp.sum(x, axis=0) == 1.0, x >= -0.4, x <= 0.5],
    ),
    "Monotone & Simplex": (
        Monotone() & Simplex(1.0),
        lambda x: [cp.diff(x, axis=0) >= 0, x >= 0, cp.sum(x, axis=0) == 1.0],
    ),
}
OF_MATRICES: dict[str, tuple[Constraint, Conditions]] = {
    "SpectralNorm": (SpectralNorm(1.2), lambda x: [cp.sigma_max(x) <= 1.2]),
    "NuclearNorm": (NuclearNorm(2.5), lambda x: [cp.norm(x, "nuc") <= 2.5]),
    "Symmetric": (Symmetric(), lambda x: [x == x.T]),
    "PositiveSemidefinite": (
        PositiveSemidefinite(0.1),
        lambda x: [x == x.T, x >> 0.1 * np.eye(SQUARE)],
    ),
}


def check_nearest(constraint: Constraint, conditions: Conditions, w: np.ndarray) -> None:
    """Check that a projection is what CVXPY finds, is in the set, and is no farther away."""
    x = cp.Variable(w.shape)
    told = conditions(x)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - w)), told)
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    assert problem.status == cp.OPTIMAL
    projected = constraint(w)
    np.testing.assert_allclose(projected, x.value, rtol=0, atol=TOLERANCE)
    assert np.linalg.norm(projected - w) <= np.linalg.norm(x.value - w) + 1e-8
    x.value = projected
    assert max(np.max(condition.violation()) for condition in told) < 1e-12


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", OF_VECTORS)
def test_vectors_go_where_cvxpy_finds_the_nearest_point(name: str, scale: float) -> None:
    w = scale * np.random.default_rng(0).normal(size=(LENGTH, VECTORS))
    check_nearest(*OF_VECTORS[name], w)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", OF_MATRICES)
def test_matrices_go_where_cvxpy_finds_the_nearest_point(name: str, scale: float) -> None:
    w = scale * np.random.default_rng(1).normal(size=(SQUARE, SQUARE))
    check_nearest(*OF_MATRICES[name], w)
