"""Finds by how much a row is lowered, so that what is left adds up to a number, and lowers it.

What is left is a convex function of the threshold, so that Newton's steps from anywhere end below
the root after one of them, and rise to it from there, past fewer entries each. They are taken in
float32 as long as these sums tell something, and then in float64 until they pass no entry by.

Of a weight that a step moved away from its set, the first step from zero leads nearly there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float32, float64, int32

from feasible.torch.fast.loops import _inner, _read, _stored
from feasible.torch.fast.row_sums import (
    _excess,
    _excess_of_sizes,
    _is_near,
    _is_rounding,
    _lanes,
    _largest,
    _largest_size,
    _roughly,
    _roughly_beyond,
    _sizes_roughly,
    _stays,
    _stored_lowering,
    _sums_of_sizes,
)

# How far, relatively, sums in float32 may be off, of so many entries.
_ROUGH, _BLOCK = 3e-5, 2048
# Below this, relatively, sums in float32 are not worth another step.
_ENOUGH = 1e-6
# By how much, relatively, a threshold is moved where all that it passes by makes no difference.
_NOTHING = 1e-11
# Newton's steps end long before; where rounding would let them go to and fro, they end here.
_STEPS = 100
_INFINITE = np.float32(math.inf)


@_lanes
def _first_sums(row: Any) -> Any:
    total, squares, count = float32(0), float32(0), float32(0)
    above, of_below = float32(0), float32(0)
    for place in range(row.shape[0]):
        entry = _read(row[place])
        under = min(entry, float32(0))
        total += entry
        squares += entry * entry
        above += max(entry, float32(0))
        of_below += under * under
        count += float32(entry > float32(0))
    return float64(total), float64(squares), float64(above), float64(of_below), float64(count)


@_inner
def _first_look(row: Any) -> Any:
    """In float32: sums of a row, its squares, what is above zero, squares below, and a count."""
    total, squares, above, of_below, count = 0.0, 0.0, 0.0, 0.0, 0.0
    for start in range(0, row.shape[0], _BLOCK):
        found = _first_sums(row[start : start + _BLOCK])
        total += found[0]
        squares += found[1]
        above += found[2]
        of_below += found[3]
        count += found[4]
    return total, squares, above, of_below, count


@_lanes
def _close_look(row: Any) -> Any:
    """The sum of a row and of its squares, and the same of what is below zero."""
    total, squares, below, of_below = 0.0, 0.0, 0.0, 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        under = min(entry, 0.0)
        total += entry
        squares += entry * entry
        below += under
        of_below += under * under
    return total, squares, below, of_below


@_inner
def _passes(row: Any, low: Any, high: Any) -> bool:
    """Whether entries are above one number and not above another."""
    found = int32(0)
    for place in range(row.shape[0]):
        entry = _read(row[place])
        found = int32(found | int32((entry > low) & (entry <= high)))
    return found != 0


@_inner
def _sizes_pass(row: Any, low: Any, high: Any) -> bool:
    found = int32(0)
    for place in range(row.shape[0]):
        entry = abs(_read(row[place]))
        found = int32(found | int32((entry > low) & (entry <= high)))
    return found != 0


@_inner
def _around(first: float, second: float) -> Any:
    """Numbers of float32 that two thresholds, and their rounding, lie between."""
    low, high = min(first, second), max(first, second)
    rounding = 2.0**-23 * max(abs(low), abs(high)) + 2.0**-149
    return float32(low - rounding), float32(high + rounding)


@_inner
def _threshold(row: Any, of_sizes: bool, lowest: float, held: Any, scale: float) -> Any:
    """The root, from a number that should not be above it.

    Args:
        row: A row without NaN or infinities.
        of_sizes: Whether its absolute values are lowered.
        lowest: Where to begin.
        held: What there is besides the row, and how many entries lower that.
        scale: What sums are large or small beside.

    Returns:
        The root in two parts, of which float32 holds the first: what is left of an entry that is
        larger by far would be rounded away if it were a single number.
    """
    sum_of_held, of_held = held
    first = float64(float32(lowest))
    second, last = lowest - first, -1.0
    for _ in range(_STEPS):
        least = first, second
        beyond, above = _sizes_roughly(row, least) if of_sizes else _roughly(row, least)
        beyond += sum_of_held - of_held * (first + second)
        count = above + of_held
        enough = _ENOUGH * (scale + of_held * abs(first))
        if above == last or count == 0 or beyond <= enough:
            break
        last = above
        second += beyond / count
    last = math.inf
    for _ in range(_STEPS):
        least = first, second
        beyond, above = _excess_of_sizes(row, least) if of_sizes else _excess(row, least)
        count = above + of_held
        if count == 0:  # rounding led above all of them
            first, second = _largest_size(row) if of_sizes else _largest(row), -scale
            continue
        by = (beyond + sum_of_held - of_held * (first + second)) / count
        before = first + second
        second += by
        # So little that an entry that it passes by makes no difference.
        if abs(by) * count <= _NOTHING * scale:
            break
        # Steps become shorter by far before they pass nothing by.
        if abs(by) > last / 4:
            last = abs(by)
            continue
        last = abs(by)
        low, high = _around(before, first + second)
        if not (_sizes_pass(row, low, high) if of_sizes else _passes(row, low, high)):
            break
    whole = float64(float32(first + second))
    return whole, (first - whole) + second


@_inner
def _lower_to_zero(row: Any, by: Any) -> None:
    for place in range(row.shape[0]):
        left = max(_roughly_beyond(_read(row[place]), by), float32(0))
        row[place] = _stored(left, row[place])


@_inner
def _lower_sizes_to_zero(row: Any, by: Any) -> None:
    for place in range(row.shape[0]):
        entry = _read(row[place])
        left = max(_roughly_beyond(abs(entry), by), float32(0))
        row[place] = _stored(math.copysign(left, entry), row[place])


@_inner
def _simplex(row: Any, numbers: Any) -> int:
    total, squares, above, of_below, count = _first_look(row)
    length, wanted = row.shape[0], numbers[0]
    # No nearer than what is below zero, and than where entries have the sum.
    rough = _ROUGH * (wanted + 2 * above - total)
    off = max(abs(total - wanted) - rough, 0.0)
    least = max((1 - _ROUGH) * of_below, off * off / length)
    moves = squares < math.inf and not _is_near(least, squares, numbers, length)
    if not moves:
        total, squares, below, of_below = _close_look(row)
        if not squares < math.inf:
            return 0
        # With what is above zero scaled, it would be feasible, and what is nearest is no farther.
        above = total - below
        off = 1 - wanted / above if above > 0 else 1.0
        if above > 0 and _stays(of_below + off * off * squares, squares, numbers, length):
            return 0
    start = (total - wanted) / length
    if count > 0:
        start = max(start, (above - wanted) / count)
    if above > 2 * wanted or count == 0:
        start = max(start, _largest(row) - wanted)
    by = _threshold(row, False, start, (-wanted, 0.0), wanted)
    if not moves and _is_rounding(_stored_lowering(row, by, False), squares, numbers, length):
        return 0
    _lower_to_zero(row, by)
    return 1


@_inner
def _l1(row: Any, numbers: Any) -> int:
    # In float64 at once, as memory is no sooner read: most vectors are in the ball.
    total, squares = _sums_of_sizes(row)
    if not total > numbers[0] or not squares < math.inf:
        return 0
    wanted, length = numbers[3], row.shape[0]
    off = 1 - wanted / total
    if _stays(off * off * squares, squares, numbers, length):
        return 0
    start = (total - wanted) / length
    if total > 2 * wanted:
        start = max(start, _largest_size(row) - wanted)
    by = _threshold(row, True, start, (-wanted, 0.0), wanted)
    off = (total - wanted) * (total - wanted) / length
    if _is_near(off, squares, numbers, length) and _is_rounding(
        _stored_lowering(row, by, True), squares, numbers, length
    ):
        return 0
    _lower_sizes_to_zero(row, by)
    return 1


@_lanes
def _set_apart(row: Any, gradient: Any, held_from: float, others: Any) -> Any:
    """Note what counts only above a threshold: directions of entries that are not held.

    Returns:
        The sum of directions of those held, how many these are, the sum of all, and, in float32,
        that of their absolute values.
    """
    held_from, sum_of_held, of_held = float32(held_from), 0.0, float32(0)
    total, size = 0.0, float32(0)
    for place in range(row.shape[0]):
        along = -_read(gradient[place])
        held = _read(row[place]) > held_from
        others[place] = -_INFINITE if held else along
        sum_of_held += float64(along if held else float32(0))
        of_held += float32(held)
        total += float64(along)
        size += abs(along)
    return sum_of_held, float64(of_held), total, float64(size)


@_lanes
def _set_apart_outward(row: Any, gradient: Any, held_from: float, others: Any) -> Any:
    """The same, of directions that are counted outward of an L1 ball.

    Returns:
        The sum of those held, how many these are, the sum of the others, and that of the weight's
        absolute values.
    """
    held_from, sum_of_held, of_held = float32(held_from), 0.0, float32(0)
    rest, size = 0.0, 0.0
    for place in range(row.shape[0]):
        along, entry = -_read(gradient[place]), _read(row[place])
        held = abs(entry) > held_from
        free = abs(along)
        others[place] = -_INFINITE if held else free
        sum_of_held += float64(math.copysign(float32(1), entry) * along if held else float32(0))
        of_held += float32(held)
        rest += float64(float32(0) if held else free)
        size += float64(abs(entry))
    return sum_of_held, float64(of_held), rest, size


@_inner
def _tangent_threshold(others: Any, lowest: float, held: Any, scale: float) -> Any:
    """By how much directions are lowered, in two parts, from a number that is not above it."""
    sum_of_held, of_held = held
    largest = _largest(others)
    if of_held == 0:
        return largest, 0.0
    if largest > -math.inf:
        lowest = max(lowest, (largest + sum_of_held) / (of_held + 1))
    lowest = max(lowest, sum_of_held / of_held)
    return _threshold(others, False, lowest, held, scale)


@_inner
def _lower(row: Any, gradient: Any, others: Any, held_from: float) -> None:
    """Lower directions by a threshold of which their sum is zero, others not below zero."""
    sum_of_held, of_held, total, scale = _set_apart(row, gradient, held_from, others)
    if not abs(total) < math.inf:
        return
    by = _tangent_threshold(others, total / row.shape[0], (sum_of_held, of_held), scale)
    for place in range(row.shape[0]):
        along = _roughly_beyond(-_read(gradient[place]), by)
        least = float32(0) if others[place] > -_INFINITE else -_INFINITE
        gradient[place] = _stored(-max(along, least), gradient[place])


@_inner
def _lower_outward(row: Any, gradient: Any, others: Any, numbers: Any) -> None:
    """Lower directions that lead out of an L1 ball, those of what is not held down to zero."""
    held_from, bound = numbers[0], numbers[1]
    sum_of_held, of_held, rest, size = _set_apart_outward(row, gradient, held_from, others)
    # Nothing leads out of the ball, or from within it.
    if not size >= bound or not 0 < sum_of_held + rest < math.inf:
        return
    scale = abs(sum_of_held) + rest
    by = _tangent_threshold(others, 0.0, (sum_of_held, of_held), scale)
    for place in range(row.shape[0]):
        along, entry = -_read(gradient[place]), _read(row[place])
        held = not others[place] > -_INFINITE
        sign = math.copysign(float32(1), entry if held else along)
        left = max(_roughly_beyond(sign * along, by), -_INFINITE if held else float32(0))
        gradient[place] = _stored(-sign * left, gradient[place])
