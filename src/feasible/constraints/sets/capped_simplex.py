"""The constraint that each vector's entries lie between zero and a cap, and have a fixed sum."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.arguments import check_number
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement, measure_steps
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.thresholds import capped, clipped, held_from


@CONSTRAINTS.built_in("cappedsimplex", of_keras=False)
class CappedSimplex(Constraint):
    r"""Keep each vector's entries between zero and a cap, and their sum at a number.

    It solves

    .. math::

        \min_v \lVert v - w \rVert
        \quad \text{subject to} \quad 0 \le v \le \mathrm{upper}, \quad \sum_i v_i = \mathrm{total}

    by ``v = clip(w - t, 0, upper)``, with t such that the sum is right. Vectors that are sharded
    are gathered.

    Args:
        total: The sum, at least 0.
        upper: The largest entry; as many times as a vector has entries, it must reach `total`.
        axis: The axes that one vector lies along, as in `Simplex`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> CappedSimplex(1.0, 0.5)(np.array([[2.0], [0.0], [0.25]]))
        array([[0.5  ],
               [0.125],
               [0.375]])

    Source:
        Wang, Lu: Projection onto the capped simplex, 2015.
    """

    quantity = "sum"
    whole_blocks = True
    tangent_by_default = True
    is_convex = True

    def __init__(self, total: float = 1, upper: float = 1, axis: Axis = 0) -> None:
        self.total = check_number("CappedSimplex", "total", total, minimum=0)
        self.upper = check_number("CappedSimplex", "upper", upper, minimum=0)
        self.axis = check_axis("CappedSimplex", axis)

    @property
    def bounds(self) -> tuple[float, float]:
        """The sum, twice."""
        return float(self.total), float(self.total)

    @property
    def interval(self) -> tuple[float, float]:
        """Zero, and the cap, or the sum where that is less."""
        return 0.0, float(min(self.upper, self.total))

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not have the axes, or the cap does not reach the sum.
        """
        super().check_shape(shape)
        _, length = self.vectors(shape)
        if self.upper * length < self.total * (1 - 1e-12):
            raise ValueError(
                f"CappedSimplex: {length} entries of at most upper={self.upper!r} cannot add up to "
                f"total={self.total!r}, in a weight of shape {tuple(shape)}. Raise `upper` to at "
                f"least {self.total / max(length, 1):g}, or lower `total`."
            )

    def project(self, part: Part) -> Array:
        """Return the entries lowered by a threshold, and clipped.

        Args:
            part: The weight, of whole vectors.

        Returns:
            The entries.
        """
        return part.unblocked(capped(part.finite_blocks, self.upper, self.total))

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
        """Return the gradient, of a sum of 0, and without what leads beyond zero or the cap.

        Args:
            part: The weight, of whole vectors.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        xp, entries, descent = part.xp, part.blocks(part.wide), -part.blocks(gradient)
        # Further than this no direction is moved.
        far = 4 * xp.max(xp.abs(descent), axis=0, keepdims=True) + xp.zeros_like(descent)
        # The cap as it is stored. Even entries are at neither bound, unless all must be.
        upper = xp.astype(xp.zeros_like(part.w) + self.upper, entries.dtype)
        room, leeway = max(self.upper * part.length - self.total, 0), part.leeway_blocks
        least, rest = (
            held_from(some, part.precision, part.length) + leeway for some in (self.total, room)
        )
        low = xp.where(entries <= least, 0.0, -far)
        high = xp.where(entries >= part.blocks(upper) - rest, 0.0, far)
        return part.unblocked(-clipped(descent, low, high, 0.0))
