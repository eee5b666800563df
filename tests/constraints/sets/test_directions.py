"""Vectors that a cone makes zero go to the nearest point of the cone and a sphere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import Backend

from feasible.constraints import (
    Box,
    FixedSum,
    HalfSpace,
    Hyperplane,
    Mask,
    Monotone,
    NofM,
    NonNeg,
    PositiveSemidefinite,
    Sphere,
    Symmetric,
    TopK,
)


@pytest.mark.parametrize(
    ("cone", "vector", "expected"),
    [
        (NonNeg(), [-3, -1, -2], [0, 1, 0]),
        (NonNeg(), [-1, -1, -1], [1, 0, 0]),
        (Box(upper=0), [3, 1, 1], [0, -1, 0]),
        (Mask([[0], [1], [1]]), [5, 0, 0], [0, 1, 0]),
        (NonNeg() & Mask([[0], [1], [1]]), [5, -2, -1], [0, 0, 1]),
        (Monotone(), [3, 0, -3], [3**-0.5] * 3),
        (Monotone(increasing=False), [-3, 0, 3], [3**-0.5] * 3),
        (FixedSum(), [2, 2, 2], [4 / 24**0.5, -2 / 24**0.5, -2 / 24**0.5]),
        (Hyperplane([[0.0], [2.0], [0.0]]), [0, -4, 0], [1, 0, 0]),
        (HalfSpace([[2.0], [0.0], [0.0]]), [4, 0, 0], [0, 1, 0]),
        (TopK(1), [0, 0, 0], [1, 0, 0]),
        (NofM(1, 3), [0, 0, 0], [1, 0, 0]),
    ],
)
def test_of_vectors(xp: Backend, cone: Any, vector: Any, expected: Any) -> None:
    both = cone & Sphere(2)
    found = xp.call(both, xp.asarray(np.array([vector]).T))
    np.testing.assert_allclose(xp.to_numpy(found), 2 * np.array([expected]).T, atol=2e-6)
    assert not xp.to_numpy(both.violations(found)).any()


def test_of_entries_with_bounds_of_their_own() -> None:
    both = Box([0, -np.inf, 0], [np.inf, 0, 0]) & Sphere(2)
    np.testing.assert_allclose(both(np.array([-3.0, 2.0, 1.0])), [0, -2, 0])


def test_of_matrices() -> None:
    w = np.zeros((3, 2, 2))
    w[0], w[1], w[2] = -3 * np.eye(2), [[-2, 1], [1, -2]], -2 * np.eye(2)
    found = (PositiveSemidefinite() & Sphere(1, axis=None))(w)
    np.testing.assert_allclose(found, [np.zeros((2, 2)), np.full((2, 2), 0.5), np.zeros((2, 2))])
    found = (PositiveSemidefinite() & Sphere(1, axis=(1, 2)))(w[1:2])
    np.testing.assert_allclose(found[0], np.full((2, 2), 0.5))
    skew = np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose((Symmetric() & Sphere(1, axis=None))(skew), [[1, 0], [0, 0]])


@pytest.mark.parametrize("cone", [TopK(1), Mask([[1], [1]])])
def test_of_complex_vectors(cone: Any) -> None:
    w = np.array([[3j, 0], [1, 0]], np.complex64)
    for found in (
        (cone & Sphere(2))(w),
        (cone & Sphere(2))(torch.tensor(w)).numpy(),
    ):
        kept = np.array([[3j, 0], [1 if isinstance(cone, Mask) else 0, 0]])
        norms = np.linalg.norm(kept[:, 0])
        np.testing.assert_allclose(found[:, 0], 2 * kept[:, 0] / norms, atol=1e-6)
        np.testing.assert_allclose(found[:, 1], [2, 0], atol=1e-6)
