"""The constraint that no entry of a weight is negative."""

from __future__ import annotations

import math
from collections.abc import Sequence

from feasible.backends import Array, accumulation_dtype, astype, namespace, value_of
from feasible.constraints.base import Constraint


class NonNeg(Constraint):
    """Set the negative entries of a weight to zero.

    It is the nearest non-negative weight. NaN stays NaN, and minus infinity becomes zero.

    Example:
        >>> import numpy as np
        >>> NonNeg()(np.array([-1.0, 0.0, 2.0]))
        array([0., 0., 2.])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.2.4.
    """

    quantity = "entry"

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and no largest entry."""
        return 0.0, math.inf

    def __call__(self, w: Array) -> Array:
        """Return the weight with zeros for its negative entries.

        Args:
            w: A real weight of any shape.

        Returns:
            An array of the same shape, dtype, device and library.
        """
        w = value_of(w)
        xp = namespace(w)
        clipped = xp.maximum(w, xp.zeros_like(w))
        # The maximum with zero may turn -0.0, which is feasible, into 0.0.
        return xp.where(clipped == w, w, clipped)

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return no axes: each entry is constrained alone.

        Args:
            shape: The weight's shape.

        Returns:
            An empty tuple.
        """
        del shape
        return ()

    def measured(self, w: Array) -> Array:
        """Return the entries.

        Args:
            w: A real weight of any shape.

        Returns:
            The weight as one row.
        """
        return namespace(w).reshape(w, (-1,))

    def violations(self, w: Array) -> Array:
        """Return how far each entry is below zero.

        Args:
            w: A real weight of any shape.

        Returns:
            One distance an entry, NaN where the entry is NaN.
        """
        xp = namespace(w)
        wide = astype(w, accumulation_dtype(w))
        return xp.reshape(xp.where(wide >= 0, xp.zeros_like(wide), -wide), (-1,))
