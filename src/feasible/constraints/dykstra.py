"""The nearest point of two convex sets, by projecting onto one and the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feasible.backends import Array, namespace, repeat_while

# How often at most. Most pairs need a few rounds; far away, two that touch at a small angle need
# many thousands.
_ROUNDS = 200_000


def alternate(
    first: Callable[[Array], Array],
    second: Callable[[Array], Array],
    start: Array,
    axes: tuple[int, ...],
    tolerance: float,
) -> Array:
    """Return the nearest point that is in two convex sets.

    Args:
        first: The projection onto one.
        second: The projection onto the other, in which the result is.
        start: The point, or several.
        axes: The axes that one lies along.
        tolerance: How far apart, relative to its largest entry, the two may leave a point.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> def above(v):
        ...     return np.maximum(v, 0)
        >>> def of_sum_one(v):
        ...     return v - (v.sum() - 1) / v.size
        >>> alternate(above, of_sum_one, np.array([2.0, 0.5, -1.0]), (0,), 1e-12).round(9) + 0.0
        array([1., 0., 0.])

    Source:
        Boyle, Dykstra: A method for finding projections onto the intersection of convex sets in
        Hilbert spaces, 1986; when to stop: Birgin, Raydan: Robust stopping criteria for Dykstra's
        algorithm, 2005.
    """
    xp = namespace(start)

    def largest(values: Array) -> Array:
        return xp.max(xp.abs(values), axis=axes, keepdims=True) if axes else xp.abs(values)

    def step(here: Array, one: Array, other: Array, _: Array, rounds: Any) -> tuple[Any, ...]:
        between = first(here + one)
        next_one = here + one - between
        there = second(between + other)
        next_other = between + other - there
        # What is carried over changes for as long as the nearest point is not found, also where
        # points stay where they are for a while.
        apart = xp.maximum(largest(next_one - one), largest(next_other - other))
        apart = xp.maximum(apart, largest(there - between))
        moving = xp.any(apart > tolerance * largest(there) + rounding)
        one, other = next_one, next_other
        return there, one, other, moving, rounds + 1

    if 0 in start.shape:
        return start
    zero, rounding = xp.zeros_like(start), 4 * xp.finfo(start.dtype).eps * largest(start)
    state = step(start, zero, zero, zero, 0)
    found: Array = repeat_while(lambda *held: held[3] & (held[4] < _ROUNDS), step, state)[0]
    return found
