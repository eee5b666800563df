"""The constraint that no entry of a weight is negative."""

from __future__ import annotations

import math
from collections.abc import Sequence

from feasible.backends import Array
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.rays import ray_of_entries


@CONSTRAINTS.built_in("nonneg")
class NonNeg(Constraint):
    r"""Set the negative entries of a weight to zero.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad v \ge 0

    NaN stays NaN, and minus infinity becomes zero.

    Example:
        >>> import numpy as np
        >>> NonNeg()(np.array([-1.0, 0.0, 2.0]))
        array([0., 0., 2.])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.2.4.
    """

    quantity = "entry"
    is_convex = True
    is_cone = True
    is_entrywise = True
    has_ray = True

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and no largest entry."""
        return 0.0, math.inf

    @property
    def interval(self) -> tuple[float, float]:
        """Zero, and no largest entry."""
        return 0.0, math.inf

    def project(self, part: Part) -> Array:
        """Return the entries with zeros for those that are negative.

        Args:
            part: The weight, or what of it is here.

        Returns:
            The entries.
        """
        return part.xp.maximum(part.w, part.xp.zeros_like(part.w))

    def measure(self, part: Part) -> Steps:
        """Return the entries, and how far each is below zero.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Nothing: there is nothing to add up.

        Returns:
            The entries and distances, NaN where the entry is NaN.
        """
        yield from ()
        wide = part.wide
        return Measurement(part.w, part.xp.where(wide >= 0, part.xp.zeros_like(wide), -wide))

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Entries of vectors of norm 1, of which one is not zero.
        """
        return ray_of_entries(part, self.interval)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient, zero where an entry at zero would become negative.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        outward = (part.wide <= part.leeway) & (gradient > 0)
        return part.xp.where(outward, part.xp.zeros_like(gradient), gradient)

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return no axes: each entry is constrained alone.

        Args:
            shape: The weight's shape.

        Returns:
            An empty tuple.
        """
        del shape
        return ()
