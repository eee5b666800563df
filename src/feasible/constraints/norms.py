"""Constraints on the norms of a weight's vectors: MaxNorm, MinMaxNorm, UnitNorm."""

from __future__ import annotations

from feasible.constraints.axes import Axis
from feasible.constraints.norm_constraint import NormConstraint


class MaxNorm(NormConstraint):
    """Keep the norm of each vector at or below a bound.

    Args:
        max_value: The largest norm, at least 0.
        axis: The axes that one vector lies along. In a `Dense` kernel, of shape (in, out), 0 gives
            one vector of length ``in`` a unit; in a `Conv2D` kernel, of shape (rows, cols, in,
            out), ``(0, 1, 2)`` gives one a filter. ``"unit"`` gives that in every layer, and None
            makes the whole weight one vector.

    Raises:
        InvalidArgumentError: If the bound or the axis cannot be used.

    Example:
        >>> import numpy as np
        >>> MaxNorm(2.0)(np.array([[3.0, 0.0], [4.0, 1.0]])).round(6)
        array([[1.2, 0. ],
               [1.6, 1. ]])
        >>> MaxNorm(2)
        MaxNorm(max_value=2, axis=0)

    Source:
        Srebro, Rennie, Jaakkola: Maximum-Margin Matrix Factorization, NeurIPS 2004; for networks,
        Srivastava et al.: Dropout, JMLR 15, 2014, section 5.1. The projection onto a ball is in
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.5.1.
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        super().__init__(0, max_value, 1, axis)

    def _bounds(self) -> dict[str, float]:
        return {"max_value": self.max_value}


class MinMaxNorm(NormConstraint):
    """Keep the norm of each vector between two bounds, or move it there step by step.

    A vector's norm becomes ``(1 - rate) * norm + rate * clip(norm, min_value, max_value)``.

    Args:
        min_value: The smallest norm, at least 0.
        max_value: The largest norm, at least `min_value`.
        rate: 1 enforces the bounds at once; less moves a norm only that fraction of the way.
        axis: The axes that one vector lies along, as in `MaxNorm`.

    Raises:
        InvalidArgumentError: If a bound, the rate or the axis cannot be used.

    Example:
        >>> import numpy as np
        >>> MinMaxNorm(1.0, 2.0)(np.array([[3.0, 0.3], [4.0, 0.4]])).round(6)
        array([[1.2, 0.6],
               [1.6, 0.8]])
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        super().__init__(min_value, max_value, rate, axis)


class UnitNorm(NormConstraint):
    """Give each vector norm 1; a zero vector, which has no direction, stays zero.

    Args:
        axis: The axes that one vector lies along, as in `MaxNorm`.

    Raises:
        InvalidArgumentError: If the axis cannot be used.

    Example:
        >>> import numpy as np
        >>> UnitNorm()(np.array([[3.0, 0.0], [4.0, 0.0]])).round(6)
        array([[0.6, 0. ],
               [0.8, 0. ]])
    """

    def __init__(self, axis: Axis = 0) -> None:
        super().__init__(1, 1, 1, axis)

    def _bounds(self) -> dict[str, float]:
        return {}
