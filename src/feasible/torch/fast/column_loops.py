"""Vectors that lie across rows of memory: adjacent columns at once, or copied to rows."""

from __future__ import annotations

import math
from typing import Any

from numba import float32, float64

from feasible.torch.fast.loops import _inner, _read, _stored, _summing
from feasible.torch.fast.row_sums import _is_near, _is_rounding, _stays, _stored_shift
from feasible.torch.fast.tangent_loops import _along


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
        if not squares[column] < math.inf or _stays(
            by * by * along, squares[column], numbers, along
        ):
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
