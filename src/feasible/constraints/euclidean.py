"""Norms of blocks, of whatever magnitude, from sums of squares that can be added up in parts.

Where the dtype for sums is no wider than the weight's, what is very large or very small is scaled
by a power of two before it is squared: there are three sums then, of what is scaled up, as it is,
and scaled down, of which the one in range is taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from feasible.backends import (
    Array,
    accumulation_dtype,
    astype,
    beside,
    dtype_name,
    is_complex,
    is_of_jax,
    namespace,
    wide_dtype,
)
from feasible.constraints.parts import Part, Sums
from feasible.constraints.precision import precision


class Norms(NamedTuple):
    """The norms of blocks.

    Attributes:
        scaled: The norms, scaled.
        scale: By what: a power of two for each block, or 1.0 for all.
    """

    scaled: Array
    scale: Array | float

    @property
    def value(self) -> Array:
        """The norms, infinite where they exceed the dtype for sums."""
        return self.scaled / self.scale


def squares(part: Part, values: Array, bound: float | None = None) -> Sums:
    """Return the sums of squares of what is here of each block, to be yielded.

    Args:
        part: The part of the weight, for its dtype and the axes of its blocks.
        values: An array of its shape; magnitudes as in its dtype.
        bound: The one norm that matters, where norms need only be right near a bound.

    Returns:
        One sum a block, or three; of blocks of one entry, its magnitude.
    """
    xp, wide = part.xp, astype(values, wide_dtype(values))
    if is_complex(values):
        wide = xp.abs(wide)
    wide = astype(wide, accumulation_dtype(part.w))
    if part.length == 1:
        # Its magnitude is its norm. A compiler that leaves out the sum may square the scales below
        # on their own, which nothing holds.
        return (part.total(_magnitudes(part, wide)),)
    scales = _scales(part, bound)
    if len(scales) == 1:
        return (part.total(xp.square(wide if scales == (1.0,) else wide * scales[0])),)
    # A block with an entry beyond its sum's range is not counted by that sum. So nothing
    # overflows, and derivatives neither.
    largest = (scales[2] ** 0.5, scales[0] ** 0.5, math.inf)
    factors, limits = (
        xp.reshape(beside(one, wide, wide.dtype), (3, *(1 for _ in wide.shape)))
        for one in (scales, largest)
    )
    # In one reduction, because a compiler would read the entries for each of three.
    rows = xp.square(xp.clip(wide[None, ...], -limits, limits) * factors)
    axes = tuple(axis + 1 for axis in part.axes)
    sums = xp.sum(rows, axis=axes, keepdims=True) if axes else rows
    return sums[0, ...], sums[1, ...], sums[2, ...]


def norms(part: Part, totals: Sums, bound: float | None = None) -> Norms:
    """Return the norms of blocks by their sums of squares.

    Args:
        part: The part of the weight that `squares` was given.
        totals: What it returned, added up over all parts of a block.
        bound: What it was given.

    Returns:
        The norms.
    """
    xp, scales = part.xp, _scales(part, bound)
    if part.length == 1:
        return Norms(totals[0], 1.0)
    if len(scales) == 1:
        found = root(totals[0])
        return Norms(found if scales == (1.0,) else found / scales[0], 1.0)
    up, _, down = scales
    small, plain, large = totals
    too_small, too_large = plain < down, large > down
    scale = xp.where(too_large, down, xp.where(too_small, up, xp.ones_like(plain)))
    return Norms(root(xp.where(too_large, large, xp.where(too_small, small, plain))), scale)


def root(squared: Array) -> Array:
    """Return square roots; the root of zero has no derivative, so that zeros are kept from it.

    Args:
        squared: Numbers that are not negative.

    Returns:
        Their roots.

    Example:
        >>> import numpy as np
        >>> root(np.array([0.0, 4.0]))
        array([0., 2.])
    """
    xp = namespace(squared)
    zero = squared == 0
    return xp.where(zero, 0.0, xp.sqrt(xp.where(zero, 1.0, squared)))


def directions(part: Part, found: Norms) -> Array:
    """Return vectors divided by their norms.

    Args:
        part: The weight, or what of it is here.
        found: The norms of its vectors.

    Returns:
        Entries of vectors of norm 1; zeros for a vector that has no direction.
    """
    has_none = (found.scaled == 0) | ~part.xp.isfinite(found.scaled)
    factors = part.xp.where(has_none, 0.0, 1.0 / part.xp.where(has_none, 1.0, found.scaled))
    return part.wide * found.scale * factors


def real_product(part: Part, first: Array, second: Array) -> Array:
    """Return products of entries, of complex ones the real part of one with the other's conjugate.

    Args:
        part: The weight.
        first: Entries.
        second: Others.

    Returns:
        Real numbers, whose sums are the products of vectors.
    """
    if not is_complex(part.w):
        return first * second
    xp = part.xp
    return xp.real(first) * xp.real(second) + xp.imag(first) * xp.imag(second)


def _magnitudes(part: Part, wide: Array) -> Array:
    """Return the magnitudes of entries; 0 for those that the library takes for zeros elsewhere."""
    found = part.xp.abs(wide)
    if not is_of_jax(part.w):
        return found
    return part.xp.where(found < part.xp.finfo(wide.dtype).tiny, 0.0, found)


def _scales(part: Part, bound: float | None) -> tuple[float, ...]:
    """Return by what to multiply entries before they are squared."""
    accumulator = part.xp.zeros((), dtype=accumulation_dtype(part.w))
    accumulated = precision(part.owner, accumulator)
    if part.precision.largest_square < accumulated.largest_square:
        return (1.0,)
    smallest, largest = accumulated.smallest_square, accumulated.largest_square
    # Of float64, one pass would not reach all its magnitudes.
    narrow = dtype_name(accumulator) == "float32"
    if narrow and part.near_bound and bound is not None and smallest < bound < largest:
        # What is too small to be squared beside this bound is feasible.
        return (accumulated.reach * 2.0 ** -round(math.log2(bound)),)
    return accumulated.up, 1.0, accumulated.down
