"""By how much entries are to be lowered, so that what is left of them adds up to a number."""

from __future__ import annotations

import math

from feasible.backends import (
    Array,
    cumulative_sum,
    is_of_jax,
    namespace,
    repeat_times,
    repeat_while,
    without_gradient,
)
from feasible.constraints.precision import Precision


def threshold(candidates: Array, held: Array | float, count: Array | float) -> Array:
    """Return the root of ``held - count * t + sum(max(candidates - t, 0))``, column by column.

    On the simplex of sum s, it is by how much entries are lowered with ``held = -s``. Its
    derivative is exact: that of the entries that are above it.

    Args:
        candidates: Numbers of shape (length, *others), minus infinity for what does not count.
        held: What there is besides, of shape (1, *others), or a number.
        count: How often the threshold is subtracted from that, of the same shape.

    Returns:
        The thresholds, of shape (1, *others); the largest candidate where none is above it.

    Example:
        >>> import numpy as np
        >>> threshold(np.array([[0.5], [2.0], [3.0]]), -1.0, 0)
        array([[2.]])

    Source:
        Held, Wolfe, Crowder: Validation of subgradient optimization, 1974, by sorting; Michelot: A
        finite algorithm for finding the projection of a point onto the canonical simplex, 1986.
    """
    xp = namespace(candidates)
    if candidates.shape[0] == 0:
        return xp.zeros_like(candidates[:0, ...])
    find = _above_by_steps if is_of_jax(candidates) else _above_by_sorting
    above = find(without_gradient(candidates), held, count)
    counts = count + xp.sum(xp.astype(above, candidates.dtype), axis=0, keepdims=True)
    divisor = xp.where(counts > 0, counts, 1.0)
    kept = xp.where(above, candidates, xp.zeros_like(candidates))
    found = (held + xp.sum(kept, axis=0, keepdims=True)) / divisor
    # Once more, with what is small: sums of large entries are rounded.
    rest = xp.where(above, candidates - found, xp.zeros_like(candidates))
    found = found + (held - count * found + xp.sum(rest, axis=0, keepdims=True)) / divisor
    return xp.where(counts > 0, found, xp.max(candidates, axis=0, keepdims=True))


def lowered(entries: Array, total: Array | float) -> Array:
    """Return entries lowered by the same, and none below zero, so that they have a sum.

    Args:
        entries: Numbers of shape (length, *others).
        total: The sum, at least 0, of shape (1, *others), or a number.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> lowered(np.array([[0.5], [2.0], [3.0]]), 1.5)
        array([[0.  ],
               [0.25],
               [1.25]])
    """
    xp = namespace(entries)
    if entries.shape[0] == 0:
        return entries
    # Beside the largest, as the sum may be less than the rounding of large entries.
    entries = entries - without_gradient(xp.max(entries, axis=0, keepdims=True))
    left = entries - threshold(entries, -total, 0)
    left = xp.maximum(left, xp.zeros_like(left))
    # Once more, as what is left may be small beside the entries, and so their rounding large.
    above = left > 0
    counts = xp.sum(xp.astype(above, left.dtype), axis=0, keepdims=True)
    excess = xp.sum(left, axis=0, keepdims=True) - total
    excess = excess / xp.where(counts > 0, counts, 1.0)
    return xp.where(above, xp.maximum(left - excess, xp.zeros_like(left)), left)


def capped(entries: Array, upper: float, total: float) -> Array:
    """Return entries lowered by the same, none below zero or above a cap, so that they have a sum.

    Args:
        entries: Numbers of shape (length, *others).
        upper: The largest entry; as many times as there are entries, it reaches the sum.
        total: The sum, at least 0.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> capped(np.array([[1e18], [0.5], [0.25]]), 1.0, 1.25).round(12)
        array([[1.  ],
               [0.25],
               [0.  ]])
    """
    xp = namespace(entries)
    if entries.shape[0] == 0:
        return entries
    zero = xp.zeros_like(entries)
    # So many entries at the cap have the sum: the last of them ends between zero and the cap, and
    # those farther from it than the cap at either.
    count = max(math.ceil(total / upper), 1) if upper > 0 else 1
    last = _ranked(without_gradient(entries), min(count, entries.shape[0]), upper)
    near = xp.clip(entries - last, zero - 2 * upper, zero + 2 * upper)
    return clipped(near, zero, zero + upper, total)


def tangent_threshold(held: Array, of_held: Array, of_others: Array) -> Array:
    """Return by how much directions are lowered: those held add up to what is left of others.

    Args:
        held: Which entries may move either way, of shape (length, *others).
        of_held: What these add up, of the same shape.
        of_others: What is lowered, and counts where it is above the threshold.

    Returns:
        The thresholds, of shape (1, *others).

    Example:
        >>> import numpy as np
        >>> directions = np.array([[1.0], [3.0], [0.0]])
        >>> tangent_threshold(np.array([[True], [True], [False]]), directions, directions)
        array([[2.]])
    """
    xp = namespace(of_held)
    sums = xp.sum(xp.where(held, of_held, 0.0), axis=0, keepdims=True)
    counts = xp.sum(xp.astype(held, of_held.dtype), axis=0, keepdims=True)
    return threshold(xp.where(held, -math.inf, of_others), sums, counts)


