"""Where axes that have names stand: as a weight is stored, and in Keras's order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple


class Part(NamedTuple):
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


# Weights are looked at in each step of an optimizer.
@lru_cache(maxsize=4096)
def placement_of(
    stored: tuple[str, ...],
    keras: tuple[str, ...],
    sizes: tuple[tuple[str, int], ...],
    part: Part | None,
    shape: tuple[int, ...],
) -> Placement | None:
    """Return where the axes of a shape are in Keras layout.

    Args:
        stored: The stored axes, each as a layout writes it.
        keras: The names in Keras's order.
        sizes: Pairs of a name and a size.
        part: The slice of a stored axis that is meant; None for all.
        shape: The shape as it is stored.

    Returns:
        Where they are; None if a weight of this shape cannot be stored so.

    Example:
        >>> placement_of(("out", "in"), ("in", "out"), (), None, (3, 2)).shape
        (2, 3)
    """
    axes = expanded(stored, len(shape))
    if len(axes) != len(shape):
        return None
    bounds, splits, found = [], [], []
    for place, ((axis, nth), size) in enumerate(zip(axes, shape, strict=True)):
        start, stop = 0, size
        if part is not None and axis == part.axis:
            start, stop = part.start, part.start + part.size
        names = names_of(axis)
        split = _split(names, dict(sizes), stop - start)
        if split is None or stop > size:
            return None
        bounds.append((start, stop))
        splits.append(split)
        found += [((name, nth), place) for name in names]
    own = [name for name, _ in found]
    order = tuple(map(own.index, expanded(keras, len(own))))
    lengths = [size for split in splits for size in split]
    return Placement(
        tuple(bounds),
        tuple(splits),
        order,
        tuple(found[one][1] for one in order),
        tuple(lengths[one] for one in order),
        all(len(split) == 1 for split in splits),
    )


def _split(names: Sequence[str], known: dict[str, int], size: int) -> tuple[int, ...] | None:
    """Return the sizes of the axes that one stored axis is split into; None if it cannot be."""
    if len(names) < 2:
        return (size,) if names else () if size == 1 else None
    product = math.prod(known.get(name, 1) for name in names)
    unknown = [name for name in names if name not in known]
    if len(unknown) > 1 or product == 0 or size % product or (not unknown and size != product):
        return None
    return tuple(known.get(name, size // product) for name in names)


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


def expanded(names: Sequence[str], rank: int) -> list[tuple[str, int]]:
    """Return what each of a number of axes is called.

    Args:
        names: Names of axes, one of which may have a star.
        rank: How many axes there are.

    Returns:
        For each axis its name, and which of those it is that a starred name stands for.

    Example:
        >>> expanded(("*spatial", "in"), 3)
        [('*spatial', 0), ('*spatial', 1), ('in', 0)]
    """
    starred = rank - len(names) + 1
    return [(name, nth) for name in names for nth in range(starred if name.startswith("*") else 1)]


def permuted(array: Any, order: tuple[int, ...]) -> Any:
    """Return an array with its axes in another order.

    Args:
        array: An array of PyTorch, NumPy or JAX.
        order: The axis that each axis is to be.

    Returns:
        A view.

    Example:
        >>> import numpy as np
        >>> permuted(np.ones((3, 2)), (1, 0)).shape
        (2, 3)
    """
    # NumPy and JAX name it one way, PyTorch the other.
    return (array.permute if hasattr(array, "permute") else array.transpose)(order)


def numbered(name: str, count: int) -> str:
    """Return names for a number of axes.

    Args:
        name: What the axes are.
        count: How many there are.

    Returns:
        The names, separated by spaces.

    Example:
        >>> numbered("spatial", 2)
        'spatial0 spatial1'
    """
    return " ".join(f"{name}{place}" for place in range(count))
