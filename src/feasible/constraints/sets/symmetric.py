"""The constraint that square matrices equal their transpose."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.backends import Array
from feasible.constraints.decompositions import hermitian
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part
from feasible.constraints.square_matrices import SquareConstraint


@CONSTRAINTS.built_in("symmetric", of_keras=False)
class Symmetric(SquareConstraint):
    r"""Keep square matrices symmetric.

    It solves

    .. math::

        \min_V \lVert V - W \rVert_F \quad \text{subject to} \quad V = V^\top

    by

    .. math::

        V = \frac{W + W^\top}{2} .

    Matrices that are sharded are gathered.

    Args:
        axes: The two axes that a matrix lies along; every index of the others is one of its own.

    Raises:
        InvalidArgumentError: If they are not two ints.

    Example:
        >>> import numpy as np
        >>> Symmetric()(np.array([[1.0, 2.0], [0.0, 1.0]]))
        array([[1., 1.],
               [1., 1.]])

    Source:
        Higham: Computing a nearest symmetric positive semidefinite matrix, 1988, section 2.
    """

    tangent_by_default = True
    is_convex = True
    is_cone = True
    has_ray = True

    def __init__(self, axes: Sequence[int] = (-2, -1)) -> None:
        super().__init__(axes)

    def project(self, part: Part) -> tuple[Array, Array]:
        """Return the entries, each the mean of itself and the one across the diagonal.

        Args:
            part: The weight, of whole matrices.

        Returns:
            The entries, and which matrices keep their bits.
        """
        # Halved before they are added, so that large ones do not overflow.
        symmetric = 2 * hermitian(self.matrices(part, part.wide) / 2)
        return self.as_weight(part, symmetric), ~part.is_finite

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the symmetric part of the gradient.

        Args:
            part: The weight, of whole matrices.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        return self.as_weight(part, hermitian(self.matrices(part, gradient)))
