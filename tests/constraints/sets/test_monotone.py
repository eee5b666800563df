"""Vectors in order, against isotonic regression of scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.isotonic import isotonic_regression
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

from feasible.constraints import Monotone

AXES = [(6,), 0], [(5, 3), "unit"], [(3, 4), None], [(4, 2, 3), (0, 2)], [(3, 2, 5), -1]
both_ways = pytest.mark.parametrize("increasing", [True, False])


@pytest.mark.parametrize(("shape", "axis"), AXES)
@both_ways
def test_vectors_are_the_nearest_in_order(shape: Any, axis: Any, increasing: bool) -> None:
    def oracle(w: np.ndarray) -> np.ndarray:
        return each_vector(lambda v: isotonic_regression(v, increasing=increasing), w, axis)

    for place, weight in enumerate(weights(shape)):
        jax = place in (0, 3) and shape == (4, 2, 3)
        check_agrees(Monotone(increasing, axis), oracle, weight, jax=jax)


@both_ways
def test_long_vectors_are_the_nearest_in_order(increasing: bool) -> None:
    random = np.random.default_rng(0)
    rising, noise = np.linspace(-3, 3, 512), random.normal(size=512)
    for weight in (noise, rising + noise, 0.1 * noise - rising, np.round(noise), -rising):
        expected = isotonic_regression(weight, increasing=increasing)
        found = Monotone(increasing)(weight)
        assert np.allclose(found, expected, atol=1e-12)
        steps = np.diff(found) if increasing else -np.diff(found)
        assert (steps >= 0).all()


def test_what_is_in_order_keeps_its_bits_and_so_do_entries_in_no_pool() -> None:
    weight = np.sort(np.random.default_rng(0).normal(size=64))
    assert np.array_equal(Monotone()(weight), weight)
    weight[10], weight[11] = weight[11], weight[10]
    found = Monotone()(weight)
    assert np.array_equal(np.delete(found, [10, 11]), np.delete(weight, [10, 11]))
    assert found[10] == found[11] == pytest.approx(weight[10:12].mean(), rel=1e-15)


def test_what_is_measured_is_the_smallest_step() -> None:
    weight = np.array([[1.0, 3.0], [3.0, 2.0], [3.5, 0.0]])
    assert np.array_equal(Monotone().measured(weight), [0.5, -2])
    assert np.array_equal(Monotone(False).measured(weight), [2, -1])
    assert np.allclose(Monotone().violations(weight), [0, math.sqrt(128 / 9 - 86 / 9)])


@pytest.mark.parametrize(("shape", "axis"), AXES)
@both_ways
def test_a_tangent_is_where_the_projection_goes(shape: Any, axis: Any, increasing: bool) -> None:
    for weight in weights(shape)[:3]:
        check_tangent(Monotone(increasing, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
@both_ways
def test_what_was_projected_is_feasible(dtype: Any, increasing: bool) -> None:
    for shape in ((64, 3), (512,)):
        for weight in narrow_weights(shape, dtype):
            check_holds(Monotone(increasing), weight)


def test_it_comes_back_from_json() -> None:
    check_round_trip(Monotone())
    check_round_trip(Monotone(False, axis=(0, -1)))


def test_what_cannot_be_used_is_refused() -> None:
    check_no_complex(Monotone(), (3, 2))
    check_refused(lambda: Monotone(1), "increasing", "1")
    check_refused(lambda: Monotone(axis="all"), "axis", "'all'")
    check_refused(lambda: Monotone(axis=2)(np.zeros((3, 3))), "axis", "2", "(3, 3)")
