"""Windows that slide over spatial axes: their arguments, padding and output sizes, axis by axis."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from numbers import Integral
from typing import Any

from feasible.arguments import InvalidArgumentError, check_choice

# How much is added to, or cut from, the start and the end of an axis.
Ends = tuple[int, int]


def check_sizes(
    owner: str, argument: str, value: Any, rank: int, *, minimum: int = 1
) -> tuple[int, ...]:
    """Return one size for each spatial axis, and raise if `value` does not give them.

    Args:
        owner: The layer's class, for the message.
        argument: The argument's name.
        value: An integer for all axes, or one for each.
        rank: The number of spatial axes.
        minimum: The smallest size allowed.

    Returns:
        As many integers as there are axes.

    Raises:
        InvalidArgumentError: If it is neither.

    Example:
        >>> check_sizes("Conv2D", "kernel_size", 3, rank=2)
        (3, 3)
    """
    single = isinstance(value, Integral)
    sizes = (value,) * rank if single else tuple(value) if isinstance(value, Iterable) else ()
    integers = all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
    if len(sizes) == rank and integers and min(sizes) >= minimum:
        return tuple(map(int, sizes))
    raise InvalidArgumentError(
        owner,
        argument,
        value,
        f"an integer of at least {minimum}, or a sequence of {rank} of them, one for each axis",
    )


def check_name(owner: str, argument: str, value: Any, allowed: Collection[str]) -> str:
    """Return a name in lower case, and raise if it is not allowed.

    Args:
        owner: The layer's class, for the message.
        argument: The argument's name.
        value: The name, in any case.
        allowed: Those that the layer has.

    Returns:
        The name in lower case.

    Raises:
        InvalidArgumentError: If the layer does not have it.

    Example:
        >>> check_name("Conv2D", "padding", "SAME", ("valid", "same"))
        'same'
    """
    name = value.lower() if isinstance(value, str) else value
    return check_choice(owner, argument, name, allowed)


def check_strides_or_dilation(
    owner: str, strides: tuple[int, ...], dilation_rate: tuple[int, ...]
) -> None:
    """Raise if a window both takes strides and is dilated, which Keras does not allow.

    Args:
        owner: The layer's class, for the message.
        strides: The window's step along each axis.
        dilation_rate: The distance of the window's entries along each axis.

    Raises:
        InvalidArgumentError: If both are above 1 somewhere.
    """
    if max(strides) > 1 and max(dilation_rate) > 1:
        raise InvalidArgumentError(
            owner, "dilation_rate", dilation_rate, f"1 where strides are not: strides={strides}"
        )


def window_span(size: int, dilation: int) -> int:
    """Return how many entries of an axis a window reaches over.

    Args:
        size: The number of entries it takes.
        dilation: The distance between them.

    Returns:
        The distance from its first entry to its last, both included.

    Example:
        >>> window_span(3, dilation=2)
        5
    """
    return (size - 1) * dilation + 1


def padding_ends(padding: str, size: int, span: int, stride: int) -> Ends:
    """Return how much an axis is padded before its start and after its end.

    ``"same"`` puts a window at every `stride`-th entry and splits what it lacks evenly; what is
    odd goes to the end. ``"causal"`` puts it all before the start.

    Args:
        padding: ``"valid"``, ``"same"`` or ``"causal"``.
        size: The axis's size.
        span: How many entries the window reaches over.
        stride: The window's step.

    Returns:
        The two amounts.

    Example:
        >>> padding_ends("same", size=6, span=3, stride=2)
        (0, 1)
    """
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return span - 1, 0
    lacking = max((-(-size // stride) - 1) * stride + span - size, 0)
    return lacking // 2, lacking - lacking // 2


def output_size(padding: str, size: int | None, span: int, stride: int) -> int | None:
    """Return in how many places along an axis a window is put.

    Args:
        padding: ``"valid"``, ``"same"`` or ``"causal"``.
        size: The axis's size; None if it is not known.
        span: How many entries the window reaches over.
        stride: The window's step.

    Returns:
        The output's size, or None; not positive if the window does not fit.

    Example:
        >>> output_size("valid", 28, span=3, stride=1)
        26
    """
    if size is None:
        return None
    return (size - span) // stride + 1 if padding == "valid" else -(-size // stride)


def transposed_ends(padding: str, output_padding: int | None, span: int, stride: int) -> Ends:
    """Return how much of a transposed convolution is cut from its start and its end.

    Uncut, it has ``(size - 1) * stride + span`` entries. ``"valid"`` keeps them all and adds
    `output_padding`, by default what makes it end after a whole stride. ``"same"`` keeps
    ``size * stride``, or ``(size - 1) * stride + span % 2 + output_padding``.

    Args:
        padding: ``"valid"`` or ``"same"``.
        output_padding: What is added to the output's end, or None for the default.
        span: How many entries the window reaches over.
        stride: The window's step in the output.

    Returns:
        The two amounts; the second is negative where the output goes on beyond the end.

    Example:
        >>> transposed_ends("same", None, span=3, stride=2)
        (0, 1)
        >>> transposed_ends("valid", None, span=2, stride=3)
        (0, -1)
    """
    if padding == "valid":
        return 0, -(max(stride - span, 0) if output_padding is None else output_padding)
    cut = span - (stride if output_padding is None else span % 2 + output_padding)
    start = max(cut // 2, 0)
    return start, cut - start
