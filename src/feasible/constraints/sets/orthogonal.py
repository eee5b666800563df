"""The constraint that a matrix's columns, or rows, are orthonormal."""

from __future__ import annotations

import math

from feasible.backends import Array
from feasible.constraints.axes import Axis
from feasible.constraints.decompositions import (
    adjoint,
    hermitian,
    identity_beside,
    polar_factor,
)
from feasible.constraints.gate import Measurement, measure_steps
from feasible.constraints.matrices import MatrixConstraint
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps


@CONSTRAINTS.built_in("orthogonal", of_keras=False)
class Orthogonal(MatrixConstraint):
    r"""Keep the columns of tall matrices orthonormal, and the rows of wide ones.

    It solves

    .. math::

        \min_V \lVert V - W \rVert_F
        \quad \text{subject to} \quad V^\top V = I \text{ (tall) or } V V^\top = I \text{ (wide)}

    These matrices are a Stiefel manifold, and V is the polar factor of W. Weights of narrow dtypes
    that are nearly orthogonal, as after a step, are made so by products of matrices, others by a
    singular value decomposition. The set is not convex: a matrix that has not full rank takes what
    lacks from the identity, the first columns first. A convolution's kernel matrix is not its
    operator. Matrices that are sharded are gathered.

    Args:
        axis: The axes that are a matrix's rows, as in `SpectralNorm`.
        batch: The axes whose every index is a matrix of its own.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> Orthogonal()(np.array([[0.0, 3.0], [-2.0, 0.0]])).round(6)
        array([[ 0.,  1.],
               [-1.,  0.]])

    Source:
        Higham: Functions of Matrices, 2008, theorem 8.4.
    """

    quantity = "distance of the Gram matrix from the identity"
    takes_complex = True
    tangent_by_default = True

    def __init__(self, axis: Axis = "unit", batch: Axis = ()) -> None:
        super().__init__(axis, batch)

    def project(self, part: Part) -> Array:
        """Return the entries of the polar factors.

        Args:
            part: The weight, of whole matrices.

        Returns:
            The entries.
        """
        if 0 in part.w.shape:
            return part.w
        return self.as_weight(part, polar_factor(self.finite_matrices(part), part.precision.slack))

    def measure(self, part: Part) -> Steps:
        """Return how far each Gram matrix is from the identity, and each matrix from feasible.

        Args:
            part: The weight, of whole matrices.

        Yields:
            Sums, and receives those of whole matrices.

        Returns:
            The distances of both.
        """
        found = yield from measure_steps(self, part)
        xp = part.xp
        if 0 in part.w.shape:
            return found
        matrices = self.finite_matrices(part)
        if matrices.shape[-2] < matrices.shape[-1]:
            matrices = adjoint(matrices)
        gram = adjoint(matrices) @ matrices
        gap = gram - identity_beside(gram, gram.shape[-1], gram.shape[-1])
        distance = self.as_vectors(part, xp.sqrt(xp.sum(xp.square(xp.abs(gap)), axis=(-2, -1))))
        return Measurement(xp.where(part.is_finite, distance, math.nan), found.violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient without what changes the Gram matrix.

        Args:
            part: The weight, of whole matrices.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        w, g = self.finite_matrices(part), self.matrices(part, gradient)
        if w.shape[-2] < w.shape[-1]:
            return self.as_weight(part, g - hermitian(g @ adjoint(w)) @ w)
        return self.as_weight(part, g - w @ hermitian(adjoint(w) @ g))
