"""The constraint that each entry of a weight lies between two bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.constraints.array_arguments import Bound, check_bound, extent
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.rays import ray_of_entries


@CONSTRAINTS.built_in("box", of_keras=False)
class Box(Constraint):
    r"""Keep each entry at or above a lower bound, and at or below an upper one.

    It solves

    .. math::

        \min_v \lVert v - w \rVert
        \quad \text{subject to} \quad \mathrm{lower} \le v \le \mathrm{upper}

    Each entry is clipped. NaN stays NaN, and an infinity becomes the bound on its side, if there is
    one.

    Args:
        lower: A number, or an array that broadcasts to the weight in Keras layout; None for no
            bound.
        upper: The same, nowhere below `lower`.

    Raises:
        InvalidArgumentError: If a bound is none of these, there is none, or `lower` exceeds
            `upper`.

    Example:
        >>> import numpy as np
        >>> Box(-1, [0.5, 2.0])(np.array([[3.0, 3.0], [-3.0, 0.0]]))
        array([[ 0.5,  2. ],
               [-1. ,  0. ]])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.2.4.
    """

    quantity = "entry"
    is_convex = True
    is_entrywise = True
    has_ray = True

    def __init__(self, lower: Any = None, upper: Any = None) -> None:
        # JSON has no infinities, and None says the same.
        lower, upper = (None if _is_none(*one) else one[0] for one in ((lower, -1), (upper, 1)))
        self.lower = None if lower is None else check_bound("Box", "lower", lower, infinite=True)
        self.upper = None if upper is None else check_bound("Box", "upper", upper, infinite=True)
        if self.lower is None and self.upper is None:
            raise InvalidArgumentError(
                "Box", "lower", lower, "a number or an array, or else `upper` must be"
            )
        low, high = self.interval
        try:
            crossed = bool(np.any(np.asarray(low) > np.asarray(high)))
        except ValueError:
            shapes = f"{np.shape(low)}, {np.shape(high)}"
            allowed = "of a shape that broadcasts with that of `upper`"
            raise InvalidArgumentError("Box", "lower", shapes, allowed) from None
        if crossed:
            raise InvalidArgumentError("Box", "lower", lower, f"nowhere above upper, {upper!r}")

    @property
    def interval(self) -> tuple[Bound, Bound]:
        """The two bounds, infinite where there is none."""
        low = -math.inf if self.lower is None else self.lower
        return low, math.inf if self.upper is None else self.upper

    @property
    def is_cone(self) -> bool:
        """Whether positive multiples of a feasible weight are feasible: for bounds 0 and none."""
        return all(map(_is_of_cone, self.interval))

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest entry of any feasible weight."""
        low, high = self.interval
        return extent(low)[0], extent(high)[1]

    def project(self, part: Part) -> Array:
        """Return the entries clipped.

        Args:
            part: The weight, or what of it is here.

        Returns:
            The entries.
        """
        entries = part.wide
        if self.lower is not None:
            entries = part.xp.maximum(entries, self._here(part, self.lower))
        if self.upper is not None:
            entries = part.xp.minimum(entries, self._here(part, self.upper))
        return entries

    def measure(self, part: Part) -> Steps:
        """Return the entries, and how far each is outside.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Nothing: there is nothing to add up.

        Returns:
            The entries and distances, NaN where the entry is NaN.
        """
        found = yield from super().measure(part)
        return Measurement(part.wide, found.violations)

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Entries of vectors of norm 1, of which one is not zero.
        """
        return ray_of_entries(part, self.interval)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient, zero where an entry at its bound would leave.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        zero = part.xp.zeros_like(gradient)
        if self.lower is not None:
            at_bound = part.wide <= self._here(part, self.lower) + part.leeway
            gradient = part.xp.where(at_bound & (gradient > 0), zero, gradient)
        if self.upper is not None:
            at_bound = part.wide >= self._here(part, self.upper) - part.leeway
            gradient = part.xp.where(at_bound & (gradient < 0), zero, gradient)
        return gradient

    def _here(self, part: Part, bound: Bound) -> Array:
        """Return a bound as the weight's dtype holds it, so that what is at it is feasible."""
        stored = part.xp.astype(part.array(np.asarray(bound)), part.w.dtype)
        return part.xp.astype(stored, part.wide.dtype)

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return no axes: each entry is constrained alone.

        Args:
            shape: The weight's shape.

        Returns:
            An empty tuple.
        """
        del shape
        return ()


def _is_none(bound: Any, side: int) -> bool:
    return isinstance(bound, float) and bound == side * math.inf


def _is_of_cone(bound: Bound) -> bool:
    if isinstance(bound, np.ndarray):
        return bool(np.all((bound == 0) | np.isinf(bound)))
    # Which PyTorch's compiler follows, unlike a truth of NumPy's.
    return bound == 0 or math.isinf(bound)
