"""Vectors that lie across rows of memory: adjacent columns at once, or copied to rows."""

from __future__ import annotations

import math
from typing import Any

from numba import float32, float64, njit

from feasible.torch.fast.loops import _LARGE, _OPTIONS, _SMALL, _inner, _read, _stored, _summing
from feasible.torch.fast.row_sums import (
    _cancels,
    _exact_shift,
    _is_near,
    _is_rounding,
    _roughly_beyond,
    _stays,
)
from feasible.torch.fast.tangent_loops import _along

# What is multiplied and subtracted is rounded once.
_fused = njit(**_OPTIONS, _nrt=False, fastmath={"contract"})
# Columns that are copied to rows begin so many entries apart from where a cache holds the others.
PADDING = 32


@_inner
def _shift_columns(weight: Any, along: int, step: int, width: int, sums: Any, numbers: Any) -> int:
    """Shift vectors that lie across rows of memory, those of some adjacent columns."""
    totals, squares, moves, rounded = sums
    totals[:] = 0.0
    squares[:] = 0.0
    for row in range(along // 4 * 4, along):
        _add_sums(totals, squares, weight[row * step : row * step + width])
    for row in range(0, along // 4 * 4, 4):
        _add_sums_of_four(totals, squares, weight[row * step :], step)
    unsure = False
    for column in range(width):
        by = (totals[column] - numbers[0]) / along
        distance = by * by * along
        if not squares[column] < math.inf or _stays(distance, squares[column], numbers, along):
            by = 0.0
        unsure |= by != 0 and _is_near(distance, squares[column], numbers, along)
        totals[column] = by
    if unsure:
        moves[:] = 0.0
        for row in range(along):
            _add_moves(moves, totals, weight[row * step : row * step + width])
    moved, narrow = 0, True
    for column in range(width):
        by = totals[column]
        if by != 0 and _cancels(by * along + numbers[0], squares[column], numbers[0], along):
            moved |= _shift_column(weight[column:], along, step, by, squares[column], numbers)
            totals[column] = 0.0
            continue
        if unsure and _is_rounding(moves[column], squares[column], numbers, along):
            by = totals[column] = 0.0
        moved |= by != 0
        # What is left is no smaller than what is subtracted, so that this may be rounded.
        narrow &= 2 * by * by * along <= squares[column] or by == 0
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


@_inner
def _shift_column(
    column: Any, along: int, step: int, by: float, squares: float, numbers: Any
) -> int:
    mean = by + numbers[0] / along
    exact = _exact_shift(column, step, along, mean, numbers[0])
    moved = 0.0
    for row in range(along):
        entry = column[row * step]
        move = float64(_read(_stored(_roughly_beyond(_read(entry), exact), entry)))
        move -= float64(_read(entry))
        moved += move * move
    if _is_rounding(moved, squares, numbers, along):
        return 0
    for row in range(along):
        entry = column[row * step]
        column[row * step] = _stored(_roughly_beyond(_read(entry), exact), entry)
    return 1


@_inner
def _add_moves(moves: Any, by: Any, row: Any) -> None:
    """Add up squares by which entries move, rounded as they are stored; of what stays, nothing."""
    for place in range(row.shape[0]):
        entry = row[place]
        stored = _read(_stored(float32(float64(_read(entry)) - by[place]), entry))
        move = float64(stored) - float64(_read(entry)) if by[place] != 0 else 0.0
        moves[place] += move * move


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
def _add_products_of_two(products: Any, squares: Any, rows: Any, along: Any, step: int) -> None:
    width = products.shape[0]
    first, second = rows[:width], rows[step : step + width]
    of_first, of_second = along[:width], along[step : step + width]
    for place in range(width):
        a, b = float64(_read(first[place])), float64(_read(second[place]))
        c, d = float64(_read(of_first[place])), float64(_read(of_second[place]))
        products[place] += a * c + b * d
        squares[place] += a * a + b * b


@_summing
def _add_products(products: Any, squares: Any, row: Any, along: Any) -> None:
    for place in range(row.shape[0]):
        entry = float64(_read(row[place]))
        products[place] += entry * float64(_read(along[place]))
        squares[place] += entry * entry


@_fused
def _subtract_multiple(along: Any, row: Any, by: Any, rest: Any) -> None:
    # In two parts, so that in float32, too, only what is left is rounded.
    for place in range(along.shape[0]):
        entry = _read(row[place])
        left = _read(along[place]) - by[place] * entry
        along[place] = _stored(float32(left - rest[place] * entry), along[place])


@_inner
def _subtract_wide_multiple(along: Any, row: Any, by: Any) -> None:
    for place in range(along.shape[0]):
        left = float64(_read(along[place])) - by[place] * float64(_read(row[place]))
        along[place] = _stored(float32(left), along[place])


@_inner
def _norm_tangent_columns(weight: Any, gradient: Any, sizes: Any, sums: Any, numbers: Any) -> None:
    """Project gradients of vectors that lie across rows of memory, of some adjacent columns."""
    along, step, width = sizes
    products, squares, by, rest = sums
    products[:] = 0.0
    squares[:] = 0.0
    for row in range(0, along // 2 * 2, 2):
        start = row * step
        _add_products_of_two(products, squares, weight[start:], gradient[start:], step)
    for row in range(along // 2 * 2, along):
        here = slice(row * step, row * step + width)
        _add_products(products, squares, weight[here], gradient[here])
    moved, usual = False, True
    for column in range(width):
        multiple = _along(products[column], squares[column], numbers)
        by[column] = float32(multiple)
        rest[column] = float32(multiple - float64(by[column]))
        products[column] = multiple
        moved |= multiple != 0
        usual &= multiple == 0 or _SMALL < abs(multiple) < _LARGE
    if not moved:
        return
    for row in range(along - 1, -1, -1):
        here = slice(row * step, row * step + width)
        if usual:
            _subtract_multiple(gradient[here], weight[here], by, rest)
        else:
            _subtract_wide_multiple(gradient[here], weight[here], products)


@_inner
def _gather(columns: Any, weight: Any, along: int, step: int, width: int) -> None:
    """Copy adjacent columns to rows, each `PADDING` longer."""
    for row in range(along):
        entries = weight[row * step : row * step + width]
        for column in range(width):
            columns[column * (along + PADDING) + row] = entries[column]


@_inner
def _scatter(columns: Any, weight: Any, along: int, step: int, width: int) -> None:
    for row in range(along):
        entries = weight[row * step : row * step + width]
        for column in range(width):
            entries[column] = columns[column * (along + PADDING) + row]
