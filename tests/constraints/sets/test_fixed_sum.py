"""Vectors of a fixed sum, against what spreads what is missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.constraints.sets.definitions import (
    NARROW,
    check_agrees,
    check_holds,
    check_no_complex,
    check_refused,
    check_round_trip,
    check_tangent,
    each_vector,
    narrow_weights,
    weights,
)

from feasible.constraints import FixedSum

AXES = [(5,), 0], [(5, 3), "unit"], [(3, 4), None], [(4, 2, 3), (0, 2)], [(3, 2, 5), -1]


def of_sum(vector: np.ndarray, total: float) -> np.ndarray:
    wide = vector.astype(np.longdouble)
    return wide - (wide.sum() - total) / len(wide)


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("total", [0, 2.5, -1])
def test_what_is_missing_is_spread(shape: Any, axis: Any, total: float) -> None:
    for place, weight in enumerate(weights(shape)):
        check_agrees(
            FixedSum(total, axis),
            lambda w: each_vector(lambda v: of_sum(v, total), w, axis),
            weight,
            jax=place in (0, 3) and shape == (4, 2, 3),
        )


def test_violations_are_distances_and_what_is_measured_the_sums() -> None:
    weight = np.array([[0.5, 3.0, math.nan], [0.5, 0.0, 0.0]])
    assert np.allclose(FixedSum(1).violations(weight), [0, 2**0.5, math.nan], equal_nan=True)
    assert np.allclose(FixedSum(1).measured(weight), [1, 3, math.nan], equal_nan=True)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_tangent_is_where_the_projection_goes(shape: Any, axis: Any) -> None:
    for weight in weights(shape)[:3]:
        check_tangent(FixedSum(2, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for shape in ((64, 3), (512,)):
        for weight in narrow_weights(shape, dtype):
            check_holds(FixedSum(), weight)
            check_holds(FixedSum(3.3, axis="unit"), weight)


def test_it_comes_back_from_json() -> None:
    check_round_trip(FixedSum())
    check_round_trip(FixedSum(-2.5, axis=(0, -1)))


def test_what_cannot_be_used_is_refused() -> None:
    check_no_complex(FixedSum(), (3, 2))
    check_refused(lambda: FixedSum(math.inf), "total", "inf")
    check_refused(lambda: FixedSum("1"), "total", "'1'")
    check_refused(lambda: FixedSum(axis=2)(np.zeros((3, 3))), "axis", "2", "(3, 3)")
