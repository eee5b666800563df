"""The constraint that the entries of each vector add up to a number."""

from __future__ import annotations

from feasible.arguments import check_number
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement, measure_steps, project_whole
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps


@CONSTRAINTS.built_in("fixedsum", of_keras=False)
class FixedSum(Constraint):
    r"""Keep the sum of each vector's entries at a number; at 0, each vector is centred.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad \sum_i v_i = \mathrm{total}

    by spreading the difference evenly over the n entries:

    .. math::

        v = w - \frac{\sum_i w_i - \mathrm{total}}{n}

    Args:
        total: The sum.
        axis: The axes that one vector lies along: an int, a sequence of ints, None for the whole
            weight, or ``"unit"`` for the weights incident to one unit.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> FixedSum(1.0)(np.array([[1.0, 0.5], [3.0, 0.5]]))
        array([[-0.5,  0.5],
               [ 1.5,  0.5]])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.2.1. As weight centralization: Qiao et
        al.: Micro-Batch Training with Batch-Channel Normalization and Weight Standardization, 2019.
    """

    quantity = "sum"
    tangent_by_default = True
    is_convex = True
    has_ray = True

    def __init__(self, total: float = 0, axis: Axis = 0) -> None:
        self.total = check_number("FixedSum", "total", total)
        self.axis = check_axis("FixedSum", axis)

    @property
    def is_cone(self) -> bool:
        """Whether positive multiples of a feasible vector are feasible: those of sum 0."""
        return self.total == 0

    @property
    def bounds(self) -> tuple[float, float]:
        """The sum, twice."""
        return float(self.total), float(self.total)

    def project(self, part: Part) -> Steps:
        """Return the entries, each shifted by the same.

        Args:
            part: The weight, or what of it is here.

        Yields:
            The sums, and receives those of whole vectors.

        Returns:
            The entries.
        """
        entries = part.finite
        for _ in range(part.passes):
            (found,) = yield (part.total(entries),)
            entries = entries - (found - self.total) / max(part.length, 1)
        return entries

    def measure(self, part: Part) -> Steps:
        """Return each vector's sum, and how far it is from being feasible.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The sums and distances.
        """
        found = yield from measure_steps(self, part)
        (sums,) = yield (part.total(part.wide),)
        return Measurement(sums, found.violations)

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Entries of vectors of sum 0, the nearest to one whose first entry alone is not zero.
        """
        first = super().ray(part)
        return project_whole(self, part.of_block(first, self.vector_axes))

    def project_tangent(self, part: Part, gradient: Array) -> Steps:
        """Return the gradient without its mean.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Yields:
            The sums, and receives those of whole vectors.

        Returns:
            The projected gradient.
        """
        (found,) = yield (part.total(gradient),)
        return gradient - found / max(part.length, 1)
