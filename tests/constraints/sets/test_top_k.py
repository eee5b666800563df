"""Vectors with few entries, against all choices of entries that there are."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
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

from feasible.constraints import TopK

AXES = [(5,), 0], [(5, 3), "unit"], [(2, 3), None], [(3, 2, 2), (0, 2)], [(3, 2, 5), -1]


def nearest(vector: np.ndarray, k: int) -> np.ndarray:
    """Of all vectors that keep k entries the nearest; of several, that of the first entries."""
    sizes = np.square(np.abs(vector))
    # Choices come in the order of their places, so that the first of equals keeps lower ones.
    kept = max(combinations(range(len(vector)), k), key=lambda some: sizes[[*some]].sum())
    found = np.zeros_like(vector)
    found[[*kept]] = vector[[*kept]]
    return found


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_the_largest_entries_stay(shape: Any, axis: Any, k: int) -> None:
    for place, weight in enumerate([*weights(shape), complex_weight(shape)]):
        check_agrees(
            TopK(k, axis),
            lambda w: each_vector(lambda v: nearest(v, k), w, axis),
            weight,
            jax=place in (0, 4, 7) and shape == (3, 2, 2),
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_of_equal_entries_the_first_stay_in_every_library(dtype: Any) -> None:
    random = np.random.default_rng(0)
    for _ in range(5):
        weight = random.choice([-2.0, -1.0, 0.0, 1.0, 2.0], size=(6, 7)).astype(dtype)
        for k in (1, 3, 6):
            expected = each_vector(lambda v, k=k: nearest(v, k), weight)
            found = TopK(k)(weight)
            assert np.array_equal(found, expected)
            assert np.array_equal(TopK(k)(torch.tensor(weight)).numpy(), expected)
            assert np.array_equal(np.asarray(TopK(k)(jnp.asarray(weight))), expected)


def test_what_is_measured_is_how_many_are_not_zero() -> None:
    weight = np.array([[1.0, 3.0], [0.0, -4.0], [0.0, 5.0]])
    assert np.array_equal(TopK(1).measured(weight), [1, 3])
    assert np.array_equal(TopK(1).violations(weight), [0, 5])


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_tangent_keeps_entries_that_are_zero(shape: Any, axis: Any) -> None:
    for weight in [*weights(shape)[:3], complex_weight(shape)]:
        check_tangent(TopK(2, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for shape in ((64, 3), (512,)):
        for weight in narrow_weights(shape, dtype):
            check_holds(TopK(5), weight)
            assert ((TopK(5)(weight) != 0).sum(0) == 5).all()


def test_it_comes_back_from_json() -> None:
    check_round_trip(TopK(2))
    check_round_trip(TopK(0, axis="unit"))


def test_what_cannot_be_used_is_refused() -> None:
    check_refused(lambda: TopK(-1), "k", "-1")
    check_refused(lambda: TopK(1.5), "k", "1.5")
    check_refused(lambda: TopK(True), "k", "True")
    check_refused(lambda: TopK(4)(np.ones((3, 8))), "k", "4", "3", "(3, 8)")
    assert TopK(3)(np.ones((3, 8))).all()
