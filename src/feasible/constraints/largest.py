"""Which entries are the largest."""

from __future__ import annotations

from feasible.backends import Array, cumulative_sum, namespace


def is_among_largest(sizes: Array, count: int) -> Array:
    """Return which entries of each column are among its largest; of equal ones, the first.

    Args:
        sizes: Columns, of shape (length, *others).
        count: How many are.

    Returns:
        Booleans of the same shape.

    Example:
        >>> import numpy as np
        >>> is_among_largest(np.array([1.0, 3.0, 2.0, 2.0]), 2)
        array([False,  True,  True, False])
    """
    xp = namespace(sizes)
    length = sizes.shape[0]
    if count <= 0 or count >= length:
        return xp.full_like(sizes, count > 0, dtype=xp.bool)
    least = xp.sort(sizes, axis=0)[length - count : length - count + 1, ...]
    above, equal = sizes > least, sizes == least
    # Counted in the entries' dtype, as libraries differ in those of sums of integers.
    left = count - xp.sum(xp.astype(above, sizes.dtype), axis=0, keepdims=True)
    places = cumulative_sum(xp.astype(equal, sizes.dtype), 0)
    return above | (equal & (places <= left))