def clipped(entries: Array, low: Array, high: Array, total: float) -> Array:
    """Return entries lowered by the same, and clipped, so that they have a sum.

    Args:
        entries: Numbers of shape (length, *others).
        low: To what they are clipped from below, of the same shape.
        high: To what from above.
        total: The sum, which lies between those of `low` and of `high`.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> entries = np.array([[2.0], [0.5], [0.25]])
        >>> clipped(entries, np.zeros((3, 1)), np.ones((3, 1)), 1.25).round(9)
        array([[1.  ],
               [0.25],
               [0.  ]])
    """
    xp = namespace(entries)
    if entries.shape[0] == 0:
        return entries

    def left(lowest: Array) -> Array:
        return xp.sum(xp.clip(entries - lowest, low, high), axis=0, keepdims=True)

    def halve(below: Array, above: Array) -> tuple[Array, Array]:
        middle = (below + above) / 2
        too_much = left(middle) > total
        return xp.where(too_much, middle, below), xp.where(too_much, above, middle)

    fixed = without_gradient(entries)
    ends = xp.min(fixed - high, axis=0, keepdims=True), xp.max(fixed - low, axis=0, keepdims=True)
    halvings = 64 if entries.dtype == xp.float64 else 32
    below, above = repeat_times(halvings, halve, ends)
    found = xp.clip(entries - without_gradient((below + above) / 2), low, high)
    # What is still missing, or too much, is spread over those that are not clipped.
    inside = (found > low) & (found < high)
    counts = xp.sum(xp.astype(inside, entries.dtype), axis=0, keepdims=True)
    excess = xp.sum(found, axis=0, keepdims=True) - total
    excess = excess / xp.where(counts > 0, counts, 1.0)
    return xp.where(inside, xp.clip(found - excess, low, high), found)


def held_from(total: Array | float, stored: Precision, length: int) -> Array | float:
    """Return from where entries of a sum count as more than nothing, up to rounding.

    Args:
        total: The sum.
        stored: The precision of the dtype of the entries.
        length: How many there are.

    Returns:
        A part of what each has where all are equal.

    Example:
        >>> from feasible.constraints.precision import PRECISIONS
        >>> held_from(1.0, PRECISIONS["bfloat16"], 64) < 1 / 64
        True
    """
    return 4 * stored.slack * total / max(length, 1)


def _ranked(entries: Array, rank: int, near: float) -> Array:
    """Return the entry that so many are not below, of each column, or a lower one that is near."""
    xp = namespace(entries)
    if not is_of_jax(entries):
        least = entries.shape[0] - rank
        return xp.sort(entries, axis=0)[least : least + 1, ...]

    # JAX sorts slowly on a CPU: the range is halved instead, and ends at entries.
    def halve(low: Array, high: Array) -> tuple[Array, Array]:
        middle = low / 2 + high / 2
        # Rounded, it may be an end, of which only the lower one divides the range.
        middle = xp.where((middle > low) & (middle < high), middle, low)
        above = entries > middle
        counts = xp.sum(above, axis=0, keepdims=True, dtype=entries.dtype)
        next_low = xp.min(xp.where(above, entries, high), axis=0, keepdims=True)
        next_high = xp.max(xp.where(above, low, entries), axis=0, keepdims=True)
        return xp.where(counts >= rank, next_low, low), xp.where(counts >= rank, high, next_high)

    ends = xp.min(entries, axis=0, keepdims=True), xp.max(entries, axis=0, keepdims=True)
    low, _ = repeat_while(lambda low, high: xp.any(high - low > near), halve, ends)
    return low


def _above_by_sorting(candidates: Array, held: Array | float, count: Array | float) -> Array:
    """Return which candidates are above the threshold."""
    xp = namespace(candidates)
    ordered = xp.flip(xp.sort(candidates, axis=0), axis=0)
    sums = held + cumulative_sum(ordered, 0)
    places = cumulative_sum(xp.ones_like(ordered), 0) + count
    above = ordered * places > sums
    total = held + xp.sum(xp.where(above, ordered, 0.0), axis=0, keepdims=True)
    counts = count + xp.sum(xp.astype(above, candidates.dtype), axis=0, keepdims=True)
    return (counts > 0) & (candidates > total / xp.where(counts > 0, counts, 1.0))


def _above_by_steps(candidates: Array, held: Array | float, count: Array | float) -> Array:
    """Return the same without sorting: thresholds from below, of which fewer are above each time.

    JAX sorts slowly on a CPU, and compiles each of these steps into one pass.
    """
    xp = namespace(candidates)
    zero = xp.zeros_like(candidates)

    def step(lowest: Array, before: Array, _: Array) -> tuple[Array, Array, Array]:
        beyond = xp.sum(xp.maximum(candidates - lowest, zero), axis=0, keepdims=True)
        above = xp.sum(candidates > lowest, axis=0, keepdims=True, dtype=candidates.dtype)
        counts = count + above
        rise = (held - count * lowest + beyond) / xp.where(counts > 0, counts, 1.0)
        # In exact numbers it never falls; where rounding makes it fall, it has been found.
        changes = (above != before) & (rise > 0)
        return xp.where(changes, lowest + rise, lowest), above, xp.any(changes)

    # It is above what is held alone, and above what the largest candidate alone leaves.
    largest = xp.max(candidates, axis=0, keepdims=True)
    has, alone = xp.asarray(count) > 0, xp.asarray(held, dtype=candidates.dtype)
    start = xp.where(has, alone / xp.where(has, count, 1.0), largest + alone)
    state = step(start, xp.zeros_like(start) - 1, xp.any(has))
    lowest, _, _ = repeat_while(lambda *found: found[2], step, state)
    return candidates > lowest
