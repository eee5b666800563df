"""Arguments of constraints that are numbers, or an array of them for each entry or vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feasible.arguments import InvalidArgumentError, check_number

Bound = float | NDArray[np.float64]


def check_bound(
    owner: str,
    argument: str,
    value: Any,
    *,
    minimum: float = -math.inf,
    infinite: bool = False,
) -> Bound:
    """Return a number, or an array of numbers, if it can be a bound.

    Args:
        owner: What the argument belongs to, for the message.
        argument: The argument's name.
        value: The value received: a number, nested sequences of numbers, or an array of any
            library that converts to NumPy's.
        minimum: The smallest number allowed.
        infinite: Whether entries of an array may be infinite.

    Returns:
        A Python number, or an array of floats.

    Raises:
        InvalidArgumentError: If it is neither, or a number is NaN or too small.

    Example:
        >>> check_bound("Box", "lower", [0, 1])
        array([0., 1.])
    """
    if np.ndim(value) == 0 and not hasattr(value, "__array__"):
        if infinite and isinstance(value, float) and math.isinf(value):
            return value
        return check_number(owner, argument, value, minimum=minimum)
    array = check_array(owner, argument, value)
    if np.isnan(array).any() or not (infinite or np.isfinite(array).all()):
        raise InvalidArgumentError(owner, argument, value, "without NaN or infinities")
    if (array < minimum).any():
        raise InvalidArgumentError(owner, argument, value, f"nowhere below {minimum:g}")
    return array


def check_array(owner: str, argument: str, value: Any) -> NDArray[np.float64]:
    """Return an array of real numbers.

    Args:
        owner: What the argument belongs to, for the message.
        argument: The argument's name.
        value: The value received.

    Returns:
        An array of float64, which holds the numbers of all narrower dtypes.

    Raises:
        InvalidArgumentError: If it is none of real numbers.

    Example:
        >>> check_array("Hyperplane", "normal", (1, 2))
        array([1., 2.])
    """
    allowed = "a number or an array of real numbers"
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        # Texts of digits would become numbers, and times, too.
        if array.dtype.kind in "cSUmM":
            raise TypeError("it is none of real numbers")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(owner, argument, value, allowed) from error


def extent(bound: Bound) -> tuple[float, float]:
    """Return the smallest and the largest number of a bound.

    Args:
        bound: A number or an array.

    Returns:
        The two numbers; of an empty array, zeros.

    Example:
        >>> extent(np.array([2.0, 1.0]))
        (1.0, 2.0)
    """
    array = np.asarray(bound)
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
