"""Constraints on the norms of a weight's vectors: MaxNorm, MinMaxNorm, UnitNorm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from feasible.arguments import InvalidArgumentError, check_number
from feasible.backends import Array, accumulation_dtype, astype, namespace
from feasible.constraints.axes import Axis, check_axis, vector_axes
from feasible.constraints.base import Constraint
from feasible.constraints.precision import precision


class _Measured(NamedTuple):
    """A weight's vectors, scaled so that they can be squared, and their norms at that scale."""

    scaled: Array
    scale: Array | float
    norms: Array
    low: float
    high: float
    feasible: Array


class NormConstraint(Constraint):
    """A constraint that scales each vector of a weight to bring its norm between two bounds.

    It is what the norm constraints share. Norms are Euclidean, and accumulated in float64, or in
    float32 where there is no wider dtype; vectors too large or too small to square are scaled by a
    power of two first. A vector that is feasible, zero, or holds a NaN or an infinity comes back
    bit for bit: zero has no direction, and the others no norm to scale.

    Args:
        min_value: The smallest norm, at least 0.
        max_value: The largest norm, at least `min_value`.
        rate: How much of the way to the bound a norm is moved, from 0 to 1.
        axis: The axes that one vector lies along: an int, a sequence of ints, None for the whole
            weight, or ``"unit"`` for the weights incident to one unit.

    Raises:
        InvalidArgumentError: If a bound, the rate or the axis is none of these.
    """

    quantity = "norm"
    min_value: float
    max_value: float
    rate: float

    def __init__(self, min_value: float, max_value: float, rate: float, axis: Axis) -> None:
        name = type(self).__name__
        self.min_value = check_number(name, "min_value", min_value, minimum=0)
        self.max_value = check_number(name, "max_value", max_value, minimum=0)
        self.rate = check_number(name, "rate", rate, minimum=0, maximum=1)
        self.axis = check_axis(name, axis)
        if self.min_value > self.max_value:
            raise InvalidArgumentError(
                name, "min_value", min_value, f"at most max_value, which is {max_value!r}"
            )

    def __call__(self, w: Array) -> Array:
        """Return the weight with each vector's norm within the bounds.

        Args:
            w: A floating weight of any shape.

        Returns:
            An array of the same shape, dtype, device and library.

        Raises:
            TypeError: If the weight is not of a floating dtype.
            ValueError: If the weight does not have the constraint's axes.
        """
        return self._moved(w, self._measured(w))

    def squares(self, w: Array) -> Array:
        """Return the sum of squares of each vector, as far as it is in this part of a weight.

        With `rescaled`, it does what a call does for a weight whose vectors are spread over several
        devices: the sums are added up in between.

        Args:
            w: A part of a floating weight.

        Returns:
            The sums, in the dtype to accumulate in, with 1 for each axis of a vector.
        """
        axes = self.vector_axes(w.shape)
        return _reduce(namespace(w).sum, namespace(w).square(_widened(w)), axes)

    def rescaled(self, w: Array, squares: Array, length: int) -> Array:
        """Return a part of a weight with the norm of each whole vector within the bounds.

        Args:
            w: A part of a floating weight.
            squares: The sum of squares of each vector, over all its parts.
            length: How long a whole vector is.

        Returns:
            An array of the part's shape, dtype, device and library.
        """
        return self._moved(w, self._judged(w, _widened(w), 1.0, squares, length))

    def _measured(self, w: Array) -> _Measured:
        """Measure each vector, and decide which are feasible."""
        xp = namespace(w)
        axes = self.vector_axes(w.shape)
        scaled, scale = _scaled(type(self).__name__, w, axes)
        squares = _reduce(xp.sum, xp.square(scaled), axes)
        return self._judged(w, scaled, scale, squares, math.prod([w.shape[axis] for axis in axes]))

    def _judged(
        self, w: Array, scaled: Array, scale: Array | float, squares: Array, length: int
    ) -> _Measured:
        """Decide which vectors are feasible by their sums of squares."""
        xp = namespace(w)
        stored = precision(type(self).__name__, w)
        # The root of zero has no derivative, so that zeros are kept from it.
        zero = squares == 0
        norms = xp.where(zero, 0.0, xp.sqrt(xp.where(zero, 1.0, squares)))
        low = self.min_value * (1 + stored.inset)
        high = self.max_value * (1 - stored.inset)
        if low > high:
            low = high = (self.min_value + self.max_value) / 2
        rounding = stored.spacing * math.sqrt(length)
        feasible = zero | ~xp.isfinite(norms)
        feasible |= (norms >= (self.min_value * (1 - stored.slack) - rounding) * scale) & (
            norms <= (self.max_value * (1 + stored.slack) + rounding) * scale
        )
        return _Measured(scaled, scale, norms, low, high, feasible)

    def _moved(self, w: Array, found: _Measured) -> Array:
        """Scale the vectors that are not feasible."""
        xp = namespace(w)
        # What stays as it is gets a norm of 1, with which nothing below can go wrong.
        norms = xp.where(found.feasible, 1.0, found.norms)
        target = xp.clip(norms, found.low * found.scale, found.high * found.scale)
        target = (1 - self.rate) * norms + self.rate * target
        # Divided by the scale before by the norm: the factor of a tiny vector may be huge, but the
        # product of factor and entry is not.
        factor = xp.where(found.feasible, 1.0, (target / found.scale) / norms)
        moved = astype(found.scaled * factor, w.dtype)
        return xp.where(found.feasible, w, moved)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as values that JSON can hold.

        Returns:
            Arguments by name, ``axis`` as an int, a list of ints, None or ``"unit"``.
        """
        axis = list(self.axis) if isinstance(self.axis, tuple) else self.axis
        return {**self._bounds(), "axis": axis}

    def _bounds(self) -> dict[str, float]:
        """Return the constructor's arguments but the axis."""
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate}

    def resolve(self, unit_axes: Sequence[int]) -> Self:
        """Return this constraint with ``axis="unit"`` replaced by the axes it stands for.

        Args:
            unit_axes: The axes that hold the weights incident to one unit, for one parameter.

        Returns:
            An equal constraint if its axis is not ``"unit"``.
        """
        if self.axis != "unit":
            return self
        return self.from_config({**self.get_config(), "axis": list(unit_axes)})

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes that one vector of a weight of this shape lies along.

        Args:
            shape: The weight's shape.

        Returns:
            The axes that `axis` names, counted from 0, in ascending order.

        Raises:
            ValueError: If the shape does not have such an axis.
        """
        return vector_axes(type(self).__name__, self.axis, shape)

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest norm of a feasible vector."""
        return float(self.min_value), float(self.max_value)

    def measured(self, w: Array) -> Array:
        """Return the norm of each vector.

        Args:
            w: A floating weight of any shape.

        Returns:
            One norm a vector.
        """
        found = self._measured(w)
        return namespace(w).reshape(found.norms / found.scale, (-1,))

    def violations(self, w: Array) -> Array:
        """Return how far each vector's norm is outside the bounds.

        Args:
            w: A floating weight of any shape.

        Returns:
            One distance a vector: 0 where it is feasible up to its dtype's rounding, NaN where it
            holds a NaN, and for a zero vector the smallest norm allowed.
        """
        found = self._measured(w)
        xp = namespace(w)
        norms = found.norms / found.scale
        beyond = xp.abs(norms - xp.clip(norms, float(self.min_value), float(self.max_value)))
        rest = found.feasible & (norms > 0) & xp.isfinite(norms)
        return xp.reshape(xp.where(rest, 0.0, beyond), (-1,))


def _reduce(reduction: Any, array: Array, axes: tuple[int, ...]) -> Array:
    """Reduce over some axes, which stay with size 1; over no axes, each element is its own."""
    return reduction(array, axis=axes, keepdims=True) if axes else array


def _widened(w: Array) -> Array:
    return astype(w, accumulation_dtype(w))


def _scaled(owner: str, w: Array, axes: tuple[int, ...]) -> tuple[Array, Array | float]:
    """Return a weight in the dtype to accumulate in, scaled so that squares keep in its range."""
    xp, wide = namespace(w), _widened(w)
    stored, accumulated = precision(owner, w), precision(owner, wide)
    if stored.largest_square < accumulated.largest_square or 0 in w.shape:
        return wide, 1.0
    peak = _reduce(xp.max, xp.abs(wide), axes)
    scale = xp.where(peak > accumulated.largest_square, accumulated.down, xp.ones_like(peak))
    scale = xp.where(peak < accumulated.smallest_square, accumulated.up, scale)
    return wide * scale, scale


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
