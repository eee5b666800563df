"""What each set does with a row of memory, which stays in a core's cache meanwhile."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import float32, float64, int32, int64, uint8
from numba.extending import intrinsic

from feasible.torch.fast.loops import _WIDE, _inner, _read, _stored
from feasible.torch.fast.row_sums import (
    _cancels,
    _exact_shift,
    _is_near,
    _is_rounding,
    _roughly_beyond,
    _stays,
    _stored_shift,
    _sums,
)
from feasible.torch.fast.threshold_loops import _l1, _simplex

# What is done with a row.
SHIFT, SIMPLEX, L1, N_OF_M, BOX, MASK = range(6)


# So many entries are looked at before they are written.
_BLOCK = 512


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
    if squares < math.inf and _cancels(total, squares, numbers[0], length):
        exact = _exact_shift(row, 1, length, total / length, numbers[0])
        by = exact[0] + exact[1]
    else:
        exact = float64(float32(by)), by - float64(float32(by))
    if not squares < math.inf or _stays(by * by * length, squares, numbers, length):
        return 0
    if _is_near(by * by * length, squares, numbers, length) and _is_rounding(
        _stored_shift(row, by), squares, numbers, length
    ):
        return 0
    _lower_by(row, exact)
    return 1


@_inner
def _lower_by(row: Any, by: Any) -> None:
    for place in range(row.shape[0]):
        row[place] = _stored(_roughly_beyond(_read(row[place]), by), row[place])


@_inner
def _of_four(row: Any, kept: int) -> int:
    """Keep the largest of each four entries."""
    moved, most, least = int32(0), int32(kept), int32(4 - kept)
    for group in range(row.shape[0] // 4):
        start = 4 * group
        p, q = abs(_read(row[start])), abs(_read(row[start + 1]))
        r, s = abs(_read(row[start + 2])), abs(_read(row[start + 3]))
        stays = int32(int32(p > 0) + int32(q > 0) + int32(r > 0) + int32(s > 0) <= most)
        # How many of the others each comes before.
        pq, pr, ps = int32(p >= q), int32(p >= r), int32(p >= s)
        qr, qs, rs = int32(q >= r), int32(q >= s), int32(r >= s)
        first = int32(pq + pr + ps >= least) | stays
        second = int32(1 - pq + qr + qs >= least) | stays
        third = int32(2 - pr - qr + rs >= least) | stays
        fourth = int32(3 - ps - qs - rs >= least) | stays
        row[start] = _masked(row[start], uint8(first))
        row[start + 1] = _masked(row[start + 1], uint8(second))
        row[start + 2] = _masked(row[start + 2], uint8(third))
        row[start + 3] = _masked(row[start + 3], uint8(fourth))
        moved |= 1 - stays
    return int64(moved)


@_inner
def _n_of_m(row: Any, numbers: Any) -> int:
    kept, size = int64(numbers[0]), int64(numbers[1])
    length, moved = row.shape[0], 0
    _, squares = _sums(row)
    if not squares < math.inf:
        return 0
    if size == 4:
        return _of_four(row, kept)
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


@_inner
def _outside(row: Any, low: Any, high: Any) -> bool:
    """Whether there are entries below one number or above another."""
    found = int32(0)  # a wider one would be found in fewer lanes at once
    for place in range(row.shape[0]):
        entry = _read(row[place])
        found = int32(found | int32(entry < low) | int32(entry > high))
    return found != 0


@_inner
def _clip(row: Any, low: Any, high: Any) -> bool:
    """Clip entries, and return whether any was outside."""
    found = int32(0)
    for place in range(row.shape[0]):
        entry = _read(row[place])
        found = int32(found | int32(entry < low) | int32(entry > high))
        # A maximum might turn -0.0 into 0.0.
        clipped = low if entry < low else entry
        row[place] = _stored(high if entry > high else clipped, row[place])
    return found != 0


@_inner
def _box(row: Any, numbers: Any) -> int:
    # As they are stored, so that what is at a bound is not outside.
    low = _read(_stored(float32(numbers[0]), row[0]))
    high = _read(_stored(float32(numbers[1]), row[0]))
    moved, last = False, False
    for start in range(0, row.shape[0], _BLOCK):
        block = row[start : start + _BLOCK]
        # Beside a block with entries outside, others are likely to have some.
        if last or _outside(block, low, high):
            last = _clip(block, low, high)
            moved |= last
    return int64(moved)


@_inner
def _under(row: Any, mask: Any) -> bool:
    """Whether entries under a mask are neither zero nor NaN."""
    found = int32(0)
    for place in range(row.shape[0]):
        held = int32(abs(_read(row[place])) > float32(0))
        found = int32(found | int32(held & int32(1 - int32(mask[place]))))
    return found != 0


@_inner
def _put_under(row: Any, mask: Any) -> bool:
    """Set entries under a mask to zero, and return whether any was neither zero nor NaN."""
    found = int32(0)
    for place in range(row.shape[0]):
        held = int32(abs(_read(row[place])) > float32(0))
        goes = int32(held & int32(1 - int32(mask[place])))
        found = int32(found | goes)
        row[place] = _masked(row[place], uint8(1 - goes))
    return found != 0


@_inner
def _mask(row: Any, mask: Any) -> int:
    moved, last = False, False
    for start in range(0, row.shape[0], _BLOCK):
        block, beside = row[start : start + _BLOCK], mask[start : start + _BLOCK]
        if last or _under(block, beside):
            last = _put_under(block, beside)
            moved |= last
    return int64(moved)


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
