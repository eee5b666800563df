"""Loops over the vectors of weights, one for all sets that go over a vector several times.

A task is an array of integers: how vectors lie in memory, what is to be done with them, the
addresses of the numbers that decide, of a mask and of memory of its own, how many weights there
are, their addresses, those of gradients, and a place for each to say whether it was changed. A row
stays in a core's cache while it is gone over several times; columns are copied to rows first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from llvmlite import ir
from numba import carray, float32, float64, int32, int64, njit, types, uint8, uint16
from numba.extending import intrinsic

from feasible.torch.fast import loops, openmp
from feasible.torch.fast.code_cache import code_of
from feasible.torch.fast.loops import (
    _WIDE,
    _at,
    _inner,
    _outer,
    _rank,
    _read,
    _size,
    _stored,
    _summing,
)

# The entries of a task before the addresses.
HEAD = 8
# How many columns are copied to rows at once, as many as a line of a cache holds, and how many are
# shifted at once.
NARROW, WIDE = 16, 1024
# How far, relatively, sums in float32 may be off.
_ROUGH = 1e-5
# By how much, relatively, a threshold is moved where all that it passes by makes no difference.
_NOTHING = 1e-11
# What is done with a row.
SHIFT, SIMPLEX, L1, N_OF_M, BOX, MASK = range(6)
# What is done with a row of a gradient.
NORM_TANGENT, SIMPLEX_TANGENT, L1_TANGENT = range(3)

_OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_lanes = njit(**_OPTIONS, _nrt=False, fastmath={"reassoc", "contract", "nsz"})
# Of rows without a NaN, which is noticed by their sums.
_highest = njit(**_OPTIONS, _nrt=False, fastmath={"reassoc", "contract", "nsz", "nnan"})


@intrinsic
def _masked(context: Any, entry: Any, mask: Any) -> Any:
    """An entry, or zero where a byte of a mask is."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, byte = arguments
        bits = builder.bitcast(value, _WIDE) if signature.args[0] == float32 else value
        every = builder.sub(bits.type(0), builder.zext(byte, bits.type))
        kept = builder.and_(bits, every)
        return builder.bitcast(kept, ir.FloatType()) if signature.args[0] == float32 else kept

    return entry(entry, mask), code


@_lanes
def _sums(row: Any) -> Any:
    """The sum of a row's entries, and that of their squares."""
    total, squares = 0.0, 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        total += entry
        squares += entry * entry
    return total, squares


# A sum of conditional numbers is written without a condition, or it would not be taken in lanes.
@_lanes
def _sums_roughly(row: Any) -> Any:
    """`_sums` in float32, infinite where those would not be."""
    total, squares = float32(0), float32(0)
    for place in range(row.shape[0]):
        entry = _read(row[place])
        total += entry
        squares += entry * entry
    return float64(total), float64(squares)


@_lanes
def _excess(row: Any, least: float) -> Any:
    """The sum of what entries exceed a number by, and their count."""
    total, count = 0.0, 0.0
    for place in range(row.shape[0]):
        beyond = float64(_read(row[place])) - least
        total += max(beyond, 0.0)
        count += float64(beyond > 0.0)
    return total, count


@_lanes
def _excess_of_sizes(row: Any, least: float) -> Any:
    """The sum of what absolute values exceed a number by, and their count."""
    total, count = 0.0, 0.0
    for place in range(row.shape[0]):
        beyond = abs(float64(_read(row[place]))) - least
        total += max(beyond, 0.0)
        count += float64(beyond > 0.0)
    return total, count


@_lanes
def _roughly(row: Any, least: float) -> Any:
    """`_excess` in float32, which is taken in twice as many lanes."""
    total, count, least = float32(0), float32(0), float32(least)
    for place in range(row.shape[0]):
        beyond = _read(row[place]) - least
        total += max(beyond, float32(0))
        count += float32(beyond > float32(0))
    return float64(total), float64(count)


