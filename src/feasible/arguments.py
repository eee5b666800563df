"""Checking arguments early, with errors that say what was received and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import TypeVar

Choice = TypeVar("Choice")

# How many characters of a value a message shows.
_SHOWN = 500


class InvalidArgumentError(ValueError, TypeError):
    """An argument that cannot be used: it names the argument, the value and what is allowed.

    It is both a ValueError and a TypeError, so that either can be caught, whichever of the two
    a caller thinks of when the bound of a constraint is a string.

    Args:
        owner: What the argument belongs to, such as ``"MaxNorm"``.
        argument: The argument's name.
        value: The value received.
        allowed: What would have been accepted, and so the fix.
    """

    def __init__(self, owner: str, argument: str, value: object, allowed: str) -> None:
        # A module or an array prints as many lines as it likes.
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}... ({type(value).__name__})"
        super().__init__(f"{owner}: `{argument}` must be {allowed}. Received: {argument}={shown}")


def check_number(
    owner: str,
    argument: str,
    value: object,
    *,
    minimum: float = -math.inf,
    maximum: float = math.inf,
) -> float:
    """Return `value` if it is a finite real number within bounds, and raise otherwise.

    Args:
        owner: What the argument belongs to, for the message.
        argument: The argument's name.
        value: The value received; NumPy scalars count as numbers, booleans do not.
        minimum: The smallest number allowed.
        maximum: The largest number allowed.

    Returns:
        The value as a Python int or float.

    Raises:
        InvalidArgumentError: If it is not such a number.

    Example:
        >>> check_number("MaxNorm", "max_value", 2, minimum=0)
        2
    """
    if isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value):
        number = int(value) if isinstance(value, Integral) else float(value)
        if minimum <= number <= maximum:
            return number
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", minimum), ("at most", maximum))
        if math.isfinite(bound)
    ]
    raise InvalidArgumentError(
        owner, argument, value, " ".join(["a finite number", " and ".join(bounds)]).strip()
    )


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def check_integer(owner: str, argument: str, value: object, *, minimum: int = 1) -> int:
    """Return `value` if it is an integer of at least `minimum`, and raise otherwise.

    Args:
        owner: What the argument belongs to, for the message.
        argument: The argument's name.
        value: The value received.
        minimum: The smallest integer allowed.

    Returns:
        The value as a Python int.

    Raises:
        InvalidArgumentError: If it is not such an integer.

    Example:
        >>> check_integer("Dense", "units", 64)
        64
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= minimum:
        return int(value)
    raise InvalidArgumentError(owner, argument, value, f"an integer of at least {minimum}")


def check_choice(owner: str, argument: str, value: Choice, allowed: Collection[Choice]) -> Choice:
    """Return `value` if it is one of those allowed, and raise otherwise.

    Args:
        owner: What the argument belongs to, for the message.
        argument: The argument's name.
        value: The value received.
        allowed: The values allowed.

    Returns:
        The value.

    Raises:
        InvalidArgumentError: If it is not among them.

    Example:
        >>> check_choice("Conv2D", "padding", "same", ("valid", "same"))
        'same'
    """
    if value in allowed:
        return value
    raise InvalidArgumentError(
        owner, argument, value, "one of " + ", ".join(repr(choice) for choice in allowed)
    )
