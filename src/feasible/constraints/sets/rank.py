"""The constraint that the rank of a matrix is small."""

from __future__ import annotations

import math

from feasible.arguments import check_integer
from feasible.backends import Array, cumulative_sum
from feasible.constraints.axes import Axis
from feasible.constraints.decompositions import adjoint, singular_values
from feasible.constraints.gate import Measurement, measure_steps
from feasible.constraints.matrices import MatrixConstraint
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps


@CONSTRAINTS.built_in("rank", of_keras=False)
class Rank(MatrixConstraint):
    r"""Keep the rank of each matrix at or below a number.

    It solves

    .. math::

        \min_V \lVert V - W \rVert_F
        \quad \text{subject to} \quad \operatorname{rank} V \le \mathrm{max\_rank}

    The smallest singular values become zero. The set is not convex; of equal singular values, those
    that the decomposition returns first are kept. Entries are rounded, so that what is left of the
    others is rounding. A convolution's kernel matrix is not its operator. Matrices that are sharded
    are gathered.

    Args:
        max_rank: The largest rank, at least 0.
        axis: The axes that are a matrix's rows, as in `SpectralNorm`.
        batch: The axes whose every index is a matrix of its own.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> Rank(1)(np.array([[3.0, 0.0], [0.0, 2.5]])).round(6)
        array([[3., 0.],
               [0., 0.]])

    Source:
        Eckart, Young: The approximation of one matrix by another of lower rank, 1936.
    """

    quantity = "rank"
    takes_complex = True
    tangent_by_default = True
    is_cone = True

    def __init__(self, max_rank: int, axis: Axis = "unit", batch: Axis = ()) -> None:
        super().__init__(axis, batch)
        self.max_rank = check_integer("Rank", "max_rank", max_rank, minimum=0)

    @property
    def has_ray(self) -> bool:
        """Whether the first entry alone is a nearest direction: of zero vectors, if any is."""
        return self.max_rank > 0

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and the largest rank."""
        return 0.0, float(self.max_rank)

    def project(self, part: Part) -> Array:
        """Return the entries of matrices without their smallest singular values.

        Args:
            part: The weight, of whole matrices.

        Returns:
            The entries.
        """
        if 0 in part.w.shape:
            return part.w
        left, values, right = singular_values(self.finite_matrices(part))
        rank = self.max_rank
        if rank >= values.shape[-1]:
            return part.w
        kept = left[..., :, :rank] * values[..., None, :rank]
        return self.as_weight(part, kept @ right[..., :rank, :])

    def measure(self, part: Part) -> Steps:
        """Return each matrix's rank, up to rounding, and how far it is from being feasible.

        Args:
            part: The weight, of whole matrices.

        Yields:
            Sums, and receives those of whole matrices.

        Returns:
            The ranks and distances.
        """
        found = yield from measure_steps(self, part)
        xp = part.xp
        if 0 in part.w.shape:
            return found
        _, values, _ = singular_values(self.finite_matrices(part))
        # What is left without the largest ones, compared with how much rounding may leave.
        rest = xp.flip(cumulative_sum(xp.flip(xp.square(values), axis=-1), -1), axis=-1)
        rounding = part.precision.slack * xp.sqrt(rest[..., :1])
        rounding = rounding + part.precision.spacing * part.length**0.5
        ranks = xp.sum(xp.astype(xp.sqrt(rest) > rounding, values.dtype), axis=-1)
        ranks = self.as_vectors(part, ranks)
        return Measurement(xp.where(part.is_finite, ranks, math.nan), found.violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient without what enlarges the rank beyond the bound.

        Args:
            part: The weight, of whole matrices.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        if 0 in part.w.shape:
            return gradient
        xp, matrices = part.xp, self.matrices(part, gradient)
        left, values, right = singular_values(self.finite_matrices(part))
        places = cumulative_sum(xp.ones_like(values), -1)
        has = (values > 4 * part.precision.slack * values[..., :1]) & (places <= self.max_rank)
        held = xp.astype(has, left.dtype)
        left, right = left * held[..., None, :], right * held[..., :, None]
        others = matrices - left @ (adjoint(left) @ matrices)
        others = others - (others @ adjoint(right)) @ right
        outer_left, sizes, outer_right = singular_values(others)
        missing = self.max_rank - xp.sum(xp.astype(has, sizes.dtype), axis=-1)[..., None]
        cut = xp.where(places > missing, sizes, xp.zeros_like(sizes))
        return self.as_weight(part, matrices - (outer_left * cut[..., None, :]) @ outer_right)
