"""What constraints on the norms of a weight's vectors share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from feasible.arguments import InvalidArgumentError, check_number
from feasible.backends import Array, accumulation_dtype, astype, namespace
from feasible.constraints.axes import Axis, check_axis, vector_axes
from feasible.constraints.base import Constraint
from feasible.constraints.precision import precision


class _Judged(NamedTuple):
    """The norms of a weight's vectors, which may be scaled, and which vectors are feasible."""

    norms: Array
    scale: Array | float
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
        scaled, found = self._measured(w)
        moved = astype(scaled * self._factors(found), w.dtype)
        return namespace(w).where(found.feasible, w, moved)

    def squares(self, w: Array) -> Array:
        """Return the sum of squares of each vector, as far as it is in this part of a weight.

        With `rescaled`, it does what a call does for a weight whose vectors are spread over several
        devices: the sums are added up in between.

        Args:
            w: A part of a floating weight.

        Returns:
            The sums, in the dtype to accumulate in, with 1 for each axis of a vector.
        """
        xp = namespace(w)
        return _reduce(xp.sum, xp.square(_widened(w)), self.vector_axes(w.shape))

    def factors(self, w: Array, squares: Array, length: int) -> Array:
        """Return what to multiply each vector by to bring its norm within the bounds.

        Args:
            w: A floating weight, or a part of one, for its dtype.
            squares: The sum of squares of each vector, over all its parts.
            length: How long a whole vector is.

        Returns:
            The factors, in the dtype of the squares: exactly 1 for what comes back as it is.
        """
        return self._factors(self._judged(w, squares, 1.0, length))

    def rescaled(self, w: Array, squares: Array, length: int) -> Array:
        """Return a part of a weight with the norm of each whole vector within the bounds.

        Args:
            w: A part of a floating weight.
            squares: The sum of squares of each vector, over all its parts.
            length: How long a whole vector is.

        Returns:
            An array of the part's shape, dtype, device and library.
        """
        factors = self.factors(w, squares, length)
        return namespace(w).where(factors == 1.0, w, astype(_widened(w) * factors, w.dtype))

    def _measured(self, w: Array) -> tuple[Array, _Judged]:
        """Scale a weight so that it can be squared, and decide which vectors are feasible."""
        xp = namespace(w)
        axes = self.vector_axes(w.shape)
        scaled, scale = _scaled(type(self).__name__, w, axes)
        squares = _reduce(xp.sum, xp.square(scaled), axes)
        length = math.prod([w.shape[axis] for axis in axes])
        return scaled, self._judged(w, squares, scale, length)

    def _judged(self, w: Array, squares: Array, scale: Array | float, length: int) -> _Judged:
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
        return _Judged(norms, scale, low, high, feasible)

    def _factors(self, found: _Judged) -> Array:
        """Return what to multiply the scaled vectors by."""
        xp = namespace(found.norms)
        # What stays as it is gets a norm of 1, with which nothing below can go wrong.
        norms = xp.where(found.feasible, 1.0, found.norms)
        target = xp.clip(norms, found.low * found.scale, found.high * found.scale)
        target = (1 - self.rate) * norms + self.rate * target
        # Divided by the scale before by the norm: the factor of a tiny vector may be huge, but the
        # product of factor and entry is not.
        return xp.where(found.feasible, 1.0, (target / found.scale) / norms)

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
        _, found = self._measured(w)
        return namespace(w).reshape(found.norms / found.scale, (-1,))

    def violations(self, w: Array) -> Array:
        """Return how far each vector's norm is outside the bounds.

        Args:
            w: A floating weight of any shape.

        Returns:
            One distance a vector: 0 where it is feasible up to its dtype's rounding, NaN where it
            holds a NaN, and for a zero vector the smallest norm allowed.
        """
        _, found = self._measured(w)
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
