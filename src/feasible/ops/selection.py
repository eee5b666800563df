"""Joining and cutting arrays, picking their elements, and sorting them."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array, astype
from feasible.ops.arrangement import nonnegative_axis, ravel, reshape
from feasible.ops.dispatch import INTEGER, ArrayLike, apply, together


def concatenate(xs: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Return arrays joined along an axis that they have.

    Args:
        xs: Arrays, or nested sequences of numbers; numbers take the arrays' dtype.
        axis: The axis.

    Returns:
        An array.

    Example:
        >>> concatenate([[1.0, 2.0], [3.0]])
        array([1., 2., 3.], dtype=float32)
    """
    xp, arrays = together(*xs)
    return xp.concat(arrays, axis=axis)


def stack(x: Sequence[ArrayLike], axis: int = 0) -> Array:
    """Return arrays of one shape joined along a new axis.

    Args:
        x: Arrays, numbers, or nested sequences of numbers.
        axis: Where the axis is in the result.

    Returns:
        An array.

    Example:
        >>> stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
        array([[1., 3.],
               [2., 4.]], dtype=float32)
    """
    xp, arrays = together(*x)
    return xp.stack(arrays, axis=axis)


def split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Return the pieces of an array along an axis, such as the gates of an LSTM's kernel.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        indices_or_sections: Into how many equal pieces, or the positions to cut at.
        axis: The axis to cut.

    Returns:
        The pieces, which may share their memory with `x`.

    Raises:
        InvalidArgumentError: If there is no such axis, or no cutting it into equal pieces.

    Example:
        >>> split([1.0, 2.0, 3.0, 4.0], 2)
        [array([1., 2.], dtype=float32), array([3., 4.], dtype=float32)]
    """
    _, (array,) = together(x)
    position = nonnegative_axis("split", axis, array.ndim)
    length = array.shape[position]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or length % indices_or_sections:
            raise InvalidArgumentError(
                "split",
                "indices_or_sections",
                indices_or_sections,
                f"positions, or a divisor of {length}, the size of axis {axis}",
            )
        step = length // indices_or_sections
        cuts = list(range(step, length, step))
    else:
        cuts = list(indices_or_sections)
    before = (slice(None),) * position
    pieces = zip([0, *cuts], [*cuts, length], strict=True)
    return [array[(*before, slice(start, stop), ...)] for start, stop in pieces]


def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """Return the elements at some positions.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        indices: Integers of any shape; negative ones count from the end.
        axis: The axis they count along, by default the flattened array.

    Returns:
        An array of the shape of `x`, with the shape of the indices in place of the axis.

    Raises:
        InvalidArgumentError: If there is no such axis.

    Example:
        >>> take([1.0, 2.0, 3.0], [0, -1])
        array([1., 3.], dtype=float32)
    """
    if axis is None:
        return take(ravel(x), indices, axis=0)
    xp, (array,) = together(x)
    positions = _positions(indices, array)
    axis = nonnegative_axis("take", axis, array.ndim)
    taken = xp.take(array, xp.reshape(positions, (-1,)), axis=axis)
    return reshape(taken, (*array.shape[:axis], *positions.shape, *array.shape[axis + 1 :]))


def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Array:
    """Return the elements at positions that differ along the other axes, as `argsort` gives them.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        indices: Integers, with as many axes as `x`.
        axis: The axis they count along, by default the flattened array.

    Returns:
        An array of the shape of the indices.

    Example:
        >>> take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]], axis=1)
        array([[2.],
               [3.]], dtype=float32)
    """
    if axis is None:
        return take_along_axis(ravel(x), indices, axis=0)
    xp, (array,) = together(x)
    return xp.take_along_axis(array, _positions(indices, array), axis=axis)


def sort(x: ArrayLike, axis: int | None = -1) -> Array:
    """Return the elements in ascending order.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        axis: The axis to sort along; None flattens first.

    Returns:
        An array of the dtype of `x`.

    Example:
        >>> sort([3.0, 1.0, 2.0])
        array([1., 2., 3.], dtype=float32)
    """
    if axis is None:
        return sort(ravel(x))
    return apply("sort", x, axis=axis)


def argsort(x: ArrayLike, axis: int | None = -1) -> Array:
    """Return the positions of the elements in ascending order, equal ones in the order they had.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        axis: The axis to sort along; None flattens first.

    Returns:
        An array of integers.

    Example:
        >>> argsort([3.0, 1.0, 2.0])
        array([1, 2, 0])
    """
    if axis is None:
        return argsort(ravel(x))
    return apply("argsort", x, axis=axis, stable=True)


def _positions(indices: ArrayLike, array: Array) -> Array:
    """Return indices beside the array they are for, in the integers its library counts with."""
    xp, (positions,) = together(indices, beside=array, kind=INTEGER)
    return astype(positions, xp.__array_namespace_info__().default_dtypes()["integral"])
