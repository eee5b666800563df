"""Vectors between zero and a cap with a fixed sum, against bisection and optimality."""

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
from tests.constraints.sets.sums import on_capped_simplex, stationarity

from feasible.constraints import CappedSimplex

AXES = [(5,), 0], [(5, 3), "unit"], [(3, 4), None], [(4, 2, 3), (0, 2)], [(3, 2, 5), -1]


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize(("total", "upper"), [(1, 0.5), (2, 1), (2.5, 0.5)])
def test_vectors_are_the_nearest(shape: Any, axis: Any, total: float, upper: float) -> None:
    for place, weight in enumerate(weights(shape)):
        check_agrees(
            CappedSimplex(total, upper, axis),
            lambda w: each_vector(lambda v: on_capped_simplex(v, total, upper), w, axis),
            weight,
            jax=place in (0, 3) and shape == (4, 2, 3),
        )


def test_a_vector_of_many_entries_satisfies_the_conditions_of_an_optimum() -> None:
    for weight in weights((512,)):
        found = CappedSimplex(20, 0.25)(weight)
        assert stationarity(weight, found, 0.25) <= 1e-12 * (1 + np.abs(weight).max())
        assert abs(found.sum() - 20) <= 1e-11
        assert (found >= 0).all()
        assert (found <= 0.25).all()


def test_what_must_be_at_the_cap_is() -> None:
    assert np.allclose(CappedSimplex(2, 0.4)(weights((5, 3))[0]), 0.4, atol=1e-12)
    assert not CappedSimplex(0, 0.4)(weights((5, 3))[0]).any()


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_tangent_is_where_the_projection_goes(shape: Any, axis: Any) -> None:
    for weight in weights(shape)[:3]:
        check_tangent(CappedSimplex(2, 0.75, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for shape in ((64, 3), (512,)):
        for weight in narrow_weights(shape, dtype):
            check_holds(CappedSimplex(1, 0.1), weight)
            check_holds(CappedSimplex(3.3, 0.3, axis=0), weight)


def test_it_comes_back_from_json() -> None:
    check_round_trip(CappedSimplex())
    check_round_trip(CappedSimplex(2.5, 0.75, axis=(0, -1)))


def test_what_cannot_be_used_is_refused() -> None:
    check_no_complex(CappedSimplex(), (3, 2))
    check_refused(lambda: CappedSimplex(-1), "total", "-1")
    check_refused(lambda: CappedSimplex(upper=-1), "upper", "-1")
    check_refused(lambda: CappedSimplex(upper=math.nan), "upper", "nan")
    short = CappedSimplex(2, 0.5)
    check_refused(lambda: short(np.zeros((3, 2))), "upper=0.5", "total=2", "(3, 2)", "0.666667")
    assert short(np.zeros((4, 2))).sum() == 4
