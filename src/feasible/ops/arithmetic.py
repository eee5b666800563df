"""Arithmetic with two arrays, element by element.

Each function takes arrays whose shapes can be broadcast, numbers, or nested sequences of numbers.
Numbers and sequences take the dtype of the array beside them.
"""

from __future__ import annotations

from feasible.backends import Array
from feasible.ops.dispatch import FLOAT, INTEGER, ArrayLike, apply, apply_wide


def add(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the sums of the elements.

    Example:
        >>> add([1.0, 2.0], 3.0)
        array([4., 5.], dtype=float32)
    """
    return apply("add", x1, x2)


def subtract(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the elements of `x1` less those of `x2`.

    Example:
        >>> subtract([1.0, 2.0], 3.0)
        array([-2., -1.], dtype=float32)
    """
    return apply("subtract", x1, x2, kind=INTEGER)


def multiply(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the products of the elements.

    Example:
        >>> multiply([1.0, 2.0], [3.0, 4.0])
        array([3., 8.], dtype=float32)
    """
    return apply("multiply", x1, x2)


def divide(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the elements of `x1` divided by those of `x2`; floats, also for integers.

    Example:
        >>> divide([1, 2], 4)
        array([0.25, 0.5 ], dtype=float32)
    """
    return apply("divide", x1, x2, kind=FLOAT)


def power(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the elements of `x1` to the power of those of `x2`.

    Example:
        >>> power([2.0, 3.0], 2)
        array([4., 9.], dtype=float32)
    """
    return apply("pow", x1, x2, kind=INTEGER)


def maximum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the larger of the elements; NaN where either is.

    Example:
        >>> maximum([-1.0, 2.0], 0.0)
        array([0., 2.], dtype=float32)
    """
    return apply("maximum", x1, x2)


def minimum(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the smaller of the elements; NaN where either is.

    Example:
        >>> minimum([-1.0, 2.0], 0.0)
        array([-1.,  0.], dtype=float32)
    """
    return apply("minimum", x1, x2)


def clip(x: ArrayLike, x_min: ArrayLike, x_max: ArrayLike) -> Array:
    """Return each element, or the bound that it is beyond.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        x_min: The smallest value, a number or an array that can be broadcast.
        x_max: The largest value, likewise, and not less than `x_min`.

    Returns:
        An array; NaN stays NaN.

    Example:
        >>> clip([-2.0, 0.5, 3.0], -1.0, 1.0)
        array([-1. ,  0.5,  1. ], dtype=float32)
    """
    return apply_wide("clip", x, x_min, x_max)
