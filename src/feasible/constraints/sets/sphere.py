"""The constraint that each vector's norm is a number."""

from __future__ import annotations

import math
from typing import Any

from feasible.backends import Array
from feasible.constraints.axes import Axis
from feasible.constraints.euclidean import directions, norms, real_product, squares
from feasible.constraints.gate import Measurement
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.radii import RadiusConstraint, radius_bounds


@CONSTRAINTS.built_in("sphere", of_keras=False)
class Sphere(RadiusConstraint):
    r"""Keep the Euclidean norm of each vector at a radius.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad \lVert v \rVert = \mathrm{radius}

    by

    .. math::

        v = \mathrm{radius} \frac{w}{\lVert w \rVert} .

    The sphere is not convex: every point of it is equally near to zero, of which the first entry
    becomes the radius. Complex entries count by their modulus.

    Args:
        radius: A number, an array of one for each vector, of size 1 along its axes, or
            ``"initial"``: each vector's norm when the constraint is declared.
        axis: The axes that one vector lies along: an int, a sequence of ints, None for the whole
            weight, or ``"unit"`` for the weights incident to one unit.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> Sphere(10)(np.array([[3.0, 0.0], [4.0, 0.0]])).round(6)
        array([[ 6., 10.],
               [ 8.,  0.]])

    Source:
        Absil, Mahony, Sepulchre: Optimization Algorithms on Matrix Manifolds, 2008, section 3.6.1.
    """

    quantity = "norm"
    takes_complex = True
    tangent_by_default = True
    is_scaling = True

    def __init__(self, radius: Any = 1, axis: Axis = 0) -> None:
        super().__init__(radius, axis)

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest radius."""
        return radius_bounds(self.radius)

    @property
    def interval(self) -> tuple[float, float]:
        """The largest radius, to either side."""
        return -self.bounds[1], self.bounds[1]

    def project(self, part: Part) -> Any:
        """Return the entries scaled so that each vector's norm is the radius.

        Args:
            part: The weight, or what of it is here.

        Returns:
            The entries, and which vectors keep their bits.
        """
        return part.w if isinstance(self.radius, str) else self._projected(part)

    def _projected(self, part: Part) -> Steps:
        xp, stored = part.xp, part.precision
        found = norms(part, (yield squares(part, part.w)))
        radius = part.array(self.radius)
        rounding = stored.spacing * math.sqrt(part.length)
        off = xp.abs(found.scaled - radius * found.scale)
        stays = (off <= (stored.slack * radius + rounding) * found.scale) | ~xp.isfinite(off)
        is_zero = found.scaled == 0
        # Divided by the scale before by the norm, as both may be huge.
        divisor = xp.where(is_zero | stays, 1.0, found.scaled)
        scaled = part.wide * found.scale * (radius / divisor)
        first = xp.where(part.is_first, radius + xp.zeros_like(found.scaled), 0.0)
        first = xp.astype(first, scaled.dtype)
        return xp.where(is_zero, first, scaled), stays

    def measure(self, part: Part) -> Steps:
        """Return each vector's norm, and how far it is from the radius.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Sums of squares, and receives those of whole vectors.

        Returns:
            The norms and distances.
        """
        value = norms(part, (yield squares(part, part.w))).value
        if isinstance(self.radius, str):
            return Measurement(value, part.xp.where(value == value, 0.0, value))
        radius = part.array(self.radius)
        beyond, stored = part.xp.abs(value - radius), part.precision
        rounding = stored.slack * radius + stored.spacing * math.sqrt(part.length)
        return Measurement(value, part.xp.where(beyond <= rounding, 0.0, beyond))

    def project_tangent(self, part: Part, gradient: Array) -> Steps:
        """Return the gradient without its component along the vector.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The projected gradient; of a zero vector, as it is.
        """
        direction = directions(part, norms(part, (yield squares(part, part.w))))
        (along,) = yield (part.total(real_product(part, direction, gradient)),)
        return gradient - direction * along
