"""The constraint that the singular values of a matrix add up to no more than a bound."""

from __future__ import annotations

import math

from feasible.arguments import check_number
from feasible.backends import Array
from feasible.constraints.axes import Axis
from feasible.constraints.decompositions import adjoint, singular_values
from feasible.constraints.gate import Measurement, measure_steps
from feasible.constraints.matrices import MatrixConstraint
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.thresholds import lowered, threshold


@CONSTRAINTS.built_in("nuclearnorm", of_keras=False)
class NuclearNorm(MatrixConstraint):
    r"""Keep the sum of the singular values of each matrix at or below a bound.

    It solves

    .. math::

        \min_V \lVert V - W \rVert_F
        \quad \text{subject to} \quad \lVert V \rVert_* \le \mathrm{max\_value}

    Singular values are lowered by the same amount, down to zero, so that matrices become of low
    rank. A convolution's kernel matrix is not its operator. Matrices that are sharded are gathered.

    Args:
        max_value: The largest sum, at least 0.
        axis: The axes that are a matrix's rows, as in `SpectralNorm`.
        batch: The axes whose every index is a matrix of its own.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> NuclearNorm(1)(np.array([[3.0, 0.0], [0.0, 2.5]])).round(6)
        array([[0.75, 0.  ],
               [0.  , 0.25]])

    Source:
        Cai, Candès, Shen: A Singular Value Thresholding Algorithm for Matrix Completion, 2010.
    """

    quantity = "sum of singular values"
    takes_complex = True
    tangent_by_default = True
    is_convex = True

    def __init__(self, max_value: float = 1, axis: Axis = "unit", batch: Axis = ()) -> None:
        super().__init__(axis, batch)
        self.max_value = check_number("NuclearNorm", "max_value", max_value, minimum=0)

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and the bound."""
        return 0.0, float(self.max_value)

    def project(self, part: Part) -> Array:
        """Return the entries of matrices whose singular values are lowered.

        Args:
            part: The weight, of whole matrices.

        Returns:
            The entries.
        """
        if 0 in part.w.shape:
            return part.w
        xp, matrices = part.xp, self.finite_matrices(part)
        highest = self.max_value * (1 - part.precision.inset)
        for _ in range(part.passes):
            left, values, right = singular_values(matrices)
            less = xp.moveaxis(lowered(xp.moveaxis(values, -1, 0), highest), 0, -1)
            is_beyond = xp.sum(values, axis=-1)[..., None, None] > self.max_value
            matrices = xp.where(is_beyond, (left * less[..., None, :]) @ right, matrices)
        return self.as_weight(part, matrices)

    def measure(self, part: Part) -> Steps:
        """Return the sum of each matrix's singular values, and how far it is from feasible.

        Args:
            part: The weight, of whole matrices.

        Yields:
            Sums, and receives those of whole matrices.

        Returns:
            The sums and distances.
        """
        found = yield from measure_steps(self, part)
        if 0 in part.w.shape:
            return found
        _, values, _ = singular_values(self.finite_matrices(part))
        sums = self.as_vectors(part, part.xp.sum(values, axis=-1))
        return Measurement(part.xp.where(part.is_finite, sums, math.nan), found.violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient; of a matrix at the bound, without what leads out.

        Args:
            part: The weight, of whole matrices.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        if 0 in part.w.shape:
            return gradient
        xp, descent, slack = part.xp, -self.matrices(part, gradient), 4 * part.precision.slack
        left, values, right = singular_values(self.finite_matrices(part))
        has = xp.astype(values > slack * values[..., :1], left.dtype)
        left, right = left * has[..., None, :], right * has[..., :, None]
        direction = left @ right
        others = descent - left @ (adjoint(left) @ descent)
        others = others - (others @ adjoint(right)) @ right
        along = xp.sum(xp.real(xp.conj(direction) * descent), axis=(-2, -1))
        outer_left, sizes, outer_right = singular_values(others)
        rank = xp.sum(xp.astype(has, sizes.dtype), axis=-1)
        lowest = threshold(xp.moveaxis(sizes, -1, 0), along[None, ...], rank[None, ...])[0, ...]
        lowest = xp.maximum(lowest, xp.zeros_like(lowest))[..., None]
        cut = xp.minimum(sizes, lowest + xp.zeros_like(sizes))
        outward = direction * lowest[..., None] + (outer_left * cut[..., None, :]) @ outer_right
        is_at_bound = xp.sum(values, axis=-1) >= self.max_value * (1 - slack)
        left_over = xp.where(is_at_bound[..., None, None], descent - outward, descent)
        return self.as_weight(part, -left_over)