@_lanes
def _sizes_roughly(row: Any, least: float) -> Any:
    """`_excess_of_sizes` in float32."""
    total, count, least = float32(0), float32(0), float32(least)
    for place in range(row.shape[0]):
        beyond = abs(_read(row[place])) - least
        total += max(beyond, float32(0))
        count += float32(beyond > float32(0))
    return float64(total), float64(count)


@_highest
def _largest(row: Any) -> float:
    found = _read(row[0])
    for place in range(row.shape[0]):
        found = max(found, _read(row[place]))
    return float64(found)


@_highest
def _largest_size(row: Any) -> float:
    found = abs(_read(row[0]))
    for place in range(row.shape[0]):
        found = max(found, abs(_read(row[place])))
    return float64(found)


@_inner
def _is_rounding(moved: float, squares: float, numbers: Any, length: int) -> bool:
    rounding = numbers[1] * math.sqrt(squares) + numbers[2] * math.sqrt(length)
    return moved <= rounding * rounding


@_inner
def _is_near(moved: float, squares: float, numbers: Any, length: int) -> bool:
    """Whether a block moves by so little that what is stored must be looked at."""
    return _is_rounding(moved / 4, squares, numbers, length)


@_inner
def _stored_shift(row: Any, step: int, length: int, by: Any) -> float:
    """The sum of squares by which entries move that are shifted, and rounded as they are stored."""
    total = 0.0
    for place in range(length):
        entry = row[place * step]
        move = float64(_read(_stored(float32(_read(entry) - by), entry))) - float64(_read(entry))
        total += move * move
    return total


@_inner
def _stored_lowering(row: Any, by: float, of_sizes: bool) -> float:
    """The same of entries, or absolute values, that are lowered, down to zero."""
    total = 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        left = max((abs(entry) if of_sizes else entry) - by, 0.0)
        left = math.copysign(left, entry) if of_sizes else left
        move = float64(_read(_stored(float32(left), row[place]))) - entry
        total += move * move
    return total


@_inner
def _shift(row: Any, numbers: Any) -> int:
    total, squares = _sums(row)
    length = row.shape[0]
    by = (total - numbers[0]) / length
    if not squares < math.inf:
        return 0
    if _is_near(by * by * length, squares, numbers, length) and _is_rounding(
        _stored_shift(row, 1, length, by), squares, numbers, length
    ):
        return 0
    # What is left is no smaller than what is subtracted, so that this may be rounded.
    if 2 * by * by * length <= squares:
        _lower_by(row, float32(by))
    else:
        _lower_by(row, by)
    return 1


@_inner
def _lower_by(row: Any, by: Any) -> None:
    for place in range(row.shape[0]):
        row[place] = _stored(float32(_read(row[place]) - by), row[place])


@_inner
def _lower_to_zero(row: Any, by: Any) -> None:
    zero = by - by
    for place in range(row.shape[0]):
        row[place] = _stored(float32(max(_read(row[place]) - by, zero)), row[place])


@_inner
def _simplex(row: Any, numbers: Any) -> int:
    total, squares = _sums_roughly(row)
    length, wanted = row.shape[0], numbers[0]
    near = abs(total - wanted) <= _ROUGH * (abs(wanted) + math.sqrt(squares * length))
    if near or not squares < math.inf:
        total, squares = _sums(row)
        if not squares < math.inf:
            return 0
    # From below, fewer entries are above each time: above the mean of all, and what the largest
    # entry alone leaves.
    start = max((total - wanted) / length, _largest(row) - wanted)
    lowest, count = start, -1.0
    beyond, left = _roughly(row, lowest)
    while left != count and left > 0 and beyond > wanted * (1 + _ROUGH):
        count = left
        lowest += (beyond - wanted) / left
        beyond, left = _roughly(row, lowest)
    beyond, left = _excess(row, lowest)
    if left == 0:
        lowest = start
        beyond, left = _excess(row, lowest)
    count = -1.0
    while left != count and left > 0:
        by, count = (beyond - wanted) / left, left
        lowest += by
        # So little that an entry that it passes by makes no difference.
        if abs(by) <= _NOTHING * wanted / left:
            break
        beyond, left = _excess(row, lowest)
    off = (total - wanted) * (total - wanted) / length
    if _is_near(off, squares, numbers, length) and _is_rounding(
        _stored_lowering(row, lowest, False), squares, numbers, length
    ):
        return 0
    if abs(lowest) * left <= wanted:  # and so its rounding is small in the sum
        _lower_to_zero(row, float32(lowest))
    else:
        _lower_to_zero(row, lowest)
    return 1


