"""Where axes that have names stand: as a weight is stored, and in Keras's order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple


class AxisPart(NamedTuple):
    """A slice of one stored axis, where several weights share one parameter.

    Attributes:
        name: What the slice is, such as ``"query"``.
        axis: The stored axis, as the layout writes it.
        start: Where the slice begins.
        size: How long it is.
    """

    name: str
    axis: str
    start: int
    size: int


class Placement(NamedTuple):
    """Where the axes of one shape are in Keras layout.

    Attributes:
        bounds: The start and stop of the part along each stored axis.
        splits: The sizes that each stored axis is split into; none for an axis that Keras lacks.
        order: Which of all those sizes each axis in Keras layout is.
        stored_axes: The stored axis that each axis in Keras layout comes from.
        shape: The shape in Keras layout.
        is_permutation: Whether each axis in Keras layout is one stored axis.
    """

    bounds: tuple[tuple[int, int], ...]
    splits: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    stored_axes: tuple[int, ...]
    shape: tuple[int, ...]
    is_permutation: bool


class Pattern(NamedTuple):
    """What is known of axes from how many there are, before their sizes are.

    Attributes:
        bounds: The start and stop of the part along each stored axis; None where all of it is
            meant.
        splits: The sizes that each stored axis is split into, -1 for one that is not known; none
            for an axis that Keras lacks.
        order: Which of all those sizes each axis in Keras layout is.
        stored_axes: The stored axis that each axis in Keras layout comes from.
        is_permutation: Whether each axis in Keras layout is one stored axis.
    """

    bounds: tuple[tuple[int, int] | None, ...]
    splits: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    stored_axes: tuple[int, ...]
    is_permutation: bool


def pattern_of(
    stored: Sequence[str],
    keras: Sequence[str],
    sizes: Mapping[str, int],
    part: AxisPart | None,
    rank: int,
) -> Pattern | None:
    """Return where axes are in Keras layout.

    Args:
        stored: The stored axes, each as a layout writes it.
        keras: The names in Keras's order.
        sizes: Sizes of names that stand in a split.
        part: The slice of a stored axis that is meant; None for all.
        rank: How many stored axes there are.

    Returns:
        Where they are; None if there cannot be that many.

    Example:
        >>> pattern_of(("out", "in"), ("in", "out"), {}, None, 2).order
        (1, 0)
    """
    axes = expand_names(stored, rank)
    if len(axes) != rank:
        return None
    found = [
        ((name, nth), place) for place, (axis, nth) in enumerate(axes) for name in names_of(axis)
    ]
    own = [name for name, _ in found]
    order = tuple(map(own.index, expand_names(keras, len(own))))
    names = [names_of(axis) for axis, _ in axes]
    return Pattern(
        tuple(
            (part.start, part.start + part.size) if part and axis == part.axis else None
            for axis, _ in axes
        ),
        tuple(tuple(sizes.get(name, -1) for name in split) for split in names),
        order,
        tuple(found[one][1] for one in order),
        all(len(split) == 1 for split in names),
    )


# Weights are looked at in each step of an optimizer.
@lru_cache(maxsize=4096)
def placement_of(pattern: Pattern, shape: tuple[int, ...]) -> Placement | None:
    """Return where the axes of a shape are in Keras layout.

    Args:
        pattern: Where they are, whatever their sizes.
        shape: The shape as it is stored.

    Returns:
        Where they are; None if a weight of this shape cannot be stored so.

    Example:
        >>> pattern = pattern_of(("out", "in"), ("in", "out"), {}, None, 2)
        >>> placement_of(pattern, (3, 2)).shape
        (2, 3)
    """
    bounds = tuple(
        (0, size) if bound is None else bound
        for bound, size in zip(pattern.bounds, shape, strict=True)
    )
    splits = tuple(
        split_sizes(split, stop - start)
        for split, (start, stop) in zip(pattern.splits, bounds, strict=True)
    )
    lengths = [size for split in splits for size in split]
    sound = all(
        stop <= size and math.prod(split) == stop - start
        for split, (start, stop), size in zip(splits, bounds, shape, strict=True)
    )
    if not sound:
        return None
    return Placement(
        bounds,
        splits,
        pattern.order,
        pattern.stored_axes,
        tuple(lengths[one] for one in pattern.order),
        pattern.is_permutation,
    )


def split_sizes(split: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Return the sizes that one axis is split into.

    Args:
        split: The sizes, of which one may be -1.
        size: The axis's size.

    Returns:
        The sizes, whose product is the axis's unless it cannot be split so.

    Example:
        >>> split_sizes((2, -1), 6)
        (2, 3)
    """
    if len(split) == 1:
        return (size,)
    rest = size // abs(math.prod(split))
    return tuple([rest if one == -1 else one for one in split])


def names_of(axis: str) -> tuple[str, ...]:
    """Return the names of what one stored axis is in Keras.

    Args:
        axis: The axis as a layout writes it.

    Returns:
        Its names, none for an axis that Keras lacks.

    Example:
        >>> names_of("(group in)"), names_of("1")
        (('group', 'in'), ())
    """
    return () if axis == "1" else tuple(axis.strip("()").split())


def expand_names(names: Sequence[str], rank: int) -> list[tuple[str, int]]:
    """Return what each of a number of axes is called.

    Args:
        names: Names of axes, one of which may have a star.
        rank: How many axes there are.

    Returns:
        For each axis its name, and which of those it is that a starred name stands for.

    Example:
        >>> expand_names(("*spatial", "in"), 3)
        [('*spatial', 0), ('*spatial', 1), ('in', 0)]
    """
    starred = rank - len(names) + 1
    return [(name, nth) for name in names for nth in range(starred if name.startswith("*") else 1)]


def permute_axes(array: Any, order: tuple[int, ...]) -> Any:
    """Return an array with its axes in another order.

    Args:
        array: An array of PyTorch, NumPy or JAX.
        order: The axis that each axis is to be.

    Returns:
        A view.

    Example:
        >>> import numpy as np
        >>> permute_axes(np.ones((3, 2)), (1, 0)).shape
        (2, 3)
    """
    # NumPy and JAX name it one way, PyTorch the other.
    return (array.permute if hasattr(array, "permute") else array.transpose)(order)


def numbered_name(name: str, count: int) -> str:
    """Return names for a number of axes.

    Args:
        name: What the axes are.
        count: How many there are.

    Returns:
        The names, separated by spaces.

    Example:
        >>> numbered_name("spatial", 2)
        'spatial0 spatial1'
    """
    return " ".join(f"{name}{place}" for place in range(count))
