"""Few entries of each few consecutive ones, against all choices that there are."""

from __future__ import annotations

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
from tests.constraints.sets.test_top_k import nearest

from feasible.constraints import NofM

AXES = [(8,), 0], [(4, 3), "unit"], [(2, 6), None], [(2, 2, 4), (0, 2)], [(3, 2, 4), -1]


def by_groups(vector: np.ndarray, n: int, m: int) -> np.ndarray:
    return np.concatenate([nearest(group, n) for group in np.split(vector, len(vector) // m)])


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 2), (0, 2), (4, 4), (1, 1)])
def test_the_largest_entries_of_each_group_stay(shape: Any, axis: Any, n: int, m: int) -> None:
    for place, weight in enumerate([*weights(shape), complex_weight(shape)]):
        check_agrees(
            NofM(n, m, axis),
            lambda w: each_vector(lambda v: by_groups(v, n, m), w, axis),
            weight,
            jax=place in (0, 4, 7) and shape == (2, 2, 4),
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_of_equal_entries_the_first_stay_in_every_library(dtype: Any) -> None:
    random = np.random.default_rng(0)
    for n, m in ((2, 4), (1, 3)):
        weight = random.choice([-2.0, -1.0, 0.0, 1.0], size=(12, 7)).astype(dtype)
        expected = each_vector(lambda v, n=n, m=m: by_groups(v, n, m), weight)
        assert np.array_equal(NofM(n, m)(weight), expected)
        assert np.array_equal(NofM(n, m)(torch.tensor(weight)).numpy(), expected)
        assert np.array_equal(np.asarray(NofM(n, m)(jnp.asarray(weight))), expected)


def test_what_is_measured_is_the_most_of_a_group() -> None:
    weight = np.array([[1.0, 3.0], [0.0, -4.0], [0.0, 5.0], [1.0, 12.0]])
    assert np.array_equal(NofM(1, 2).measured(weight), [1, 2])
    assert np.array_equal(NofM(1, 2).violations(weight), [0, np.hypot(3, 5)])


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_tangent_keeps_entries_that_are_zero(shape: Any, axis: Any) -> None:
    for weight in [*weights(shape)[:3], complex_weight(shape)]:
        check_tangent(NofM(1, 2, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for shape in ((64, 3), (512,)):
        for weight in narrow_weights(shape, dtype):
            check_holds(NofM(), weight)
            assert ((NofM()(weight).reshape(-1, 4, *shape[1:]) != 0).sum(1) == 2).all()


def test_it_comes_back_from_json() -> None:
    check_round_trip(NofM())
    check_round_trip(NofM(1, 3, axis=(0, -1)))


def test_what_cannot_be_used_is_refused() -> None:
    check_refused(lambda: NofM(-1, 4), "n", "-1")
    check_refused(lambda: NofM(5, 4), "n", "5", "4")
    check_refused(lambda: NofM(2, 2.5), "m", "2.5")
    check_refused(lambda: NofM(0, 0), "m", "0")
    check_refused(lambda: NofM()(np.ones((6, 8))), "m=4", "6", "(6, 8)", "axis=0")
