"""The shape of an array and the order of its elements: turning, reshaping, repeating."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.ops.dispatch import ArrayLike, apply, together


def transpose(x: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """Return an array with its axes in another order.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        axes: The axes in their new order, by default reversed.

    Returns:
        An array that may share its memory with `x`.

    Example:
        >>> transpose([[1.0, 2.0], [3.0, 4.0]])
        array([[1., 3.],
               [2., 4.]], dtype=float32)
    """
    _, (array,) = together(x)
    order = tuple(range(array.ndim))[::-1] if axes is None else tuple(axes)
    return apply("permute_dims", array, axes=order)


def moveaxis(x: ArrayLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Return an array with some axes moved, the others in the order they had.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        source: The axes to move.
        destination: Where each of them goes.

    Returns:
        An array that may share its memory with `x`.

    Example:
        >>> moveaxis([[[1.0, 2.0, 3.0]]], 0, -1).shape
        (1, 3, 1)
    """
    xp, (array,) = together(x)
    return xp.moveaxis(array, as_tuple(source), as_tuple(destination))


def reshape(x: ArrayLike, newshape: int | Sequence[int]) -> Array:
    """Return an array with its elements, in their order, in another shape.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        newshape: The size of each axis; one may be -1 and follows from the others.

    Returns:
        An array that may share its memory with `x`.

    Example:
        >>> reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    return apply("reshape", x, shape=as_tuple(newshape))


def ravel(x: ArrayLike) -> Array:
    """Return an array's elements, in their order, along one axis.

    Args:
        x: An array, a number, or a nested sequence of numbers.

    Returns:
        An array that may share its memory with `x`.

    Example:
        >>> ravel([[1.0, 2.0], [3.0, 4.0]])
        array([1., 2., 3., 4.], dtype=float32)
    """
    return reshape(x, -1)


def squeeze(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Array:
    """Return an array without its axes of size 1.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        axis: Which of them to remove, by default all.

    Returns:
        An array that may share its memory with `x`.

    Example:
        >>> squeeze([[1.0, 2.0]])
        array([1., 2.], dtype=float32)
    """
    _, (array,) = together(x)
    if axis is None:
        axis = [index for index, size in enumerate(array.shape) if size == 1]
    return apply("squeeze", array, axis=as_tuple(axis))


def expand_dims(x: ArrayLike, axis: int | Sequence[int]) -> Array:
    """Return an array with further axes, of size 1.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        axis: Where they are in the result.

    Returns:
        An array that may share its memory with `x`.

    Raises:
        InvalidArgumentError: If the result has no such axis.

    Example:
        >>> expand_dims([1.0, 2.0], 0)
        array([[1., 2.]], dtype=float32)
    """
    _, (array,) = together(x)
    rank = array.ndim + len(as_tuple(axis))
    for position in sorted(nonnegative_axis("expand_dims", one, rank) for one in as_tuple(axis)):
        array = apply("expand_dims", array, axis=position)
    return array


def broadcast_to(x: ArrayLike, shape: Sequence[int]) -> Array:
    """Return an array with its elements repeated to fill a shape.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        shape: The size of each axis.

    Returns:
        An array that may share its memory with `x`.

    Example:
        >>> broadcast_to([1.0, 2.0], (2, 2))
        array([[1., 2.],
               [1., 2.]], dtype=float32)
    """
    return apply("broadcast_to", x, shape=tuple(shape))


def tile(x: ArrayLike, repeats: int | Sequence[int]) -> Array:
    """Return an array that repeats another as a whole.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        repeats: How often along each axis; new axes come first.

    Returns:
        An array of the dtype of `x`.

    Example:
        >>> tile([1.0, 2.0], 2)
        array([1., 2., 1., 2.], dtype=float32)
    """
    xp, (array,) = together(x)
    return xp.tile(array, as_tuple(repeats))


def repeat(x: ArrayLike, repeats: int, axis: int | None = None) -> Array:
    """Return an array that repeats each element of another.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        repeats: How often.
        axis: The axis to repeat along, by default the flattened array.

    Returns:
        An array of the dtype of `x`.

    Example:
        >>> repeat([1.0, 2.0], 2)
        array([1., 1., 2., 2.], dtype=float32)
    """
    xp, (array,) = together(x)
    return xp.repeat(array, repeats, axis=axis)


def flip(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Array:
    """Return an array with the elements in reverse order.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        axis: The axes to reverse, by default all.

    Returns:
        An array of the shape of `x`.

    Example:
        >>> flip([1.0, 2.0, 3.0])
        array([3., 2., 1.], dtype=float32)
    """
    return apply("flip", x, axis=None if axis is None else as_tuple(axis))


def roll(
    x: ArrayLike, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> Array:
    """Return an array with the elements shifted, those beyond the end to the start.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        shift: How far, along each axis.
        axis: The axes to shift along, by default the flattened array.

    Returns:
        An array of the shape of `x`.

    Example:
        >>> roll([1.0, 2.0, 3.0], 1)
        array([3., 1., 2.], dtype=float32)
    """
    return apply("roll", x, shift=shift, axis=axis)


def tril(x: ArrayLike, k: int = 0) -> Array:
    """Return matrices with zeros above a diagonal.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        k: The diagonal: 0 is the main one, above it they are positive.

    Returns:
        An array of the shape of `x`, whose last two axes make the matrices.

    Example:
        >>> tril([[1.0, 2.0], [3.0, 4.0]])
        array([[1., 0.],
               [3., 4.]], dtype=float32)
    """
    return apply("tril", x, k=k)


def triu(x: ArrayLike, k: int = 0) -> Array:
    """Return matrices with zeros below a diagonal.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        k: The diagonal: 0 is the main one, above it they are positive.

    Returns:
        An array of the shape of `x`, whose last two axes make the matrices.

    Example:
        >>> triu([[1.0, 2.0], [3.0, 4.0]])
        array([[1., 2.],
               [0., 4.]], dtype=float32)
    """
    return apply("triu", x, k=k)


def nonnegative_axis(function: str, axis: int, rank: int) -> int:
    """Return an axis counted from 0, of an array with so many axes.

    Args:
        function: Whose argument it is, for the message.
        axis: The axis, from the end if it is negative.
        rank: How many axes there are.

    Returns:
        The axis, at least 0.

    Raises:
        InvalidArgumentError: If there is no such axis.

    Example:
        >>> nonnegative_axis("take", -1, 3)
        2
    """
    if not -rank <= axis < rank:
        raise InvalidArgumentError(function, "axis", axis, f"from {-rank} to {rank - 1}")
    return axis % rank


def as_tuple(axis: int | Sequence[int]) -> tuple[int, ...]:
    """Return one int, or several, as a tuple.

    Args:
        axis: An int or a sequence of ints.

    Returns:
        A tuple of ints.

    Example:
        >>> as_tuple(0)
        (0,)
    """
    return tuple(axis) if isinstance(axis, Sequence) else (axis,)
