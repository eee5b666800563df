"""Entries that are zero under a mask, against multiplication with it."""

from __future__ import annotations

import math
from typing import Any

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
    narrow_weights,
    weights,
)

from feasible.constraints import Mask

SHAPE = (4, 3)
MASKS = [
    np.arange(12).reshape(SHAPE) % 3 > 0,
    np.array([1.0, 0.0, 1.0]),
    np.array([[0], [1], [1], [0]]),
    np.zeros(SHAPE, bool),
    True,
]
each_mask = pytest.mark.parametrize("mask", MASKS, ids=repr)


@each_mask
def test_entries_are_zero_under_the_mask(mask: Any) -> None:
    for place, weight in enumerate([*weights(SHAPE), complex_weight(SHAPE)]):
        check_agrees(Mask(mask), lambda w: w * np.asarray(mask, float), weight, jax=place == 0)


def test_a_mask_is_taken_from_any_library() -> None:
    assert Mask(torch.tensor([True, False])) == Mask([1, 0]) == Mask(np.array([1.0, 0.0]))


def test_a_nan_stays_and_an_infinity_under_the_mask_does_not() -> None:
    weight = np.array([math.nan, math.inf, math.nan, math.inf])
    found = Mask([0, 0, 1, 1])(weight)
    assert np.array_equal(found, [math.nan, 0, math.nan, math.inf], equal_nan=True)


def test_violations_are_what_is_under_the_mask() -> None:
    weight = np.array([1.0, -2.0, 0.0])
    assert np.array_equal(Mask([1, 0, 0]).violations(weight), [0, 2, 0])


@each_mask
def test_a_tangent_is_where_the_projection_goes(mask: Any) -> None:
    check_tangent(Mask(mask), weights(SHAPE)[0])
    check_tangent(Mask(mask), complex_weight(SHAPE))


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for weight in narrow_weights((64, 8), dtype):
        check_holds(Mask(np.arange(512).reshape(64, 8) % 5 > 1), weight)


@each_mask
def test_it_comes_back_from_json(mask: Any) -> None:
    check_round_trip(Mask(mask))


def test_what_is_no_mask_is_refused() -> None:
    check_refused(lambda: Mask([0, 2]), "mask", "[0, 2]")
    check_refused(lambda: Mask([0.5, 1.0]), "mask", "0.5")
    check_refused(lambda: Mask([math.nan, 1.0]), "mask", "nan")
    check_refused(lambda: Mask("0"), "mask", "'0'")
    check_refused(lambda: Mask(None), "mask", "None")
    check_refused(lambda: Mask([1, 0])(np.zeros(SHAPE)), "mask", "(2,)", "(4, 3)")
    check_refused(lambda: Mask(np.ones((2, 4, 3)))(np.zeros(SHAPE)), "mask", "(2, 4, 3)")
