"""The constraint that the absolute values of each vector add up to no more than a radius."""

from __future__ import annotations

from typing import Any

from feasible.backends import Array
from feasible.constraints.axes import Axis
from feasible.constraints.euclidean import real_product
from feasible.constraints.gate import Measurement, measure_steps
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.radii import RadiusConstraint, radius_bounds
from feasible.constraints.thresholds import held_from, lowered, tangent_threshold


@CONSTRAINTS.built_in("l1ball", of_keras=False)
class L1Ball(RadiusConstraint):
    r"""Keep the sum of each vector's absolute values at or below a radius.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad \sum_i |v_i| \le \mathrm{radius}

    In a longer vector each absolute value is lowered by the same amount, down to zero. Complex
    entries count by their modulus. Vectors that are sharded are gathered.

    Args:
        radius: A number, an array of one for each vector, of size 1 along its axes, or
            ``"initial"``: each vector's sum when the constraint is declared.
        axis: The axes that one vector lies along, as in `Simplex`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> L1Ball(2.0)(np.array([[3.0, 0.5], [-2.0, 0.5]])).round(5)
        array([[ 1.5,  0.5],
               [-0.5,  0.5]])

    Source:
        Duchi et al.: Efficient Projections onto the l1-Ball for Learning in High Dimensions, ICML
        2008, section 4.
    """

    quantity = "sum of absolute values"
    whole_blocks = True
    takes_complex = True
    tangent_by_default = True
    is_convex = True

    def __init__(self, radius: Any = 1, axis: Axis = 0) -> None:
        super().__init__(radius, axis)

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and the largest radius."""
        return 0.0, radius_bounds(self.radius)[1]

    @property
    def interval(self) -> tuple[float, float]:
        """The largest radius, to either side."""
        return -self.bounds[1], self.bounds[1]

    def project(self, part: Part) -> Array:
        """Return the entries, their absolute values lowered by a threshold.

        Args:
            part: The weight, of whole vectors.

        Returns:
            The entries.
        """
        if isinstance(self.radius, str):
            return part.w
        xp, entries = part.xp, part.finite_blocks
        sizes = xp.abs(entries)
        radius, sums = self._radius(part), xp.sum(sizes, axis=0, keepdims=True)
        # Inside by what rounding takes, so that no sum ends above.
        left = lowered(sizes, radius * (1 - part.precision.inset))
        factors = left / xp.where(sizes > 0, sizes, 1.0)
        return part.unblocked(xp.where(sums > radius, entries * factors, entries))

    def measure(self, part: Part) -> Steps:
        """Return the sum of each vector's absolute values, and how far it is from feasible.

        Args:
            part: The weight, of whole vectors.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The sums and distances.
        """
        found = yield from measure_steps(self, part)
        (sums,) = yield (part.total(part.xp.abs(part.wide)),)
        return Measurement(sums, found.violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient; of a vector on the boundary, without what leads out.

        Args:
            part: The weight, of whole vectors.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        if isinstance(self.radius, str):
            return gradient
        xp, entries = part.xp, part.finite_blocks
        descent, sizes = -part.blocks(gradient), xp.abs(entries)
        radius, slack = self._radius(part), 4 * part.precision.slack
        least = held_from(radius, part.precision, part.length) + part.leeway_blocks
        held, moduli = sizes > least, xp.abs(descent)
        signs = entries / xp.where(held, sizes, 1.0)
        outward = real_product(part, signs, descent)
        lowest = tangent_threshold(held, outward, moduli)
        lowest = xp.maximum(lowest, xp.zeros_like(lowest))
        left = xp.maximum(moduli - lowest, xp.zeros_like(moduli))
        others = descent * (left / xp.where(moduli > 0, moduli, 1.0))
        inward = xp.where(held, descent - signs * lowest, others)
        at_bound = xp.sum(sizes, axis=0, keepdims=True) >= radius * (1 - slack)
        return part.unblocked(-xp.where(at_bound, inward, descent))

    def _radius(self, part: Part) -> Any:
        """Return the radius of each block, as columns are laid out."""
        if isinstance(self.radius, int | float):
            return self.radius
        radius = part.array(self.radius) + part.xp.zeros_like(part.xp.abs(part.wide))
        return part.blocks(radius)[:1, ...]