@_inner
def _l1(row: Any, numbers: Any) -> int:
    total, _ = _excess_of_sizes(row, 0.0)
    if not total > numbers[0]:
        return 0
    wanted, length = numbers[3], row.shape[0]
    _, squares = _sums(row)
    if not squares < math.inf:
        return 0
    start = max((total - wanted) / length, _largest_size(row) - wanted)
    lowest, count = start, -1.0
    beyond, left = _sizes_roughly(row, lowest)
    while left != count and left > 0 and beyond > wanted * (1 + _ROUGH):
        count = left
        lowest += (beyond - wanted) / left
        beyond, left = _sizes_roughly(row, lowest)
    beyond, left = _excess_of_sizes(row, lowest)
    if left == 0:
        lowest = start
        beyond, left = _excess_of_sizes(row, lowest)
    count = -1.0
    while left != count and left > 0:
        by, count = (beyond - wanted) / left, left
        lowest += by
        # So little that an entry that it passes by makes no difference.
        if abs(by) <= _NOTHING * wanted / left:
            break
        beyond, left = _excess_of_sizes(row, lowest)
    off = (total - wanted) * (total - wanted) / length
    if _is_near(off, squares, numbers, length) and _is_rounding(
        _stored_lowering(row, lowest, True), squares, numbers, length
    ):
        return 0
    for place in range(length):
        entry = float64(_read(row[place]))
        size = max(abs(entry) - lowest, 0.0)
        row[place] = _stored(float32(math.copysign(size, entry)), row[place])
    return 1


