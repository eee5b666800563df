"""The constraint that each vector's entries rise, or fall."""

from __future__ import annotations

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement
from feasible.constraints.isotonic import isotonic_regression
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps


@CONSTRAINTS.built_in("monotone", of_keras=False)
class Monotone(Constraint):
    r"""Keep each vector's entries in order, each at least as large as the one before.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad v_1 \le v_2 \le \ldots \le v_n

    which is isotonic regression: runs of entries that are out of order become their mean. It is not
    a sort. Along several axes, entries are in row-major order. Vectors that are sharded are
    gathered.

    Args:
        increasing: Whether entries rise; else they fall.
        axis: The axes that one vector lies along, as in `Simplex`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> Monotone()(np.array([[1.0], [3.0], [2.0], [4.0]])).T
        array([[1. , 2.5, 2.5, 4. ]])

    Source:
        Barlow, Bartholomew, Bremner, Brunk: Statistical Inference under Order Restrictions, 1972.
    """

    quantity = "smallest step"
    whole_blocks = True
    tangent_by_default = True
    is_convex = True
    is_cone = True
    has_ray = True

    def __init__(self, increasing: bool = True, axis: Axis = 0) -> None:
        if not isinstance(increasing, bool):
            raise InvalidArgumentError("Monotone", "increasing", increasing, "True or False")
        self.increasing = increasing
        self.axis = check_axis("Monotone", axis)

    @property
    def bounds(self) -> tuple[float, float]:
        """The steps that are allowed: those up, or those down."""
        return (0.0, float("inf")) if self.increasing else (-float("inf"), 0.0)

    def project(self, part: Part) -> tuple[Array, Array]:
        """Return the entries, with the means of runs that are out of order.

        Args:
            part: The weight, of whole vectors.

        Returns:
            The entries, and which vectors keep their bits.
        """
        sign = 1.0 if self.increasing else -1.0
        ordered = isotonic_regression(sign * part.finite_blocks)
        return part.unblocked(sign * ordered), ~part.is_finite

    def measure(self, part: Part) -> Steps:
        """Return each vector's smallest step, and how far it is from being in order.

        Args:
            part: The weight, of whole vectors.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The steps, of vectors that fall the largest; and distances.
        """
        found = yield from super().measure(part)
        xp, entries = part.xp, part.blocks(part.wide)
        sign = 1.0 if self.increasing else -1.0
        if part.length < 2:
            return Measurement(xp.zeros_like(found.violations), found.violations)
        steps = xp.min(sign * (entries[1:, ...] - entries[:-1, ...]), axis=0)
        return Measurement(xp.reshape(sign * steps, found.violations.shape), found.violations)

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Entries of vectors that are even, which no other direction is nearer than.
        """
        return part.xp.ones_like(part.wide)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient, of entries that are equal in such an order that they stay so.

        Args:
            part: The weight, of whole vectors.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        sign = -1.0 if self.increasing else 1.0
        entries = part.blocks(part.finite)
        steps, leeway = part.xp.abs(entries[1:, ...] - entries[:-1, ...]), part.leeway_blocks
        is_tied = steps <= (leeway if isinstance(leeway, float) else leeway[1:, ...])
        directions = sign * part.blocks(gradient)
        return part.unblocked(sign * isotonic_regression(directions, is_tied))
