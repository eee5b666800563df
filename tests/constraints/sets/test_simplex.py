"""Distributions, against bisection, sorting, and the conditions of an optimum."""

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
from tests.constraints.sets.sums import on_simplex, on_simplex_by_sorting, stationarity

from feasible.constraints import Simplex

AXES = [(5,), 0], [(5, 3), "unit"], [(3, 4), None], [(4, 2, 3), (0, 2)], [(3, 2, 5), -1]


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("total", [1, 2.5])
def test_vectors_are_the_nearest_distributions(shape: Any, axis: Any, total: float) -> None:
    for place, weight in enumerate(weights(shape)):
        by_bisection, by_sorting = (
            each_vector(lambda v, f=function: f(v, total), weight, axis)
            for function in (on_simplex, on_simplex_by_sorting)
        )
        assert np.allclose(by_bisection, by_sorting, atol=1e-11 * (1 + np.abs(weight).max()))
        check_agrees(
            Simplex(total, axis),
            lambda w: each_vector(lambda v: on_simplex_by_sorting(v, total), w, axis),
            weight,
            jax=place in (0, 3) and shape == (4, 2, 3),
        )


def test_a_distribution_of_many_entries_satisfies_the_conditions_of_an_optimum() -> None:
    for weight in weights((512,)):
        found = Simplex()(weight)
        assert stationarity(weight, found) <= 1e-13 * (1 + np.abs(weight).max())
        assert abs(found.sum() - 1) <= 1e-12
        assert (found >= 0).all()


def test_of_a_sum_of_zero_all_is_zero() -> None:
    assert not Simplex(0)(weights((5, 3))[0]).any()


def test_violations_are_distances_and_what_is_measured_the_sums() -> None:
    weight = np.array([[0.5, 2.0, math.nan], [0.5, 0.0, 0.0]])
    assert np.allclose(Simplex().violations(weight), [0, 1, math.nan], equal_nan=True)
    assert np.allclose(Simplex().measured(weight), [1, 2, math.nan], equal_nan=True)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_tangent_is_where_the_projection_goes(shape: Any, axis: Any) -> None:
    for weight in weights(shape)[:3]:
        check_tangent(Simplex(2, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for shape in ((64, 3), (512,)):
        for weight in narrow_weights(shape, dtype):
            check_holds(Simplex(), weight)
            check_holds(Simplex(3.3, axis="unit"), weight)


def test_it_comes_back_from_json() -> None:
    check_round_trip(Simplex())
    check_round_trip(Simplex(2.5, axis=(0, -1)))
    check_round_trip(Simplex(total=0, axis=None))


def test_what_cannot_be_used_is_refused() -> None:
    check_no_complex(Simplex(), (3, 2))
    check_refused(lambda: Simplex(-1), "total", "-1")
    check_refused(lambda: Simplex(math.nan), "total", "nan")
    check_refused(lambda: Simplex(axis=(0, 0)), "axis", "(0, 0)")
    check_refused(lambda: Simplex(axis=2)(np.zeros((3, 3))), "axis", "2", "(3, 3)")
    check_refused(lambda: Simplex()(np.zeros(3, int)), "int64")