@_lanes
def _two_of_four(row: Any) -> int:
    """Keep the two largest of each four entries; what goes is multiplied by zero."""
    moved = int32(0)
    for group in range(row.shape[0] // 4):
        start = 4 * group
        a, b = _read(row[start]), _read(row[start + 1])
        c, d = _read(row[start + 2]), _read(row[start + 3])
        p, q, r, s = abs(a), abs(b), abs(c), abs(d)
        pq, pr, ps = int32(p >= q), int32(p >= r), int32(p >= s)
        qr, qs, rs = int32(q >= r), int32(q >= s), int32(r >= s)
        first, second = int32(pq + pr + ps >= 2), int32(1 - pq + qr + qs >= 2)
        third, fourth = int32(2 - pr - qr + rs >= 2), int32(3 - ps - qs - rs >= 2)
        moved += (1 - first) * int32(p > 0) + (1 - second) * int32(q > 0)
        moved += (1 - third) * int32(r > 0) + (1 - fourth) * int32(s > 0)
        row[start] = _stored(a * float32(first), row[start])
        row[start + 1] = _stored(b * float32(second), row[start + 1])
        row[start + 2] = _stored(c * float32(third), row[start + 2])
        row[start + 3] = _stored(d * float32(fourth), row[start + 3])
    return int64(moved)


@_inner
def _n_of_m(row: Any, numbers: Any) -> int:
    kept, size = int64(numbers[0]), int64(numbers[1])
    length, moved = row.shape[0], 0
    _, squares = _sums(row)
    if not squares < math.inf:
        return 0
    if kept == 2 and size == 4:
        return _two_of_four(row)
    for start in range(0, length, size):
        group = row[start : start + size]
        held = 0
        for place in range(size):
            held += 1 if _read(group[place]) != 0 else 0
        if held <= kept:
            continue
        moved = 1
        # What goes is written below zero's bits only when all ranks are known.
        gone = int64(0)
        for place in range(size):
            here, before = abs(_read(group[place])), 0
            for other in range(size):
                there = abs(_read(group[other]))
                before += 1 if there > here or (there == here and other < place) else 0
            if before >= kept:
                gone |= int64(1) << place
        for place in range(size):
            if gone >> place & 1:
                group[place] = _stored(float32(0), group[place])
    return moved


@_lanes
def _outside(row: Any, low: Any, high: Any) -> Any:
    """How many entries are below one number or above another."""
    found = int32(0)
    for place in range(row.shape[0]):
        entry = _read(row[place])
        found += int32(entry < low) + int32(entry > high)
    return found


@_inner
def _box(row: Any, numbers: Any) -> int:
    low, high = float32(numbers[0]), float32(numbers[1])
    if _outside(row, low, high) == 0:
        return 0
    for place in range(row.shape[0]):
        row[place] = _stored(min(max(_read(row[place]), low), high), row[place])
    return 1


@_lanes
def _under(row: Any, mask: Any) -> Any:
    """How many entries under a mask are not zero, and how many in all are NaN."""
    found, unknown = int32(0), int32(0)
    for place in range(row.shape[0]):
        entry = _read(row[place])
        found += (1 - int32(mask[place])) * int32(entry != float32(0))
        unknown += int32(entry != entry)
    return found, unknown


@_inner
def _mask(row: Any, mask: Any) -> int:
    found, unknown = _under(row, mask)
    if found == 0:
        return 0
    for place in range(row.shape[0]):
        entry = _read(row[place])
        if unknown:
            goes = (mask[place] == 0) & (entry == entry)
            row[place] = _stored(float32(0) if goes else entry, row[place])
        else:
            row[place] = _masked(row[place], mask[place])
    return 1


@_inner
def _project(row: Any, kind: int, numbers: Any, mask: Any) -> int:
    if kind == SHIFT:
        return _shift(row, numbers)
    if kind == SIMPLEX:
        return _simplex(row, numbers)
    if kind == L1:
        return _l1(row, numbers)
    if kind == N_OF_M:
        return _n_of_m(row, numbers)
    if kind == BOX:
        return _box(row, numbers)
    return _mask(row, mask)


@_lanes
def _product(row: Any, gradient: Any) -> Any:
    """The sum of products of entries, and those of squares."""
    product, squares = 0.0, 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        product += entry * float64(_read(gradient[place]))
        squares += entry * entry
    return product, squares


@_inner
def _along(product: float, squares: float, numbers: Any) -> float:
    """How much of a vector is subtracted of its gradient: nothing where it may move that way."""
    norm = math.sqrt(squares)
    if norm == 0 or not norm < math.inf or not abs(product) < math.inf:
        return 0.0
    longer = norm >= numbers[1] and product < 0
    shorter = norm <= numbers[0] and product > 0
    return product / squares if longer or shorter else 0.0


@_inner
def _norm_tangent(row: Any, gradient: Any, numbers: Any) -> None:
    product, squares = _product(row, gradient)
    by = _along(product, squares, numbers)
    if by != 0:
        for place in range(row.shape[0]):
            entry = float64(_read(gradient[place])) - by * float64(_read(row[place]))
            gradient[place] = _stored(float32(entry), gradient[place])


@_lanes
def _descent(row: Any, gradient: Any, least: float, held_from: float) -> Any:
    """What directions exceed a number by: all of entries that are held, and others if they do."""
    total, count = 0.0, 0.0
    for place in range(row.shape[0]):
        beyond = -float64(_read(gradient[place])) - least
        held = int32(float64(_read(row[place])) > held_from)
        total += max(beyond, 0.0) + float64(held) * min(beyond, 0.0)
        count += float64(held | int32(beyond > 0))
    return total, count


@_lanes
def _outward(row: Any, gradient: Any, least: float, held_from: float) -> Any:
    """The same, of directions that are counted outward of an L1 ball."""
    total, count = 0.0, 0.0
    for place in range(row.shape[0]):
        entry, along = float64(_read(row[place])), -float64(_read(gradient[place]))
        up, down = int32(entry > held_from), int32(entry < -held_from)
        held = up | down
        outward = float64(up - down) * along + float64(1 - held) * abs(along)
        beyond = outward - least
        total += max(beyond, 0.0) + float64(held) * min(beyond, 0.0)
        count += float64(held | int32(beyond > 0))
    return total, count


@_inner
def _lower(row: Any, gradient: Any, held_from: float) -> None:
    """Lower directions by a threshold of which their sum is zero, others not below zero."""
    total, count = _sums(gradient)
    left = float64(row.shape[0])
    if not count < math.inf:
        return
    lowest, count = -total / left, -1.0
    beyond, left = _descent(row, gradient, lowest, held_from)
    while left != count and left > 0:
        count = left
        lowest += beyond / left
        beyond, left = _descent(row, gradient, lowest, held_from)
    for place in range(row.shape[0]):
        beyond = -float64(_read(gradient[place])) - lowest
        held = float64(int32(float64(_read(row[place])) > held_from))
        along = max(beyond, 0.0) + held * min(beyond, 0.0)
        gradient[place] = _stored(float32(-along), gradient[place])


@_inner
def _lower_outward(row: Any, gradient: Any, held_from: float) -> None:
    """Lower directions that lead out of an L1 ball, those of what is not held down to zero."""
    beyond, left = _outward(row, gradient, 0.0, held_from)
    if not beyond > 0 or not beyond < math.inf:
        return
    lowest, count = 0.0, -1.0
    while left != count and left > 0:
        count = left
        lowest += beyond / left
        beyond, left = _outward(row, gradient, lowest, held_from)
    for place in range(row.shape[0]):
        entry, along = float64(_read(row[place])), -float64(_read(gradient[place]))
        sign = float64(int32(entry > held_from) - int32(entry < -held_from))
        size = math.copysign(max(abs(along) - lowest, 0.0), along)
        along = sign * sign * (along - sign * lowest) + (1.0 - sign * sign) * size
        gradient[place] = _stored(float32(-along), gradient[place])


@_inner
def _tangent(row: Any, gradient: Any, kind: int, numbers: Any) -> None:
    if kind == NORM_TANGENT:
        _norm_tangent(row, gradient, numbers)
    elif kind == SIMPLEX_TANGENT:
        _lower(row, gradient, numbers[0])
    else:
        size, _ = _excess_of_sizes(row, 0.0)
        if size >= numbers[1]:
            _lower_outward(row, gradient, numbers[0])


@_inner
def _shift_columns(weight: Any, along: int, step: int, width: int, sums: Any, numbers: Any) -> int:
    """Shift vectors that lie across rows of memory, those of some adjacent columns."""
    totals, squares, rounded = sums
    totals[:] = 0.0
    squares[:] = 0.0
    for row in range(along // 4 * 4, along):
        _add_sums(totals, squares, weight[row * step : row * step + width])
    for row in range(0, along // 4 * 4, 4):
        _add_sums_of_four(totals, squares, weight[row * step :], step)
    moved, narrow = 0, True
    for column in range(width):
        by = (totals[column] - numbers[0]) / along
        if not squares[column] < math.inf:
            by = 0.0
        elif _is_near(by * by * along, squares[column], numbers, along):
            moved_by = _stored_shift(weight[column:], step, along, by)
            if _is_rounding(moved_by, squares[column], numbers, along):
                by = 0.0
        moved |= by != 0
        # What is left is no smaller than what is subtracted, so that this may be rounded.
        narrow &= 2 * by * by * along <= squares[column] or by == 0
        totals[column] = by
    if moved:
        if narrow:
            for column in range(width):
                rounded[column] = float32(totals[column])
        # The rows that were read last may still be in a cache.
        for row in range(along - 1, -1, -1):
            entries = weight[row * step : row * step + width]
            if narrow:
                _subtract(entries, rounded)
            else:
                _subtract(entries, totals)
    return moved


@_summing
def _add_sums(totals: Any, squares: Any, row: Any) -> None:
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        totals[place] += entry
        squares[place] += entry * entry


@_summing
def _add_sums_of_four(totals: Any, squares: Any, rows: Any, step: int) -> None:
    width = totals.shape[0]
    first, second = rows[:width], rows[step : step + width]
    third, fourth = rows[2 * step : 2 * step + width], rows[3 * step : 3 * step + width]
    for place in range(width):
        a, b = float64(_read(first[place])), float64(_read(second[place]))
        c, d = float64(_read(third[place])), float64(_read(fourth[place]))
        totals[place] += a + b + c + d
        squares[place] += a * a + b * b + c * c + d * d


@_inner
def _subtract(row: Any, by: Any) -> None:
    for place in range(row.shape[0]):
        row[place] = _stored(float32(_read(row[place]) - by[place]), row[place])


@_summing
def _add_products(products: Any, squares: Any, row: Any, along: Any) -> None:
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        products[place] += entry * float64(_read(along[place]))
        squares[place] += entry * entry


@_inner
def _subtract_multiple(along: Any, row: Any, by: Any) -> None:
    for place in range(along.shape[0]):
        entry = _read(along[place]) - by[place] * _read(row[place])
        along[place] = _stored(float32(entry), along[place])


@_inner
def _norm_tangent_columns(weight: Any, gradient: Any, sizes: Any, sums: Any, numbers: Any) -> None:
    """Project gradients of vectors that lie across rows of memory, of some adjacent columns."""
    along, step, width = sizes
    products, squares = sums
    products[:] = 0.0
    squares[:] = 0.0
    for row in range(along):
        here = slice(row * step, row * step + width)
        _add_products(products, squares, weight[here], gradient[here])
    for column in range(width):
        products[column] = _along(products[column], squares[column], numbers)
    for row in range(along - 1, -1, -1):
        here = slice(row * step, row * step + width)
        _subtract_multiple(gradient[here], weight[here], products)


@_inner
def _gather(columns: Any, weight: Any, along: int, step: int, width: int) -> None:
    """Copy adjacent columns to rows."""
    for row in range(along):
        entries = weight[row * step : row * step + width]
        for column in range(width):
            columns[column * along + row] = entries[column]


@_inner
def _scatter(columns: Any, weight: Any, along: int, step: int, width: int) -> None:
    for row in range(along):
        entries = weight[row * step : row * step + width]
        for column in range(width):
            entries[column] = columns[column * along + row]


@_outer
def _project_columns(weight: Any, head: Any, width: int, memory: int, dtype: Any) -> int:
    along, step, kind, address = head[1], head[2], head[3], head[4]
    numbers = carray(_at(address, float64), 4)
    if kind == SHIFT:
        totals = carray(_at(memory, float64), 2 * width)
        rounded = carray(_at(memory + 16 * width, float32), width)
        sums = totals[:width], totals[width:], rounded
        return _shift_columns(weight, along, step, width, sums, numbers)
    columns = carray(_at(memory, dtype), width * along)
    _gather(columns, weight, along, step, width)
    mask = carray(_at(memory, uint8), 1)
    moved = 0
    for column in range(width):
        row = columns[column * along : (column + 1) * along]
        moved |= _project(row, kind, numbers, mask)
    if moved:
        _scatter(columns, weight, along, step, width)
    return moved


@_outer
def _project_weights(task: Any, dtype: Any) -> None:
    head = carray(task, HEAD)
    outer, along, across, kind, address, operand, memory, count = head
    rest = carray(task, HEAD + 3 * count)[HEAD:]
    numbers = carray(_at(address, float64), 4)
    rank, size = int64(_rank()), int64(_size())
    chunk = WIDE if kind == SHIFT else NARROW
    own = memory + rank * (20 * WIDE if kind == SHIFT else 4 * NARROW * along)
    parts = (across + chunk - 1) // chunk if across > 1 else 1
    for index in range(count):
        first, last = 0, outer * parts
        if count == 1:
            first, last = last * rank // size, last * (rank + 1) // size
        elif index % size != rank:
            continue
        weight = carray(_at(rest[index], dtype), outer * along * across)
        moved = 0
        for place in range(first, last):
            if across == 1:
                start = place * along
                row = weight[start : start + along]
                mask = carray(_at(operand + (start if kind == MASK else 0), uint8), along)
                moved |= _project(row, kind, numbers, mask)
            else:
                column = place % parts * chunk
                part = weight[place // parts * along * across + column :]
                moved |= _project_columns(part, head, min(chunk, across - column), own, dtype)
        if moved:
            rest[2 * count + index] = 1


@_outer
def _project_gradients(task: Any, dtype: Any) -> None:
    outer, along, across, kind, address, _, memory, count = carray(task, HEAD)
    rest = carray(task, HEAD + 3 * count)[HEAD:]
    numbers = carray(_at(address, float64), 4)
    rank, size = int64(_rank()), int64(_size())
    is_norm = kind == NORM_TANGENT
    chunk = WIDE if is_norm else NARROW
    parts = (across + chunk - 1) // chunk if across > 1 else 1
    own = memory + rank * (16 * WIDE if is_norm else 8 * NARROW * along)
    for index in range(count):
        first, last = 0, outer * parts
        if count == 1:
            first, last = last * rank // size, last * (rank + 1) // size
        elif index % size != rank:
            continue
        weight = carray(_at(rest[index], dtype), outer * along * across)
        gradient = carray(_at(rest[count + index], dtype), outer * along * across)
        for place in range(first, last):
            if across == 1:
                start = place * along
                row, along_row = weight[start : start + along], gradient[start : start + along]
                _tangent(row, along_row, kind, numbers)
                continue
            column = place % parts * chunk
            start, width = place // parts * along * across + column, min(chunk, across - column)
            if is_norm:
                sums = carray(_at(own, float64), 2 * width)
                pair = sums[:width], sums[width:]
                sizes = along, across, width
                _norm_tangent_columns(weight[start:], gradient[start:], sizes, pair, numbers)
                continue
            rows = carray(_at(own, dtype), width * along)
            others = carray(_at(own + 4 * NARROW * along, dtype), width * along)
            _gather(rows, weight[start:], along, across, width)
            _gather(others, gradient[start:], along, across, width)
            for one in range(width):
                here = slice(one * along, (one + 1) * along)
                _tangent(rows[here], others[here], kind, numbers)
            _scatter(others, gradient[start:], along, across, width)


@cache
def _made_from() -> str:
    """Return what tells the file apart that these loops take functions from.

    What Numba keeps of a loop goes by the file that it is in alone, and by what a loop encloses.
    """
    return hashlib.sha256(Path(str(loops.__file__)).read_bytes()).hexdigest()


def _loops() -> dict[tuple[str, torch.dtype], Callable[[Any], None]]:
    made_from = _made_from()

    def project_weights_float32(task: Any) -> None:
        made_from  # noqa: B018
        _project_weights(task, float32)

    def project_weights_bfloat16(task: Any) -> None:
        made_from  # noqa: B018
        _project_weights(task, uint16)

    def project_gradients_float32(task: Any) -> None:
        made_from  # noqa: B018
        _project_gradients(task, float32)

    def project_gradients_bfloat16(task: Any) -> None:
        made_from  # noqa: B018
        _project_gradients(task, uint16)

    return {
        ("weights", torch.float32): project_weights_float32,
        ("weights", torch.bfloat16): project_weights_bfloat16,
        ("gradients", torch.float32): project_gradients_float32,
        ("gradients", torch.bfloat16): project_gradients_bfloat16,
    }


@cache
def compile_set_loop(name: str, dtype: torch.dtype) -> Callable[[int], None]:
    """Compile a loop, or find it as it was compiled before, by this or another process.

    Args:
        name: ``"weights"`` or ``"gradients"``: what is projected.
        dtype: Their dtype: float32 or bfloat16.

    Returns:
        What `feasible.torch.fast.openmp.run_parallel` runs.
    """
    code = code_of(_loops()[name, dtype], types.void(types.CPointer(int64)))
    _kept.append(code)
    return openmp.loop_at(code.address)


_kept: list[Any] = []
