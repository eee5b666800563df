"""Constraints on the Euclidean norms of a weight's vectors: MaxNorm, MinMaxNorm, UnitNorm."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from feasible.arguments import InvalidArgumentError, check_number
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.euclidean import Norms, directions, norms, real_product, squares
from feasible.constraints.gate import Measurement
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps
from feasible.constraints.precision import Precision


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


@CONSTRAINTS.built_in("normconstraint", of_keras=False)
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
    takes_complex = True
    is_scaling = True
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

    @property
    def is_convex(self) -> bool:
        """Whether a vector between two feasible ones is feasible, and moved there at once."""
        return self.min_value == 0 and self.rate == 1

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest norm of a feasible vector."""
        return float(self.min_value), float(self.max_value)

    @property
    def interval(self) -> tuple[float, float]:
        """The largest norm, to either side."""
        return -self.bounds[1], self.bounds[1]

    def project(self, part: Part) -> Steps:
        """Return the entries scaled so that each vector's norm is within the bounds.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Sums of squares, and receives those of whole vectors.

        Returns:
            The scaled entries, and which vectors keep their bits.
        """
        bound = self._only_bound()
        found = norms(part, (yield squares(part, part.w, bound)), bound)
        stays, limits = self._stays(part, found), self.limits(part.precision, part.length)
        # What stays as it is gets a norm of 1, with which nothing below can go wrong.
        vectors = part.xp.where(stays, 1.0, found.scaled)
        target = part.xp.clip(vectors, limits.low * found.scale, limits.high * found.scale)
        if self.rate != 1:
            target = (1 - self.rate) * vectors + self.rate * target
        # Divided by the scale before by the norm: the factor of a tiny vector may be huge, but the
        # product of factor and entry is not. The division comes last, because compilers do one
        # only once for each vector, and anything after it again for each entry.
        factors = part.xp.where(stays, 1.0, target / found.scale) / vectors
        # A compiler compares one factor for each entry sooner than norms with their limits.
        if isinstance(found.scale, float):
            return part.wide * factors, factors == 1.0
        scales = part.xp.where(stays, 1.0, found.scale)
        return part.wide * scales * factors, (scales == 1.0) & (factors == 1.0)

    def measure(self, part: Part) -> Steps:
        """Return each vector's norm, and how far it is outside the bounds.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Sums of squares, and receives those of whole vectors.

        Returns:
            The norms and distances; of a zero vector, the smallest norm allowed.
        """
        found = norms(part, (yield squares(part, part.w)))
        xp, value = part.xp, found.value
        beyond = xp.abs(value - xp.clip(value, float(self.min_value), float(self.max_value)))
        rest = self._stays(part, found) & (value > 0) & xp.isfinite(value)
        return Measurement(value, xp.where(rest, 0.0, beyond))

    def project_tangent(self, part: Part, gradient: Array) -> Steps:
        """Return the gradient; of a vector at a bound, without what leads beyond it.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The projected gradient; of a zero vector, as it is.
        """
        xp, slack = part.xp, 4 * part.precision.slack
        found = norms(part, (yield squares(part, part.w)))
        direction = directions(part, found)
        (along,) = yield (part.total(real_product(part, direction, gradient)),)
        longer = (found.value >= self.max_value * (1 - slack)) & (along < 0)
        shorter = (found.value <= self.min_value * (1 + slack)) & (along > 0)
        return gradient - direction * xp.where(longer | shorter, along, xp.zeros_like(along))

    def limits(self, stored: Precision, length: int) -> Limits:
        """Return the bounds on the norms, with what rounding to the weight's dtype takes.

        Args:
            stored: The precision of the weight's dtype.
            length: How long a whole vector is.

        Returns:
            The norms that decide.
        """
        low = self.min_value * (1 + stored.inset)
        high = self.max_value * (1 - stored.inset)
        if self.min_value > 0 and low > high:
            low = high = (self.min_value + self.max_value) / 2
        rounding = stored.spacing * math.sqrt(length)
        least = self.min_value * (1 - stored.slack) - rounding
        most = self.max_value * (1 + stored.slack) + rounding
        return Limits(least, low, high, most)

    def _stays(self, part: Part, found: Norms) -> Array:
        """Return which vectors are feasible, or have no norm to scale."""
        limits, scale = self.limits(part.precision, part.length), found.scale
        inside = (found.scaled >= limits.least * scale) & (found.scaled <= limits.most * scale)
        return (found.scaled == 0) | ~part.xp.isfinite(found.scaled) | inside

    def _only_bound(self) -> float | None:
        """Return the norm beside which smaller ones do not matter, if there is one."""
        known = self.min_value == 0 and isinstance(self.max_value, int | float)
        return self.max_value if known else None

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as values that JSON can hold.

        Returns:
            Arguments by name, ``axis`` as an int, a list of ints, None or ``"unit"``.
        """
        config = super().get_config()
        axis = list(self.axis) if isinstance(self.axis, tuple) else self.axis
        return {**config, "axis": axis}


@CONSTRAINTS.built_in("maxnorm")
class MaxNorm(NormConstraint):
    r"""Keep the norm of each vector at or below a bound.

    It solves

    .. math::

        \min_v \lVert v - w \rVert
        \quad \text{subject to} \quad \lVert v \rVert \le \mathrm{max\_value}

    A longer vector is scaled to the bound.

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


@CONSTRAINTS.built_in("minmaxnorm")
class MinMaxNorm(NormConstraint):
    r"""Keep the norm of each vector between two bounds, or move it there step by step.

    A vector's norm becomes

    .. math::

        (1 - \mathrm{rate}) \lVert w \rVert
        + \mathrm{rate} \operatorname{clip}(\lVert w \rVert, \mathrm{min\_value},
        \mathrm{max\_value})

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


@CONSTRAINTS.built_in("unitnorm")
class UnitNorm(NormConstraint):
    r"""Give each vector norm 1; a zero vector, which has no direction, stays zero.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad \lVert v \rVert = 1

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
