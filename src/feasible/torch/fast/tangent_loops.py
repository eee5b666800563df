"""What each set does with a row of a gradient, given the row of the weight."""

from __future__ import annotations

import math
from typing import Any

from numba import float32, float64

from feasible.torch.fast.loops import _inner, _read, _stored
from feasible.torch.fast.row_sums import _product
from feasible.torch.fast.threshold_loops import _lower, _lower_outward

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


@_inner
def _tangent(row: Any, gradient: Any, others: Any, kind: int, numbers: Any) -> None:
    if kind == NORM_TANGENT:
        _norm_tangent(row, gradient, numbers)
    elif kind == SIMPLEX_TANGENT:
        _lower(row, gradient, others, numbers[0])
    else:
        _lower_outward(row, gradient, others, numbers)
