"""The constraint that no singular value of a matrix is above a bound."""

from __future__ import annotations

import math

from feasible.arguments import check_number
from feasible.backends import Array
from feasible.constraints.axes import Axis
from feasible.constraints.decompositions import adjoint, hermitian, positive_part, singular_values
from feasible.constraints.gate import Measurement
from feasible.constraints.matrices import MatrixConstraint
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, ProjectionResult, Steps


@CONSTRAINTS.built_in("spectralnorm", of_keras=False)
class SpectralNorm(MatrixConstraint):
    r"""Keep the largest singular value of each matrix at or below a bound.

    It solves

    .. math::

        \min_V \lVert V - W \rVert_F
        \quad \text{subject to} \quad \lVert V \rVert_2 \le \mathrm{max\_value}

    Larger singular values become the bound. A layer with such a kernel changes the distance of two
    inputs by no more than that factor if it is a Dense one; a convolution's kernel matrix is not
    its operator, whose norm may be larger. Matrices that are sharded are gathered.

    Args:
        max_value: The largest singular value, at least 0.
        axis: The axes that are a matrix's rows; the others are its columns. ``"unit"`` gives
            matrices of shape (fan-in, units).
        batch: The axes whose every index is a matrix of its own.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> SpectralNorm(1)(np.array([[3.0, 0.0], [0.0, 0.5]])).round(6)
        array([[1. , 0. ],
               [0. , 0.5]])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.7.3.
    """

    quantity = "largest singular value"
    takes_complex = True
    tangent_by_default = True
    is_convex = True

    def __init__(self, max_value: float = 1, axis: Axis = "unit", batch: Axis = ()) -> None:
        super().__init__(axis, batch)
        self.max_value = check_number("SpectralNorm", "max_value", max_value, minimum=0)

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and the bound."""
        return 0.0, float(self.max_value)

    def project(self, part: Part) -> ProjectionResult:
        """Return the entries of matrices whose singular values are clipped.

        Args:
            part: The weight, of whole matrices.

        Returns:
            The entries, and which matrices keep their bits.
        """
        if 0 in part.w.shape:
            return part.w
        xp, stored = part.xp, part.precision
        left, values, right = singular_values(self.finite_matrices(part))
        # Inside by what rounding takes, so that none ends above.
        clipped = xp.clip(values, 0.0, self.max_value * (1 - stored.inset))
        stays = self.as_vectors(part, values[..., 0] <= self._most(part)) | ~part.is_finite
        return self.as_weight(part, (left * clipped[..., None, :]) @ right), stays

    def measure(self, part: Part) -> Steps:
        """Return each matrix's largest singular value, and how far it is from being feasible.

        Args:
            part: The weight, of whole matrices.

        Yields:
            Nothing: matrices are whole.

        Returns:
            The singular values and distances; NaN for what holds a NaN or an infinity.
        """
        yield from ()
        xp = part.xp
        if 0 in part.w.shape:
            none = xp.zeros_like(part.total(part.wide))
            return Measurement(none, none)
        _, values, _ = singular_values(self.finite_matrices(part))
        beyond = xp.maximum(values - self.max_value, xp.zeros_like(values))
        distance = xp.sqrt(xp.sum(xp.square(beyond), axis=-1))
        is_inside = values[..., 0] <= self._most(part)
        distances = self.as_vectors(part, xp.where(is_inside, xp.zeros_like(distance), distance))
        largest, finite = self.as_vectors(part, values[..., 0]), part.is_finite
        return Measurement(
            xp.where(finite, largest, math.nan), xp.where(finite, distances, math.nan)
        )

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient without what enlarges singular values that are at the bound.

        Args:
            part: The weight, of whole matrices.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        if 0 in part.w.shape:
            return gradient
        xp, descent = part.xp, -self.matrices(part, gradient)
        left, values, right = singular_values(self.finite_matrices(part))
        at_bound = values >= self.max_value * (1 - 4 * part.precision.slack)
        at_bound = xp.astype(at_bound, left.dtype)
        left, right = left * at_bound[..., None, :], right * at_bound[..., :, None]
        outward = positive_part(hermitian(adjoint(left) @ descent @ adjoint(right)))
        return self.as_weight(part, left @ outward @ right - descent)

    def _most(self, part: Part) -> float:
        """Return the largest singular value that counts as feasible."""
        stored = part.precision
        slack = stored.slack * self.roundings(part)
        return float(self.max_value * (1 + slack) + stored.spacing * part.length**0.5)
