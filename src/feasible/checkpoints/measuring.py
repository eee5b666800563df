"""Measures arrays of any size in bounded memory, and projects them in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feasible.checkpoints.array_selection import Selected
from feasible.constraints import Constraint
from feasible.constraints.base import block_axes, is_whole_call
from feasible.constraints.function import as_constraint
from feasible.constraints.values import attributes_of
from feasible.ops import convert_to_numpy
from feasible.report import Row

# How many entries are measured at once; in float64 with what is computed on the way 0.3 GB.
_AT_ONCE = 2**23
# How many quantities a row keeps, for a picture.
_KEPT = 100_000


class Movement(NamedTuple):
    """How far a projection moved an array.

    Attributes:
        name: The array's name.
        moved: How many vectors it changed.
        vectors: How many there are.
        distance: The Euclidean norm of the difference.
        largest: The largest difference of an entry.
    """

    name: str
    moved: int
    vectors: int
    distance: float
    largest: float


def measured_row(one: Selected) -> Row:
    """Measure an array.

    Args:
        one: The array and its constraint.

    Returns:
        What was found; of its quantities at most 100,000, evenly spaced.
    """
    rule, view = as_constraint(one.constraint), one.view(one.array.read())
    if view.size <= _AT_ONCE or (axis := _free_axis(rule, view.shape)) is None:
        return Row.of(one.name, one.constraint, view, one.array.shape, one.note)
    counts, worst, kept = 0, 0.0, []
    vectors, length = rule.vectors(view.shape)
    every = -(-vectors // _KEPT)
    for place in _chunks(view.shape, axis):
        found = rule.measurement(view[place])
        violations = convert_to_numpy(found.violations).astype(np.float64)
        counts += int(np.count_nonzero(violations))
        worst = float(np.maximum(worst, violations.max(initial=0.0)))  # which keeps a NaN
        kept.append(convert_to_numpy(found.values).astype(np.float64).ravel()[::every])
    return Row(
        parameter=one.name,
        stored=one.array.shape,
        shape=tuple(view.shape),
        constraint=repr(rule),
        vectors=vectors,
        length=length,
        violating=counts,
        worst=worst,
        quantity=rule.quantity,
        bounds=rule.bounds,
        measured=np.concatenate(kept),
        note=one.note,
    )


def project_array(one: Selected) -> Movement:
    """Project an array in place, in a checkpoint that is open for changes.

    Args:
        one: The array and its constraint.

    Returns:
        How far it was moved.
    """
    rule, stored = as_constraint(one.constraint), one.array.read()
    view = one.view(stored)
    if stored.size and not np.shares_memory(view, stored):
        raise ValueError(f"{one.name}: its layout {one.layout.stored!r} cannot be written through")
    axis = _free_axis(rule, view.shape)
    moved, squares, largest = 0, 0.0, 0.0
    for place in _chunks(view.shape, axis):
        before = view[place]
        after = np.asarray(rule(before))
        changed = _differs(before, after)
        if not changed.any():
            continue
        difference = np.abs(after.astype(_wide(after)) - before.astype(_wide(before)))
        squares += float(np.square(difference).sum())
        largest = float(np.maximum(largest, difference.max()))
        along = block_axes(rule, before.shape)
        moved += int(np.count_nonzero(changed.any(axis=along) if along else changed))
        view[place] = after
    if moved and len(one.array.segments) > 1:
        one.array.write(stored)
    return Movement(one.name, moved, rule.vectors(view.shape)[0], squares**0.5, largest)


def _wide(array: NDArray[Any]) -> type:
    return np.complex128 if array.dtype.kind == "c" else np.float64


def _differs(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Return which entries differ, by their bits."""
    form = {2: np.uint16, 4: np.uint32, 8: np.uint64}.get(one.dtype.itemsize)
    if form is None:
        return np.asarray(one != other)
    return np.asarray(
        np.ascontiguousarray(one).view(form) != np.ascontiguousarray(other).view(form)
    )


def _free_axis(rule: Constraint, shape: tuple[int, ...]) -> int | None:
    """Return the longest axis along which a weight can be cut without cutting a vector."""
    own = type(rule).measured is not Constraint.measured
    own |= type(rule).violations is not Constraint.violations
    has_arrays = any(isinstance(value, np.ndarray) for value in attributes_of(rule).values())
    if own or has_arrays or is_whole_call(rule) or not _is_plain(rule):
        return None
    along = block_axes(rule, shape)
    free = [axis for axis in range(len(shape)) if axis not in along]
    return max(free, key=lambda axis: shape[axis]) if free else None


def _is_plain(rule: Constraint) -> bool:
    """Return whether a constraint is no combination of others, which may hold arrays."""
    return not any(
        isinstance(value, Constraint | list | tuple) and not _is_axis(value)
        for value in attributes_of(rule).values()
    )


def _is_axis(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(one, int) for one in value)


def _chunks(shape: tuple[int, ...], axis: int | None) -> Iterator[tuple[slice, ...]]:
    """Return the places of the pieces in which a weight is gone through."""
    if axis is None or not shape:
        yield (slice(None),) * len(shape)
        return
    others = int(np.prod([size for one, size in enumerate(shape) if one != axis], dtype=object))
    step = max(_AT_ONCE // max(others, 1), 1)
    for start in range(0, shape[axis], step):
        yield tuple(
            slice(start, start + step) if one == axis else slice(None) for one in range(len(shape))
        )
