"""The `axis` argument: which axes of a weight hold one vector."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

from feasible.arguments import InvalidArgumentError

Axis = int | Sequence[int] | Literal["unit"] | None


def check_axis(
    owner: str, axis: Axis, argument: str = "axis"
) -> int | tuple[int, ...] | Literal["unit"] | None:
    """Return `axis` in its normal form, and raise if it can fit no weight at all.

    Args:
        owner: The constraint, for the message.
        axis: An int, a sequence of ints, None or ``"unit"``.
        argument: What it is called there.

    Returns:
        The int, a tuple of ints, None or ``"unit"``.

    Raises:
        InvalidArgumentError: If it is anything else, or names an axis twice.

    Example:
        >>> check_axis("MaxNorm", [0, 1, 2])
        (0, 1, 2)
    """
    if axis is None or (isinstance(axis, str) and axis == "unit"):
        return axis
    if _is_integer(axis):
        return int(axis)  # type: ignore[arg-type]
    if (
        isinstance(axis, Sequence)
        and not isinstance(axis, str)
        and all(map(_is_integer, axis))
        and len(set(axis)) == len(axis)
    ):
        return tuple(map(int, axis))
    others = ', a sequence of distinct ints, None or "unit"'
    allowed = others if argument == "axis" else " or a sequence of distinct ints"
    raise InvalidArgumentError(owner, argument, axis, f"an int{allowed}")


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def vector_axes(
    owner: str, axis: Axis, shape: Sequence[int], argument: str = "axis"
) -> tuple[int, ...]:
    """Return the axes, counted from 0, that one vector of a weight of this shape lies along.

    Args:
        owner: The constraint, for the message.
        axis: The axis in its normal form. ``"unit"`` means all axes but the last, and none in a
            weight with one axis, as in a bias: each element is a vector then.
        shape: The weight's shape.
        argument: What the axis is called there.

    Returns:
        The axes in ascending order.

    Raises:
        ValueError: If the shape does not have such an axis.

    Example:
        >>> vector_axes("MaxNorm", (0, -2), (3, 3, 8))
        (0, 1)
        >>> vector_axes("MaxNorm", "unit", (3, 3, 8))
        (0, 1)
    """
    rank = len(shape)
    if axis is None:
        return tuple(range(rank))
    if isinstance(axis, str):
        return tuple(range(rank - 1))
    given = (axis,) if isinstance(axis, int) else axis
    axes = {one + rank if one < 0 else one for one in given}
    if len(axes) < len(given) or not axes <= set(range(rank)):
        raise ValueError(
            f"{owner}: `{argument}` must name distinct axes of the weight, from {-rank} to "
            f"{rank - 1}. Received: {argument}={axis!r} for a weight of shape {tuple(shape)}."
        )
    return tuple(sorted(axes))
