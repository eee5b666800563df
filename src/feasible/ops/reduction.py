"""Reducing axes: sums, means, extremes, and their running forms."""

# ruff: noqa: A001  # Keras's names, some of which Python uses too

from __future__ import annotations

from collections.abc import Sequence

from feasible.backends import Array
from feasible.ops.arrangement import ravel
from feasible.ops.dispatch import FLOAT, INTEGER, ArrayLike, apply, apply_wide, together

Axes = int | Sequence[int] | None


def _axes(axis: Axes) -> int | tuple[int, ...] | None:
    return tuple(axis) if isinstance(axis, Sequence) else axis


def sum(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the sum of the elements.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`; without axes if all were reduced over.

    Example:
        >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([4., 6.], dtype=float32)
    """
    return apply_wide("sum", x, axis=_axes(axis), keepdims=keepdims, kind=INTEGER)


def prod(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the product of the elements.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`; without axes if all were reduced over.

    Example:
        >>> prod([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([3., 8.], dtype=float32)
    """
    return apply_wide("prod", x, axis=_axes(axis), keepdims=keepdims, kind=INTEGER)


def mean(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the mean of the elements.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`, float32 for integers.

    Example:
        >>> mean([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([2., 3.], dtype=float32)
    """
    return apply_wide("mean", x, axis=_axes(axis), keepdims=keepdims, kind=FLOAT)


def var(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the variance of the elements: the mean square of their distances to the mean.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`, float32 for integers.

    Example:
        >>> var([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([1., 1.], dtype=float32)
    """
    return apply_wide("var", x, axis=_axes(axis), keepdims=keepdims, kind=FLOAT)


def std(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the standard deviation of the elements: the root of their variance.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`, float32 for integers.

    Example:
        >>> std([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([1., 1.], dtype=float32)
    """
    return apply_wide("std", x, axis=_axes(axis), keepdims=keepdims, kind=FLOAT)


def max(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the largest element; NaN if there is one.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`; without axes if all were reduced over.

    Example:
        >>> max([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([3., 4.], dtype=float32)
    """
    return apply("max", x, axis=_axes(axis), keepdims=keepdims)


def min(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the smallest element; NaN if there is one.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`; without axes if all were reduced over.

    Example:
        >>> min([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([1., 2.], dtype=float32)
    """
    return apply("min", x, axis=_axes(axis), keepdims=keepdims)


def any(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return whether any element is true; numbers are, unless they are 0.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        A boolean array.

    Example:
        >>> any([[0.0, 2.0], [3.0, 4.0]], axis=0)
        array([ True,  True])
    """
    return apply("any", x, axis=_axes(axis), keepdims=keepdims)


def all(x: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return whether all elements are true; numbers are, unless they are 0.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to reduce over, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        A boolean array.

    Example:
        >>> all([[0.0, 2.0], [3.0, 4.0]], axis=0)
        array([False,  True])
    """
    return apply("all", x, axis=_axes(axis), keepdims=keepdims)


def count_nonzero(x: ArrayLike, axis: Axes = None) -> Array:
    """Return how many elements are not 0.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes to count over, by default all.

    Returns:
        An array of integers; without axes if all were counted over.

    Example:
        >>> count_nonzero([[0.0, 2.0], [3.0, 4.0]], axis=0)
        array([1, 2])
    """
    return apply("count_nonzero", x, axis=_axes(axis))


def argmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return where the largest element is; the first, if there are several.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axis to search along, by default the flattened array.
        keepdims: Whether the axis stays, with size 1.

    Returns:
        An array of integers: positions along the axis, or in the flattened array.

    Example:
        >>> argmax([[1.0, 2.0], [4.0, 3.0]], axis=1)
        array([1, 0])
    """
    return apply("argmax", x, axis=axis, keepdims=keepdims)


def argmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Array:
    """Return where the smallest element is; the first, if there are several.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axis to search along, by default the flattened array.
        keepdims: Whether the axis stays, with size 1.

    Returns:
        An array of integers: positions along the axis, or in the flattened array.

    Example:
        >>> argmin([[1.0, 2.0], [4.0, 3.0]], axis=1)
        array([0, 1])
    """
    return apply("argmin", x, axis=axis, keepdims=keepdims)


def cumsum(x: ArrayLike, axis: int | None = None) -> Array:
    """Return the sums of each element and all before it.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axis to go along, by default the flattened array.

    Returns:
        An array of the shape of `x`, or with one axis if it was flattened.

    Example:
        >>> cumsum([1.0, 2.0, 3.0])
        array([1., 3., 6.], dtype=float32)
    """
    return _running("cumulative_sum", "cumsum", x, axis)


def cumprod(x: ArrayLike, axis: int | None = None) -> Array:
    """Return the products of each element and all before it.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axis to go along, by default the flattened array.

    Returns:
        An array of the shape of `x`, or with one axis if it was flattened.

    Example:
        >>> cumprod([1.0, 2.0, 3.0])
        array([1., 2., 6.], dtype=float32)
    """
    return _running("cumulative_prod", "cumprod", x, axis)


def _running(standard: str, usual: str, x: ArrayLike, axis: int | None) -> Array:
    xp, (array,) = together(ravel(x) if axis is None else x)
    # PyTorch has the usual name only, and array-api-compat's function of the standard's name looks
    # the library up in a way that torch.compile warns of.
    function = usual if hasattr(xp, usual) else standard
    return apply_wide(function, array, kind=INTEGER, axis=0 if axis is None else axis)
