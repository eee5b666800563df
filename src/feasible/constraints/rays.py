"""Which direction of a cone is nearest to a vector that the projection onto it makes zero."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from feasible.backends import Array, cumulative_sum, is_complex
from feasible.constraints.parts import Part


def is_first_largest(part: Part, values: Array) -> Array:
    """Return which entry of each block is the largest; of equal ones, the first.

    Args:
        part: The weight, of whole blocks.
        values: Numbers of its shape.

    Returns:
        Booleans of that shape.

    Example:
        >>> is_first_largest(Part(np.zeros(3), (0,)), np.array([1.0, 2.0, 2.0]))
        array([False,  True, False])
    """
    xp, columns = part.xp, part.blocks(values)
    is_largest = columns == xp.max(columns, axis=0, keepdims=True)
    places = cumulative_sum(xp.astype(is_largest, columns.dtype), 0)
    return part.unblocked(is_largest & (places <= 1))


def ray_of_entries(part: Part, interval: tuple[Any, Any]) -> Array:
    """Return the nearest direction of a cone whose entries are each bounded by zero, or not.

    As all that the bounds allow leads away from the vector, one entry alone does so least.

    Args:
        part: The weight, of whole vectors.
        interval: The bounds, zeros and infinities.

    Returns:
        Entries of vectors of norm 1.

    Example:
        >>> ray_of_entries(Part(np.array([-3.0, -1.0]), (0,)), (0.0, np.inf))
        array([0., 1.])
    """
    xp, entries = part.xp, part.finite
    entries = xp.real(entries) if is_complex(entries) else entries
    low, high = (part.array(np.asarray(bound, np.float64)) for bound in interval)
    up = xp.where(high > 0, entries, -math.inf)
    down = xp.where(low < 0, -entries, -math.inf)
    signs = xp.where(up >= down, xp.ones_like(entries), -xp.ones_like(entries))
    chosen = is_first_largest(part, xp.maximum(up, down))
    return xp.where(chosen, signs, xp.zeros_like(signs))
