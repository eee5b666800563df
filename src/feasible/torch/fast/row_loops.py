"""What each set does with a row of memory, which stays in a core's cache meanwhile."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import float32, float64, int32, int64
from numba.extending import intrinsic

from feasible.torch.fast.loops import _WIDE, _inner, _read, _stored
from feasible.torch.fast.row_sums import (
    _excess,
    _excess_of_sizes,
    _is_near,
    _is_rounding,
    _lanes,
    _largest,
    _largest_size,
    _roughly,
    _sizes_roughly,
    _stored_lowering,
    _stored_shift,
    _sums,
    _sums_roughly,
)

# What is done with a row.
SHIFT, SIMPLEX, L1, N_OF_M, BOX, MASK = range(6)
# How far, relatively, sums in float32 may be off.
_ROUGH = 1e-5
# By how much, relatively, a threshold is moved where all that it passes by makes no difference.
_NOTHING = 1e-11


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
