"""The `axis` argument of layers: an axis of the input, or several."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from feasible.arguments import InvalidArgumentError


def check_axes(
    owner: str, axis: object, *, several: bool = True, argument: str = "axis"
) -> tuple[int, ...]:
    """Return the axes that an argument names.

    Args:
        owner: The layer, for the message.
        axis: An int, or a sequence of ints.
        several: Whether a sequence is allowed.
        argument: The argument's name, for the message.

    Returns:
        The axes as given, negative ones among them.

    Raises:
        InvalidArgumentError: If it is neither, or names an axis twice or none.

    Example:
        >>> check_axes("Softmax", [1, -1])
        (1, -1)
    """
    given = axis if several and isinstance(axis, Sequence) else (axis,)
    axes = tuple(one for one in given if isinstance(one, Integral) and not isinstance(one, bool))
    if axes and len(set(axes)) == len(given):
        return tuple(map(int, axes))
    allowed = "an int or a list of distinct ints" if several else "an int"
    raise InvalidArgumentError(owner, argument, axis, allowed)


def count_from_zero(owner: str, axes: Sequence[int], shape: Sequence[int | None]) -> list[int]:
    """Return axes counted from 0, in ascending order.

    Args:
        owner: The layer, for the message.
        axes: The axes, negative ones among them.
        shape: The input's sizes, the batch first.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no such axis, or two of them are the same.

    Example:
        >>> count_from_zero("Softmax", (-1, 1), (None, 3, 5))
        [1, 2]
    """
    rank = len(shape)
    found = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(found) < len(axes):
        raise ValueError(
            f"{owner}: `axis` must name distinct axes of the input, from {-rank} to {rank - 1}. "
            f"Received: axis={list(axes)} for an input of shape {tuple(shape)}."
        )
    return sorted(found)
