"""Tangents of norm constraints, and norms of complex weights, by their real embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.constraints.sets.definitions import (
    check_agrees,
    check_holds,
    check_tangent,
    complex_weight,
    weights,
)

from feasible.constraints import Constraint, MaxNorm, MinMaxNorm, UnitNorm

NORMS = [
    MaxNorm(1.5),
    MaxNorm(0.75, axis="unit"),
    MaxNorm(2, axis=None),
    MinMaxNorm(1, 2, axis=(0, 1)),
    MinMaxNorm(2, 2.5, axis="unit"),
    UnitNorm(),
    UnitNorm(axis=(1, 2)),
]
each_norm = pytest.mark.parametrize("constraint", NORMS, ids=repr)
SHAPE = (4, 2, 3)


@each_norm
def test_a_tangent_is_where_the_projection_goes(constraint: Constraint) -> None:
    for weight in [*weights(SHAPE)[:3], complex_weight(SHAPE), 0.1 * complex_weight(SHAPE)]:
        check_tangent(constraint, weight)


def embedded(w: np.ndarray) -> np.ndarray:
    """A complex weight as a real one, with an axis more for both parts."""
    return np.stack([w.real, w.imag], axis=-1)


@each_norm
def test_a_complex_weight_is_projected_as_its_two_parts_are(constraint: Any) -> None:
    axis = constraint.resolve((0, 1)).axis
    axes = range(3) if axis is None else (axis,) if isinstance(axis, int) else axis
    real = constraint.along((*axes, 3)) if axis is not None else constraint

    def oracle(w: np.ndarray) -> np.ndarray:
        parts = real(embedded(w))
        return parts[..., 0] + 1j * parts[..., 1]

    for size in (0.01, 1, 50):
        weight = size * complex_weight(SHAPE)
        check_agrees(constraint, oracle, weight, jax=size == 1)
        for dtype in (np.complex64, np.complex128):
            check_holds(constraint, weight.astype(dtype))
        parts = embedded(weight)
        assert np.allclose(constraint.violations(weight), real.violations(parts), rtol=1e-12)
        gradient = complex_weight(SHAPE, seed=9)
        found = embedded(constraint.tangent(constraint(weight), gradient))
        expected = real.tangent(real(parts), embedded(gradient))
        assert np.allclose(found, expected, atol=1e-9)
