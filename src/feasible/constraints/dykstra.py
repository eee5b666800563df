"""The nearest point of two convex sets, by projecting onto one and the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feasible.backends import Array, namespace, repeat_while

# How often at most. Most pairs need a few, and two sets that hardly cross, hundreds.
_ROUNDS = 5_000


def alternate(
    first: Callable[[Array], Array],
    second: Callable[[Array], Array],
    start: Array,
    tolerance: float,
) -> Array:
    """Return the nearest point that is in two convex sets.

    Args:
        first: The projection onto one.
        second: The projection onto the other, in which the result is.
        start: The point.
        tolerance: How far apart, relative to the largest entry, the two may leave it.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> def above(v):
        ...     return np.maximum(v, 0)
        >>> def of_sum_one(v):
        ...     return v - (v.sum() - 1) / v.size
        >>> alternate(above, of_sum_one, np.array([2.0, 0.5, -1.0]), 1e-12).round(9)
        array([1., 0., 0.])

    Source:
        Boyle, Dykstra: A method for finding projections onto the intersection of convex sets in
        Hilbert spaces, 1986.
    """
    xp = namespace(start)

    def step(here: Array, one: Array, other: Array, _: Array, rounds: Any) -> tuple[Any, ...]:
        between = first(here + one)
        one = here + one - between
        there = second(between + other)
        other = between + other - there
        apart = xp.maximum(xp.max(xp.abs(there - between)), xp.max(xp.abs(there - here)))
        moving = apart > tolerance * xp.max(xp.abs(there))
        return there, one, other, moving, rounds + 1

    if 0 in start.shape:
        return start
    zero = xp.zeros_like(start)
    state = step(start, zero, zero, zero, 0)
    found: Array = repeat_while(lambda *held: held[3] & (held[4] < _ROUNDS), step, state)[0]
    return found
