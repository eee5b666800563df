"""The constraint that some entries of a weight are zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.constraints.array_arguments import check_array
from feasible.constraints.base import Constraint
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part
from feasible.constraints.rays import ray_of_entries


@CONSTRAINTS.built_in("mask", of_keras=False)
class Mask(Constraint):
    r"""Keep the entries that a mask excludes at zero.

    It solves

    .. math::

        \min_v \lVert v - w \rVert
        \quad \text{subject to} \quad v_i = 0 \text{ where } \mathrm{mask}_i = 0

    These entries are set to zero. NaN stays NaN, also under the mask; an infinity under it becomes
    zero.

    Args:
        mask: An array of booleans, or of zeros and ones, that broadcasts to the weight in Keras
            layout: False or 0 where entries are zero.

    Raises:
        InvalidArgumentError: If it is none.

    Example:
        >>> import numpy as np
        >>> Mask([[True, False], [True, True]])(np.array([[1.0, 2.0], [3.0, 4.0]]))
        array([[1., 0.],
               [3., 4.]])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.2.3: an affine set.
    """

    quantity = "entry under the mask"
    takes_complex = True
    is_convex = True
    is_cone = True
    is_entrywise = True
    has_ray = True

    def __init__(self, mask: Any) -> None:
        array = check_array("Mask", "mask", mask)
        if not np.isin(array, (0, 1)).all():
            raise InvalidArgumentError("Mask", "mask", mask, "an array of booleans, or of 0 and 1")
        self.mask = array.astype(np.bool_)

    @property
    def interval(self) -> tuple[Any, Any]:
        """Zero twice where the mask says so, and anything elsewhere."""
        return np.where(self.mask, -np.inf, 0.0), np.where(self.mask, np.inf, 0.0)

    def project(self, part: Part) -> Array:
        """Return the entries with zeros under the mask.

        Args:
            part: The weight, or what of it is here.

        Returns:
            The entries.
        """
        return part.xp.where(part.array(self.mask), part.w, part.xp.zeros_like(part.w))

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Entries of vectors of norm 1, of which one is not zero.
        """
        return ray_of_entries(part, self.interval)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient with zeros under the mask.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        return part.xp.where(part.array(self.mask), gradient, part.xp.zeros_like(gradient))

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return no axes: each entry is constrained alone.

        Args:
            shape: The weight's shape.

        Returns:
            An empty tuple.
        """
        del shape
        return ()
