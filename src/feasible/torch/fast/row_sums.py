"""Sums over a row of memory, taken in several lanes at once."""

from __future__ import annotations

import math
from typing import Any

from numba import float32, float64, njit

from feasible.torch.fast.loops import _inner, _read, _stored

_OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_lanes = njit(**_OPTIONS, _nrt=False, fastmath={"reassoc", "contract", "nsz"})
# Of rows without a NaN, which is noticed by their sums.
_highest = njit(**_OPTIONS, _nrt=False, fastmath={"reassoc", "contract", "nsz", "nnan"})


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


@_lanes
def _product(row: Any, gradient: Any) -> Any:
    """The sum of products of entries, and those of squares."""
    product, squares = 0.0, 0.0
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        product += entry * float64(_read(gradient[place]))
        squares += entry * entry
    return product, squares
