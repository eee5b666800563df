"""Entries between bounds, and at or above zero, against clipping them one by one."""

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
    check_no_complex,
    check_refused,
    check_round_trip,
    check_tangent,
    narrow_weights,
    weights,
)

from feasible.constraints import Box, Constraint, NonNeg

SHAPE = (4, 3)
LOW, HIGH = np.linspace(-1, 0, 4)[:, None], np.array([0.0, 0.5, math.inf])
BOXES = [
    (Box(-0.5, 0.25), -0.5, 0.25),
    (Box(lower=0.1), 0.1, math.inf),
    (Box(upper=-2), -math.inf, -2),
    (Box(LOW, HIGH), LOW, HIGH),
    (Box(HIGH[:2].max(), HIGH[:2].max()), 0.5, 0.5),
    (NonNeg(), 0.0, math.inf),
]


def clipped(weight: np.ndarray, low: Any, high: Any) -> np.ndarray:
    found = np.empty_like(weight)
    low, high = np.broadcast_to(low, weight.shape), np.broadcast_to(high, weight.shape)
    for place in np.ndindex(*weight.shape):
        found[place] = min(max(weight[place], low[place]), high[place])
    return found


@pytest.mark.parametrize(("box", "low", "high"), BOXES, ids=repr)
def test_entries_are_clipped(box: Constraint, low: Any, high: Any) -> None:
    # Bounds are those that the weight's dtype holds.
    low, high = np.float32(low).astype(float), np.float32(high).astype(float)
    if isinstance(box, Box):
        box = box.replace(
            lower=None if np.isneginf(low).all() else low,
            upper=None if np.isposinf(high).all() else high,
        )
    for place, weight in enumerate(weights(SHAPE)):
        check_agrees(box, lambda w: clipped(w, low, high), weight, jax=place == 0)


def test_what_is_no_number_stays_and_infinities_become_bounds() -> None:
    weight = np.array([math.nan, math.inf, -math.inf, -0.0])
    assert np.array_equal(Box(-1, 2)(weight), [math.nan, 2, -1, -0.0], equal_nan=True)
    assert np.array_equal(Box(upper=2)(weight), [math.nan, 2, -math.inf, 0], equal_nan=True)
    assert np.signbit(Box(-1, 2)(weight)[3])
    assert np.isnan(Box(-1, 2).violations(weight)[0])


def test_violations_are_how_far_entries_are_outside() -> None:
    weight = np.array([[-2.0, 0.0], [0.5, 3.0]])
    assert np.array_equal(Box(-1, 1).violations(weight), [1, 0, 0, 2])
    assert Box(LOW, HIGH).bounds == (-1, math.inf)


@pytest.mark.parametrize("box", [box for box, *_ in BOXES], ids=repr)
def test_a_tangent_is_where_the_projection_goes(box: Constraint) -> None:
    for weight in weights(SHAPE)[:3]:
        check_tangent(box, weight)


@pytest.mark.parametrize("dtype", NARROW)
def test_a_bound_that_a_dtype_cannot_hold_is_held_as_it_is_rounded(dtype: Any) -> None:
    for box in (Box(-0.1, 0.3), Box(np.linspace(-1, 0, 64)[:, None], 1 / 3)):
        for weight in narrow_weights((64, 8), dtype):
            check_holds(box, weight)


@pytest.mark.parametrize("box", [box for box, *_ in BOXES], ids=repr)
def test_it_comes_back_from_json(box: Constraint) -> None:
    check_round_trip(box)


def test_complex_numbers_have_no_order() -> None:
    for box in (Box(0), NonNeg()):
        check_no_complex(box, SHAPE)


def test_bounds_that_cannot_be_used_are_refused() -> None:
    check_refused(Box, "lower", "None")
    check_refused(lambda: Box(2, 1), "lower", "2", "upper, 1")
    check_refused(lambda: Box([0.0, 2.0], 1.5), "lower", "2.0", "1.5")
    check_refused(lambda: Box(0.5, np.array([1.0, 0.25])), "lower", "0.5", "0.25")
    check_refused(lambda: Box(math.nan), "lower", "nan")
    check_refused(lambda: Box(upper=[0.0, math.nan]), "upper", "nan")
    check_refused(lambda: Box(torch.tensor(math.nan)), "lower", "nan")
    check_refused(lambda: Box("0"), "lower", "'0'")
    check_refused(lambda: Box(1j), "lower", "1j")
    check_refused(lambda: Box([1j, 0]), "lower", "1j")
    check_refused(lambda: Box(["1", "2"]), "lower", "'1'")
    check_refused(lambda: Box(np.zeros(2), np.ones(3)), "lower", "(2,)", "(3,)")
    check_refused(lambda: Box(np.zeros(2))(np.zeros(SHAPE)), "lower", "(2,)", "(4, 3)")
    check_refused(lambda: Box(np.zeros((2, 4, 3)))(np.zeros(SHAPE)), "lower", "(2, 4, 3)")
