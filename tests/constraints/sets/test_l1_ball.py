"""Balls of the sum of absolute values, against the simplex of absolute values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.constraints.sets.definitions import (
    NARROW,
    check_agrees,
    check_holds,
    check_refused,
    check_round_trip,
    check_tangent,
    complex_weight,
    each_vector,
    narrow_weights,
    weights,
)
from tests.constraints.sets.sums import in_l1_ball, stationarity

from feasible.constraints import L1Ball

AXES = [(5,), 0], [(5, 3), "unit"], [(3, 4), None], [(4, 2, 3), (0, 2)], [(3, 2, 5), -1]


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("radius", [1, 2.5])
def test_vectors_are_the_nearest_in_the_ball(shape: Any, axis: Any, radius: float) -> None:
    for place, weight in enumerate([*weights(shape), complex_weight(shape)]):
        check_agrees(
            L1Ball(radius, axis),
            lambda w: each_vector(lambda v: in_l1_ball(v, radius), w, axis),
            weight,
            jax=place in (0, 7) and shape == (4, 2, 3),
        )


def test_a_radius_may_be_of_each_vector() -> None:
    weight, radius = weights((5, 3))[0], np.array([0.5, 1.0, 100.0])
    found = L1Ball(radius)(weight)
    for column in range(3):
        expected = in_l1_ball(weight[:, column], radius[column])
        assert np.allclose(found[:, column], expected, atol=1e-11)
    assert np.array_equal(found[:, 2], weight[:, 2])


def test_an_initial_radius_is_what_a_weight_had() -> None:
    weight = weights((5, 3))[0]
    declared = L1Ball("initial").declared_for(weight)
    assert np.allclose(declared.radius, np.abs(weight).sum(0))
    assert np.array_equal(declared(weight), weight)
    expected = each_vector(lambda v: in_l1_ball(v, np.abs(v).sum() / 2), 2 * weight)
    assert np.allclose(declared(2 * weight), expected, atol=1e-11)


def test_a_vector_of_many_entries_satisfies_the_conditions_of_an_optimum() -> None:
    for weight in weights((512,))[:5]:
        found = L1Ball()(weight)
        if np.abs(weight).sum() > 1:
            assert stationarity(np.abs(weight), np.abs(found)) <= 1e-12 * np.abs(weight).max()
            assert np.array_equal(np.sign(weight)[found != 0], np.sign(found)[found != 0])
            assert abs(np.abs(found).sum() - 1) <= 1e-11


def test_violations_are_distances_and_what_is_measured_the_sums() -> None:
    weight = np.array([[0.5, 2.0, math.nan], [-0.25, 0.0, 0.0]])
    assert np.allclose(L1Ball().violations(weight), [0, 1, math.nan], equal_nan=True)
    assert np.allclose(L1Ball().measured(weight), [0.75, 2, math.nan], equal_nan=True)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_tangent_is_where_the_projection_goes(shape: Any, axis: Any) -> None:
    for weight in weights(shape)[:3]:
        check_tangent(L1Ball(2, axis), weight)


def test_a_tangent_of_complex_vectors_is_where_the_projection_goes() -> None:
    check_tangent(L1Ball(2, "unit"), complex_weight((5, 3)))
    check_tangent(L1Ball(0.5, None), complex_weight((5, 3)))


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for shape in ((64, 3), (512,)):
        for weight in narrow_weights(shape, dtype):
            check_holds(L1Ball(), weight)
            check_holds(L1Ball(3.3, axis="unit"), weight)


def test_it_comes_back_from_json() -> None:
    check_round_trip(L1Ball())
    check_round_trip(L1Ball("initial", axis="unit"))
    check_round_trip(L1Ball(np.array([[0.5], [2.0]]), axis=(1,)))


def test_what_cannot_be_used_is_refused() -> None:
    check_refused(lambda: L1Ball(-1), "radius", "-1")
    check_refused(lambda: L1Ball(math.inf), "radius", "inf")
    check_refused(lambda: L1Ball([1.0, -2.0]), "radius", "-2.0")
    check_refused(lambda: L1Ball([1.0, math.nan]), "radius", "nan")
    check_refused(lambda: L1Ball("first"), "radius", "'first'")
    check_refused(lambda: L1Ball([1.0, 2.0])(np.zeros((5, 3))), "radius", "(2,)", "(5, 3)")
    check_refused(lambda: L1Ball(np.ones((5, 1)))(np.zeros((5, 3))), "radius", "(5, 1)", "(5, 3)")
    check_refused(lambda: L1Ball("initial").declared_for(np.full(3, math.nan)), "initial", "NaN")
