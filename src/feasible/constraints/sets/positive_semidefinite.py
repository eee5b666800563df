"""The constraint that square matrices are symmetric, and none of their eigenvalues is small."""

from __future__ import annotations

import math
from collections.abc import Sequence

from feasible.arguments import check_number
from feasible.backends import Array
from feasible.constraints.decompositions import adjoint, eigenvalues, hermitian, positive_part
from feasible.constraints.gate import Measurement, measure_steps
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.rays import is_first_largest
from feasible.constraints.square_matrices import SquareConstraint


@CONSTRAINTS.built_in("positivesemidefinite", of_keras=False)
class PositiveSemidefinite(SquareConstraint):
    r"""Keep square matrices symmetric, and their eigenvalues at or above a bound.

    It solves

    .. math::

        \min_V \lVert V - W \rVert_F
        \quad \text{subject to} \quad V = V^\top, \quad \lambda_i(V) \ge \mathrm{min\_eigenvalue}

    Smaller eigenvalues of the symmetric part become the bound. Entries are rounded, so that an
    eigenvalue may lie a rounding of the largest below it. Matrices that are sharded are gathered.

    Args:
        min_eigenvalue: The smallest eigenvalue.
        axes: The two axes that a matrix lies along; every index of the others is one of its own.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> PositiveSemidefinite()(np.array([[1.0, 0.0], [0.0, -2.0]]))
        array([[1., 0.],
               [0., 0.]])

    Source:
        Higham: Computing a nearest symmetric positive semidefinite matrix, 1988, theorem 2.1.
    """

    quantity = "smallest eigenvalue"
    tangent_by_default = True
    is_convex = True
    has_ray = True

    def __init__(self, min_eigenvalue: float = 0, axes: Sequence[int] = (-2, -1)) -> None:
        super().__init__(axes)
        self.min_eigenvalue = check_number("PositiveSemidefinite", "min_eigenvalue", min_eigenvalue)

    @property
    def is_cone(self) -> bool:
        """Whether positive multiples of a feasible matrix are feasible: for a bound of 0."""
        return self.min_eigenvalue == 0

    @property
    def bounds(self) -> tuple[float, float]:
        """The bound, and no largest eigenvalue."""
        return float(self.min_eigenvalue), float("inf")

    def project(self, part: Part) -> Array:
        """Return the entries of matrices whose eigenvalues are raised.

        Args:
            part: The weight, of whole matrices.

        Returns:
            The entries.
        """
        if 0 in part.w.shape:
            return part.w
        found = self._symmetric(part)
        for _ in range(part.passes):
            values, vectors = eigenvalues(found)
            raised = part.xp.maximum(values, part.xp.zeros_like(values) + self.min_eigenvalue)
            found = hermitian((vectors * raised[..., None, :]) @ adjoint(vectors))
        return self.as_weight(part, found)

    def measure(self, part: Part) -> Steps:
        """Return each matrix's smallest eigenvalue, and how far it is from being feasible.

        Args:
            part: The weight, of whole matrices.

        Yields:
            Sums, and receives those of whole matrices.

        Returns:
            The eigenvalues, of the symmetric part, and distances.
        """
        found = yield from measure_steps(self, part)
        if 0 in part.w.shape:
            return found
        values, _ = eigenvalues(self._symmetric(part))
        least = part.xp.reshape(values[..., 0], found.violations.shape)
        return Measurement(part.xp.where(part.is_finite, least, math.nan), found.violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient without what lowers eigenvalues that are at the bound.

        Args:
            part: The weight, of whole matrices.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        if 0 in part.w.shape:
            return gradient
        xp, symmetric = part.xp, hermitian(self.matrices(part, gradient))
        values, vectors = eigenvalues(self._symmetric(part))
        largest = xp.max(xp.abs(values), axis=-1, keepdims=True)
        at_bound = values <= self.min_eigenvalue + 4 * part.precision.slack * largest
        vectors = vectors * xp.astype(at_bound, vectors.dtype)[..., None, :]
        lowering = positive_part(hermitian(adjoint(vectors) @ symmetric @ vectors))
        return self.as_weight(part, symmetric - vectors @ lowering @ adjoint(vectors))

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Matrices of the eigenvectors of the largest eigenvalues; of several that are one vector
            together, that of the first of which it is the largest.
        """
        own = part.of_block(part.w, self.vector_axes)
        values, vectors = eigenvalues(self._symmetric(own))
        largest, top = values[..., -1:, None], vectors[..., :, -1:]
        several = self.as_weight(own, largest)
        chosen = is_first_largest(Part(several, part.axes), several)
        matrices = self.as_weight(own, top @ adjoint(top))
        return part.xp.where(chosen, matrices, part.xp.zeros_like(matrices))

    def _symmetric(self, part: Part) -> Array:
        wide = part.wide
        finite = part.xp.where(part.is_finite, wide, part.xp.zeros_like(wide))
        return hermitian(self.matrices(part, finite))
