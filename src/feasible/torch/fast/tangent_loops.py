"""What each set does with a row of a gradient, given the row of the weight."""

from __future__ import annotations

import math
from typing import Any

from numba import float32, float64, int32

from feasible.torch.fast.loops import _inner, _read, _stored
from feasible.torch.fast.row_sums import _excess_of_sizes, _lanes, _product, _sums

# What is done with a row of a gradient.
NORM_TANGENT, SIMPLEX_TANGENT, L1_TANGENT = range(3)


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
