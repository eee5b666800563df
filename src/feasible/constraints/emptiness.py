"""Pairs of constraints that no weight satisfies both of, as far as bounds on entries tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError
from feasible.constraints.base import Constraint, block_axes
from feasible.constraints.sets.norms import NormConstraint

# What sums of numbers that are no binary fractions are off, relatively.
_ROUNDING = 1e-9


def common_interval(first: Constraint, second: Constraint) -> tuple[Any, Any]:
    """Return between which numbers entries lie that satisfy both constraints.

    Args:
        first: A constraint.
        second: Another.

    Returns:
        Two numbers or arrays, of which the first may be above the second.

    Example:
        >>> from feasible import Box, NonNeg
        >>> [float(one) for one in common_interval(NonNeg(), Box(-1, 1))]
        [0.0, 1.0]
    """
    one, other = first.interval, second.interval
    try:
        return np.maximum(one[0], other[0]), np.minimum(one[1], other[1])
    except ValueError:  # arrays of shapes that do not fit, of which a weight's shape tells
        return -math.inf, math.inf


def refuse_empty(first: Constraint, second: Constraint) -> None:
    """Raise if no weight of any shape satisfies both constraints.

    Args:
        first: A constraint.
        second: Another.

    Raises:
        InvalidArgumentError: If entries, or what both bound of the same vectors, cannot be.

    Example:
        >>> from feasible import NonNeg, Simplex
        >>> refuse_empty(NonNeg(), Simplex())
    """
    low, high = common_interval(first, second)
    of_entries = np.any(np.greater(low, high))
    alike = first.quantity == second.quantity and _axis_of(first) == _axis_of(second)
    least = max(first.bounds[0], second.bounds[0])
    apart = alike and least > min(first.bounds[1], second.bounds[1])
    if of_entries or apart:
        raise InvalidArgumentError(
            "Intersection", "second", second, f"such that a weight satisfies {first!r}, too"
        )


def refuse_empty_for(first: Constraint, second: Constraint, shape: Sequence[int]) -> None:
    """Raise if no weight of a shape satisfies both constraints, by what entries can add up to.

    Args:
        first: A constraint.
        second: Another.
        shape: The weight's shape.

    Raises:
        ValueError: If none does.

    Example:
        >>> from feasible import Box, FixedSum
        >>> refuse_empty_for(FixedSum(1), Box(0, 0.5), (2,))
    """
    if 0 in shape:
        return
    for one, other in ((first, second), (second, first)):
        low, high = (np.asarray(bound, np.float64) for bound in other.interval)
        axes, (least, most) = block_axes(one, shape), one.bounds
        nearest = np.maximum(np.maximum(low, -high), 0)
        if one.quantity == "sum":
            reach = _along(low, shape, axes), _along(high, shape, axes)
        elif one.quantity == "sum of absolute values":
            reach = _along(nearest, shape, axes), np.asarray(math.inf)
        elif one.quantity == "norm":
            # What scales vectors to some norm leaves those that are zero.
            farthest = math.inf if isinstance(one, NormConstraint) else np.maximum(-low, high)
            reach = _norms(nearest, shape, axes), _norms(np.asarray(farthest), shape, axes)
        else:
            continue
        beyond = np.any(reach[0] - most > _ROUNDING * np.abs(reach[0]))
        if beyond or np.any(least - reach[1] > _ROUNDING * np.abs(least)):
            raise ValueError(
                f"Intersection: no weight of shape {tuple(shape)} satisfies both {first!r} and "
                f"{second!r}, because of what the {one.quantity} of a vector can be."
            )


def _norms(sizes: np.ndarray, shape: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    return np.asarray(np.sqrt(_along(np.square(sizes), shape, axes)))


def _axis_of(constraint: Constraint) -> Any:
    return getattr(constraint, "axis", None)


def _along(bound: np.ndarray, shape: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """Return the sums along axes of an array that broadcasts to a shape, which is not made."""
    bound = bound.reshape((1,) * (len(shape) - bound.ndim) + bound.shape)
    count = math.prod(shape[axis] for axis in axes if bound.shape[axis] == 1)
    return np.asarray(np.sum(bound, axis=tuple(axes), keepdims=True) * count)
