"""What constraints on the norms of a weight's vectors share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from feasible.arguments import InvalidArgumentError, check_number
from feasible.backends import Array, accumulation_dtype, astype, namespace, value_of
from feasible.constraints.axes import Axis, check_axis, vector_axes
from feasible.constraints.base import Constraint
from feasible.constraints.precision import precision


class Limits(NamedTuple):
    """Between which norms a vector is feasible, and to which norms one is brought that is not.

    Attributes:
        least: The smallest norm that counts as feasible.
        low: What a smaller norm is brought to.
        high: What a larger norm is brought to.
        most: The largest norm that counts as feasible.
    """

    least: float
    low: float
    high: float
    most: float


class _Judged(NamedTuple):
    """The norms of a weight's vectors, which may be scaled, and which vectors are feasible."""

    norms: Array
    scale: Array | float
    limits: Limits
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
        w, given = value_of(w), w
        if self.axis == "unit" and given is not w:
            raise ValueError(
                f'{self!r}: axis="unit" needs to know the layer of the Keras variable '
                f"{given.path}. Import feasible.keras before the layer is built, or give the axes "
                "as integers."
            )
        scaled, found = self._measured(w)
        moved = astype(scaled * self._factors(found), w.dtype)
        return namespace(w).where(found.feasible, w, moved)

    def squares(self, w: Array) -> Array:
        """Return the sums of squares of each vector, as far as it is in this part of a weight.

        With `rescaled`, it does what a call does in a single reduction, for a weight whose vectors
        are spread over several devices: the sums are added up in between.

        Args:
            w: A part of a floating weight.

        Returns:
            The sums, in the dtype to accumulate in, of the weight's shape with 1 for each axis of a
            vector, after a first axis of size 1; or of size 3, where no one scale keeps all
            magnitudes in range: the sums of what is scaled up, as it is, and scaled down.
        """
        xp, wide, scales = namespace(w), _widened(w), self._scales(w)
        axes = self.vector_axes(w.shape)
        if len(scales) == 1:
            scaled = wide if scales == (1.0,) else wide * scales[0]
            return _reduce(xp.sum, xp.square(scaled), axes)[None, ...]
        # A vector with an entry beyond its row's is not counted by that row. So nothing overflows,
        # and derivatives neither.
        largest = (scales[2] ** 0.5, scales[0] ** 0.5, math.inf)
        factors, largest = (
            xp.reshape(xp.asarray(one, dtype=wide.dtype), (-1, *(1 for _ in w.shape)))
            for one in (scales, largest)
        )
        rows = xp.clip(wide[None, ...], -largest, largest) * factors
        return _reduce(xp.sum, xp.square(rows), tuple(axis + 1 for axis in axes))

    def _scales(self, w: Array) -> tuple[float, ...]:
        """Return by what to multiply a weight before it is squared, so that one row is in range."""
        owner = type(self).__name__
        accumulator = namespace(w).zeros((), dtype=accumulation_dtype(w))
        stored, accumulated = precision(owner, w), precision(owner, accumulator)
        if stored.largest_square < accumulated.largest_square:
            return (1.0,)
        near = accumulated.smallest_square < self.max_value < accumulated.largest_square
        if self.min_value == 0 and near:
            # What is too small to be squared beside this bound is feasible.
            return (accumulated.reach * 2.0 ** -round(math.log2(self.max_value)),)
        return accumulated.up, 1.0, accumulated.down

    def rescaled(self, w: Array, squares: Array, length: int) -> Array:
        """Return a part of a weight with the norm of each whole vector within the bounds.

        Args:
            w: A part of a floating weight.
            squares: What `squares` returned, summed up over all parts of the weight.
            length: How long a whole vector is.

        Returns:
            An array of the part's shape, dtype, device and library.
        """
        product = _widened(w)
        same: Array = True
        for factors in self._multipliers(w, squares, length):
            product = product * factors
            same = same & (factors == 1.0)
        return namespace(w).where(same, w, astype(product, w.dtype))

    def _multipliers(self, w: Array, squares: Array, length: int) -> tuple[Array, ...]:
        """Return by what to multiply each vector, in turn: by exactly 1 what stays as it is."""
        xp, scales = namespace(squares), self._scales(w)
        if len(scales) == 1:
            norms = _root(squares[0, ...]) / scales[0]
            return (self._factors(self._judged(w, norms, 1.0, length)),)
        up, _, down = scales
        too_small, too_large = squares[1, ...] < down, squares[2, ...] > down
        scale = xp.where(too_large, down, xp.where(too_small, up, xp.ones_like(squares[1, ...])))
        chosen = xp.where(too_small, squares[0, ...], squares[1, ...])
        norms = _root(xp.where(too_large, squares[2, ...], chosen))
        found = self._judged(w, norms, scale, length)
        return xp.where(found.feasible, 1.0, scale), self._factors(found)

    def limits(self, w: Array, length: int) -> Limits:
        """Return the bounds on the norms, with what rounding to the weight's dtype takes.

        Args:
            w: A floating weight, or a part of one, for its dtype.
            length: How long a whole vector is.

        Returns:
            The norms that decide.
        """
        stored = precision(type(self).__name__, w)
        low = self.min_value * (1 + stored.inset)
        high = self.max_value * (1 - stored.inset)
        if low > high:
            low = high = (self.min_value + self.max_value) / 2
        rounding = stored.spacing * math.sqrt(length)
        least = self.min_value * (1 - stored.slack) - rounding
        most = self.max_value * (1 + stored.slack) + rounding
        return Limits(least, low, high, most)

    def _measured(self, w: Array) -> tuple[Array, _Judged]:
        """Scale a weight so that it can be squared, and decide which vectors are feasible."""
        xp = namespace(w)
        axes = self.vector_axes(w.shape)
        scaled, scale = _scaled(type(self).__name__, w, axes)
        norms = _root(_reduce(xp.sum, xp.square(scaled), axes))
        length = math.prod([w.shape[axis] for axis in axes])
        return scaled, self._judged(w, norms, scale, length)

    def _judged(self, w: Array, norms: Array, scale: Array | float, length: int) -> _Judged:
        """Decide which vectors are feasible by their norms, which may be scaled."""
        limits = self.limits(w, length)
        feasible = (norms == 0) | ~namespace(w).isfinite(norms)
        feasible |= (norms >= limits.least * scale) & (norms <= limits.most * scale)
        return _Judged(norms, scale, limits, feasible)

    def _factors(self, found: _Judged) -> Array:
        """Return what to multiply the scaled vectors by."""
        xp, limits = namespace(found.norms), found.limits
        # What stays as it is gets a norm of 1, with which nothing below can go wrong.
        norms = xp.where(found.feasible, 1.0, found.norms)
        target = xp.clip(norms, limits.low * found.scale, limits.high * found.scale)
        if self.rate != 1:
            target = (1 - self.rate) * norms + self.rate * target
        # Divided by the scale before by the norm: the factor of a tiny vector may be huge, but the
        # product of factor and entry is not. The division comes last, because compilers do one
        # only once for each vector, and anything after it again for each entry.
        return xp.where(found.feasible, 1.0, target / found.scale) / norms

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
        return self.along(unit_axes) if self.axis == "unit" else self

    def along(self, axes: Sequence[int]) -> Self:
        """Return this constraint on vectors that lie along other axes.

        Args:
            axes: The axes.

        Returns:
            A constraint that differs in its axis only.
        """
        return self.from_config({**self.get_config(), "axis": list(axes)})

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


def _root(squares: Array) -> Array:
    """Return the root; the root of zero has no derivative, so that zeros are kept from it."""
    xp = namespace(squares)
    zero = squares == 0
    return xp.where(zero, 0.0, xp.sqrt(xp.where(zero, 1.0, squares)))


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
