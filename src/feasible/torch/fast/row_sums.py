"""Sums over a row of memory, taken in several lanes at once."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import float32, float64, int32, njit
from numba.extending import intrinsic

from feasible.torch.fast.loops import _OPTIONS, _WIDE, _inner, _read, _stored

_lanes = njit(**_OPTIONS, _nrt=False, fastmath={"reassoc", "contract", "nsz"})
# In the order that is written, also within the above: else options are those of who calls first.
_in_order = njit(**_OPTIONS, _nrt=False, fastmath=False)


# Of a vector of which so little is left, relatively, sums in float64 say too little.
_LITTLE = 1e-6


@_lanes
def _sums(row: Any) -> Any:
    """The sum of a row's entries, and that of their squares."""
    total, squares = 0.0, 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        total += entry
        squares += entry * entry
    return total, squares


@_in_order
def _beyond(entry: float, least: Any) -> float:
    """What an entry exceeds a threshold by, which is given in two parts."""
    return (entry - least[0]) - least[1]


@_in_order
def _roughly_beyond(entry: Any, least: Any) -> Any:
    return (entry - float32(least[0])) - float32(least[1])


@_inner
def _cancels(total: float, squares: float, wanted: float, length: int) -> bool:
    """Whether so little is left of a vector that is shifted that its mean must be exact."""
    left = squares - (total * total - wanted * wanted) / length
    return left <= _LITTLE * squares


@_in_order
def _exact_shift(row: Any, step: int, length: int, mean: float, wanted: float) -> Any:
    """By how much a vector is shifted, in two parts, from its mean, which is near that."""
    first = float64(float32(mean))
    total = 0.0
    for place in range(length):
        total += float64(_read(row[place * step])) - first
    return first, (total - wanted) / length


@_lanes
def _sums_of_sizes(row: Any) -> Any:
    """The sum of absolute values, and that of their squares."""
    total, squares = 0.0, 0.0
    for place in range(row.shape[0]):
        entry = abs(float64(_read(row[place])))
        total += entry
        squares += entry * entry
    return total, squares


# A sum of conditional numbers is written without a condition, or it would not be taken in lanes.
@_lanes
def _excess(row: Any, least: Any) -> Any:
    """The sum of what entries exceed a threshold by, and their count."""
    total, count = 0.0, float32(0)
    for place in range(row.shape[0]):
        total += max(_beyond(float64(_read(row[place])), least), 0.0)
    # In float32 there are twice as many lanes, and signs of differences are the same.
    for place in range(row.shape[0]):
        count += float32(_roughly_beyond(_read(row[place]), least) > float32(0))
    return total, float64(count)


@_lanes
def _excess_of_sizes(row: Any, least: Any) -> Any:
    """The sum of what absolute values exceed a threshold by, and their count."""
    total, count = 0.0, float32(0)
    for place in range(row.shape[0]):
        total += max(_beyond(abs(float64(_read(row[place]))), least), 0.0)
    # In float32 there are twice as many lanes, and signs of differences are the same.
    for place in range(row.shape[0]):
        count += float32(_roughly_beyond(abs(_read(row[place])), least) > float32(0))
    return total, float64(count)


@_lanes
def _roughly(row: Any, least: Any) -> Any:
    """`_excess` in float32, which is taken in twice as many lanes."""
    total, count = float32(0), float32(0)
    for place in range(row.shape[0]):
        beyond = _roughly_beyond(_read(row[place]), least)
        total += max(beyond, float32(0))
        count += float32(beyond > float32(0))
    return float64(total), float64(count)


@_lanes
def _sizes_roughly(row: Any, least: Any) -> Any:
    """`_excess_of_sizes` in float32."""
    total, count = float32(0), float32(0)
    for place in range(row.shape[0]):
        beyond = _roughly_beyond(abs(_read(row[place])), least)
        total += max(beyond, float32(0))
        count += float32(beyond > float32(0))
    return float64(total), float64(count)


@intrinsic
def _bits(context: Any, value: Any) -> Any:
    """The bits of a float32, as an integer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _WIDE)

    return int32(value), code


@intrinsic
def _of_bits(context: Any, value: Any) -> Any:
    """The float32 that has some bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return float32(value), code


@_inner
def _key(bits: Any) -> Any:
    """Bits as integers in the order of their numbers, and back: integers are taken in lanes."""
    return int32(bits ^ int32(int32(bits >> int32(31)) & int32(0x7FFFFFFF)))


@_inner
def _largest(row: Any) -> float:
    found = int32(-0x80000000)
    for place in range(row.shape[0]):
        found = max(found, _key(_bits(_read(row[place]))))
    return float64(_of_bits(_key(found)))


@_inner
def _largest_size(row: Any) -> float:
    found = int32(0)
    for place in range(row.shape[0]):
        found = max(found, _bits(abs(_read(row[place]))))
    return float64(_of_bits(found))


@_inner
def _is_rounding(moved: float, squares: float, numbers: Any, length: int) -> bool:
    rounding = numbers[1] * math.sqrt(squares) + numbers[2] * math.sqrt(length)
    return moved <= rounding * rounding


@_inner
def _stays(distance: float, squares: float, numbers: Any, length: int) -> bool:
    """Whether a block stays, by the square of its distance from the set, or of a larger one.

    What is stored is at most twice as far away as what is nearest: an entry itself can be stored.
    """
    return _is_rounding(4 * distance, squares, numbers, length)


@_inner
def _is_near(moved: float, squares: float, numbers: Any, length: int) -> bool:
    """Whether a block moves by so little that what is stored must be looked at."""
    return _is_rounding(moved / 4, squares, numbers, length)


@_lanes
def _stored_shift(row: Any, by: float) -> float:
    """The sum of squares by which entries move that are shifted, and rounded as they are stored."""
    total = 0.0
    for place in range(row.shape[0]):
        entry = row[place]
        move = float64(_read(_stored(float32(_read(entry) - by), entry))) - float64(_read(entry))
        total += move * move
    return total


@_lanes
def _stored_lowering(row: Any, by: Any, of_sizes: bool) -> float:
    """The same of entries, or absolute values, that are lowered, down to zero."""
    total = 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        left = max(_beyond(abs(entry) if of_sizes else entry, by), 0.0)
        left = math.copysign(left, entry) if of_sizes else left
        move = float64(_read(_stored(float32(left), row[place]))) - entry
        total += move * move
    return total


@_lanes
def _product(row: Any, gradient: Any) -> Any:
    """The sum of products of entries, and those of squares."""
    product, squares = 0.0, 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        product += entry * float64(_read(gradient[place]))
        squares += entry * entry
    return product, squares
