"""The constraint that each vector is a distribution: nothing negative, and a fixed sum."""

from __future__ import annotations

from feasible.arguments import check_number
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement, measure_steps
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.thresholds import held_from, lowered, tangent_threshold


@CONSTRAINTS.built_in("simplex", of_keras=False)
class Simplex(Constraint):
    r"""Keep each vector's entries at or above zero, and their sum at a number.

    It solves

    .. math::

        \min_v \lVert v - w \rVert
        \quad \text{subject to} \quad v \ge 0, \quad \sum_i v_i = \mathrm{total}

    by ``v = max(w - t, 0)``, with t such that the sum is right. Vectors that are sharded are
    gathered.

    Args:
        total: The sum, at least 0.
        axis: The axes that one vector lies along: an int, a sequence of ints, None for the whole
            weight, or ``"unit"`` for the weights incident to one unit.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> Simplex()(np.array([[0.75, 2.0], [0.75, 0.5]]))
        array([[0.5, 1. ],
               [0.5, 0. ]])

    Source:
        Duchi et al.: Efficient Projections onto the l1-Ball for Learning in High Dimensions, ICML
        2008, figure 1.
    """

    quantity = "sum"
    whole_blocks = True
    tangent_by_default = True
    is_convex = True

    def __init__(self, total: float = 1, axis: Axis = 0) -> None:
        self.total = check_number("Simplex", "total", total, minimum=0)
        self.axis = check_axis("Simplex", axis)

    @property
    def bounds(self) -> tuple[float, float]:
        """The sum, twice."""
        return float(self.total), float(self.total)

    @property
    def interval(self) -> tuple[float, float]:
        """Zero, and the sum."""
        return 0.0, float(self.total)

    def project(self, part: Part) -> Array:
        """Return the entries lowered by a threshold, and none below zero.

        Args:
            part: The weight, of whole vectors.

        Returns:
            The entries.
        """
        return part.unblocked(lowered(part.finite_blocks, self.total))

    def measure(self, part: Part) -> Steps:
        """Return each vector's sum, and how far it is from being feasible.

        Args:
            part: The weight, of whole vectors.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The sums and distances.
        """
        found = yield from measure_steps(self, part)
        (sums,) = yield (part.total(part.wide),)
        return Measurement(sums, found.violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient, of a sum of 0, and not above zero where an entry is zero.

        Args:
            part: The weight, of whole vectors.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        xp, descent = part.xp, -part.blocks(gradient)
        # Less than what is even, however many entries share the sum.
        least = held_from(self.total, part.precision, part.length) + part.leeway_blocks
        held = part.blocks(part.wide) > least
        left = descent - tangent_threshold(held, descent, descent)
        return part.unblocked(-xp.where(held, left, xp.maximum(left, xp.zeros_like(left))))
