"""Comparing arrays, and choosing by what was found.

Each function takes arrays whose shapes can be broadcast, numbers, or nested sequences of numbers.
"""

from __future__ import annotations

from feasible.backends import Array, astype
from feasible.ops.dispatch import ArrayLike, apply, dtype_in, together


def greater(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where the element of `x1` is greater than that of `x2`.

    Example:
        >>> greater([1.0, 2.0, 3.0], 2.0)
        array([False, False,  True])
    """
    return apply("greater", x1, x2)


def greater_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where the element of `x1` is greater than or equal to that of `x2`.

    Example:
        >>> greater_equal([1.0, 2.0, 3.0], 2.0)
        array([False,  True,  True])
    """
    return apply("greater_equal", x1, x2)


def less(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where the element of `x1` is less than that of `x2`.

    Example:
        >>> less([1.0, 2.0, 3.0], 2.0)
        array([ True, False, False])
    """
    return apply("less", x1, x2)


def less_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where the element of `x1` is less than or equal to that of `x2`.

    Example:
        >>> less_equal([1.0, 2.0, 3.0], 2.0)
        array([ True,  True, False])
    """
    return apply("less_equal", x1, x2)


def equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where the element of `x1` equals that of `x2`.

    Example:
        >>> equal([1.0, 2.0, 3.0], 2.0)
        array([False,  True, False])
    """
    return apply("equal", x1, x2)


def not_equal(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where the element of `x1` does not equal that of `x2`.

    Example:
        >>> not_equal([1.0, 2.0, 3.0], 2.0)
        array([ True, False,  True])
    """
    return apply("not_equal", x1, x2)


def logical_and(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where both elements are true; numbers are, unless they are 0.

    Example:
        >>> logical_and([True, False], True)
        array([ True, False])
    """
    return _apply_to_truths("logical_and", x1, x2)


def logical_or(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where either element is true; numbers are, unless they are 0.

    Example:
        >>> logical_or([True, False], True)
        array([ True,  True])
    """
    return _apply_to_truths("logical_or", x1, x2)


def logical_xor(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return where just one element is true; numbers are, unless they are 0.

    Example:
        >>> logical_xor([True, False], True)
        array([False,  True])
    """
    return _apply_to_truths("logical_xor", x1, x2)


def logical_not(x: ArrayLike) -> Array:
    """Return where the element is false; numbers are if they are 0.

    Example:
        >>> logical_not([1.0, 0.0])
        array([False,  True])
    """
    return _apply_to_truths("logical_not", x)


def where(condition: ArrayLike, x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the elements of `x1` where a condition is true, and those of `x2` elsewhere.

    Args:
        condition: Booleans; numbers are true unless they are 0.
        x1: What to take where it is true: an array that can be broadcast, or a number.
        x2: What to take elsewhere.

    Returns:
        An array of the dtype of `x1` and `x2`, of which numbers take that of the other.

    Example:
        >>> where([True, False], [1.0, 2.0], 0.0)
        array([1., 0.], dtype=float32)
    """
    xp, (first, second) = together(x1, x2, beside=condition)
    _, (mask,) = together(condition, beside=first)
    return xp.where(astype(mask, dtype_in(xp, "bool")), first, second)


def _apply_to_truths(function: str, *values: ArrayLike) -> Array:
    xp, arrays = together(*values)
    return apply(function, *(astype(array, dtype_in(xp, "bool")) for array in arrays))
