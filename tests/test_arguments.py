from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from feasible.arguments import InvalidArgumentError, check_choice, check_integer, check_number


@pytest.mark.parametrize(
    ("value", "kind"),
    [(2, int), (2.5, float), (np.float32(0.5), float), (np.int64(3), int), (Fraction(1, 2), float)],
)
def test_number_becomes_a_python_number(value: Any, kind: type) -> None:
    found = check_number("MaxNorm", "max_value", value)
    assert found == value
    assert type(found) is kind


@pytest.mark.parametrize(
    "value",
    [
        *[math.nan, math.inf, -math.inf, "2", None, True, np.bool_(True), [2], 1j, -0.1, 1.1],
        pytest.param(10**400, id="beyond all floats"),
    ],
)
def test_number_that_is_none_or_out_of_bounds(value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_number("MinMaxNorm", "rate", value, minimum=0, maximum=1)
    assert str(caught.value) == (
        "MinMaxNorm: `rate` must be a finite number at least 0 and at most 1. "
        f"Received: rate={value!r}"
    )


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"minimum": 0}, "a finite number at least 0."),
        ({"maximum": 2.5}, "a finite number at most 2.5."),
        ({}, "a finite number."),
    ],
)
def test_number_names_the_bounds_that_there_are(bounds: dict[str, float], words: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_number("C", "x", "a", **bounds)
    assert f"`x` must be {words}" in str(caught.value)


def test_number_takes_its_bounds() -> None:
    assert check_number("C", "x", 0, minimum=0, maximum=1) == 0
    assert check_number("C", "x", 1, minimum=0, maximum=1) == 1


@pytest.mark.parametrize("value", [3, np.int32(3)])
def test_integer(value: Any) -> None:
    assert type(check_integer("Dense", "units", value)) is int


@pytest.mark.parametrize("value", [0, 3.0, "3", True, None])
def test_integer_that_is_none_or_too_small(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Dense: `units` must be an integer of at least"):
        check_integer("Dense", "units", value)
    assert check_integer("Dense", "units", 0, minimum=0) == 0


def test_choice() -> None:
    assert check_choice("C", "padding", "same", ("valid", "same")) == "same"
    with pytest.raises(InvalidArgumentError, match=r"one of 'valid', 'same'\. Received: .*'full'"):
        check_choice("C", "padding", "full", ("valid", "same"))


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_error_is_caught_as_either(kind: type[Exception]) -> None:
    with pytest.raises(kind):
        check_number("C", "x", "2")
