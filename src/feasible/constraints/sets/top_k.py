"""The constraint that few of each vector's entries are not zero."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.arguments import check_integer
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement, moves
from feasible.constraints.largest import is_among_largest
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps


@CONSTRAINTS.built_in("topk", of_keras=False)
class TopK(Constraint):
    r"""Keep at most k entries of each vector, those of the largest absolute values.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad \lVert v \rVert_0 \le k

    where the norm counts the entries that are not zero. The others become zero. The set is not
    convex; of entries of equal absolute value, the first are kept. Complex entries count by their
    modulus. Vectors that are sharded are gathered. Gradients are not projected unless asked for,
    because then those entries would stay that are not zero.

    Args:
        k: How many entries, from 0 to a vector's length.
        axis: The axes that one vector lies along, as in `Simplex`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> TopK(1)(np.array([[1.0, -2.0], [3.0, 2.0]]))
        array([[ 0., -2.],
               [ 3.,  0.]])

    Source:
        Blumensath, Davies: Iterative Thresholding for Sparse Approximations, 2008.
    """

    quantity = "entries that are not zero"
    whole_blocks = True
    takes_complex = True
    is_cone = True

    def __init__(self, k: int, axis: Axis = 0) -> None:
        self.k = check_integer("TopK", "k", k, minimum=0)
        self.axis = check_axis("TopK", axis)

    @property
    def has_ray(self) -> bool:
        """Whether the first entry alone is a nearest direction: of zero vectors, if any is."""
        return self.k > 0

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and k."""
        return 0.0, float(self.k)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not have the axes, or vectors of fewer entries.
        """
        super().check_shape(shape)
        count, length = self.vectors(shape)
        if count and self.k > length:
            raise ValueError(
                f"TopK: `k` must be at most {length}, the length of the vectors of a weight of "
                f"shape {tuple(shape)} along axis={self.axis!r}. Received: k={self.k}."
            )

    def project(self, part: Part) -> tuple[Array, Array]:
        """Return the entries, with zeros for all but the largest.

        Args:
            part: The weight, of whole vectors.

        Returns:
            The entries, and which vectors keep their bits.
        """
        kept = part.unblocked(is_among_largest(part.xp.abs(part.finite_blocks), self.k))
        entries = part.xp.where(kept, part.w, part.xp.zeros_like(part.w))
        return entries, ~part.is_finite | (self._count(part) <= self.k)

    def measure(self, part: Part) -> Steps:
        """Return how many entries of each vector are not zero, and how large those too many are.

        Args:
            part: The weight, of whole vectors.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The counts and distances.
        """
        found = yield from moves(part, self.project(part)[0], 0.0)
        xp, counts = part.xp, self._count(part)
        feasible = (counts <= self.k) & part.is_finite
        violations = xp.where(feasible, xp.zeros_like(found.violations), found.violations)
        return Measurement(xp.astype(counts, violations.dtype), violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient; of a vector with k entries, zero where the vector is.

        Args:
            part: The weight, of whole vectors.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        is_free = (part.w != 0) | (self._count(part) < self.k)
        return part.xp.where(is_free, gradient, part.xp.zeros_like(gradient))

    def _count(self, part: Part) -> Array:
        return part.total(part.xp.astype(part.w != 0, part.xp.int32))
