"""Two constraints at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array, astype
from feasible.constraints.base import Constraint, block_axes, is_whole_call
from feasible.constraints.dykstra import alternate
from feasible.constraints.emptiness import common_interval, refuse_empty, refuse_empty_for
from feasible.constraints.gate import (
    project_whole,
    projection_steps,
    tangent_steps,
    tangent_whole,
)
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.nesting import constraint_argument
from feasible.constraints.parts import Part, Steps
from feasible.constraints.rays import ray_of_entries
from feasible.constraints.sets.fixed_sum import FixedSum
from feasible.constraints.sets.hyperplanes import Hyperplane
from feasible.constraints.sets.mask import Mask
from feasible.constraints.sets.sphere import Sphere

# What Dykstra's algorithm leaves of what would be zero, in units of its tolerance.
_NEAR = 16.0


@CONSTRAINTS.built_in("intersection", of_keras=False)
class Intersection(Constraint):
    r"""Keep a weight in two sets at once, written ``first & second``.

    It solves

    .. math::

        \min_v \lVert v - w \rVert
        \quad \text{subject to} \quad v \in \mathrm{first} \cap \mathrm{second}

    One projection after the other is that where both constrain entries alone, or where the first is
    a cone, such as `NonNeg`, `Monotone`, `Mask` or `TopK`, and the second scales whole vectors of
    it, as `MaxNorm`, `MinMaxNorm`, `UnitNorm` and `Sphere` do. For other pairs of convex sets it is
    found by Dykstra's algorithm, to the rounding of the weight's dtype; what is sharded is
    gathered. Others are refused: their projection is not known.

    Args:
        first: A constraint.
        second: Another.

    Raises:
        InvalidArgumentError: If the projection is not known, or no weight satisfies both.

    Example:
        >>> import numpy as np
        >>> from feasible import MaxNorm, NonNeg
        >>> (NonNeg() & MaxNorm(1))(np.array([3.0, -4.0])).round(6)
        array([1., 0.])

    Source:
        Bauschke, Combettes: Convex Analysis and Monotone Operator Theory in Hilbert Spaces, 2017,
        section 30.2; a cone and a ball: Bauschke, Bui, Wang: Projecting onto the intersection of a
        cone and a sphere, 2018.
    """

    def __init__(self, first: Any, second: Any) -> None:
        self.first = constraint_argument("Intersection", "first", first)
        self.second = constraint_argument("Intersection", "second", second)
        refuse_empty(self.first, self.second)
        if self._ordered is None and not self.is_convex:
            raise InvalidArgumentError(
                "Intersection",
                "second",
                second,
                "such that the nearest weight that also satisfies first is known: both convex, "
                "both on single entries, or a cone with what scales its vectors. Where any weight "
                "that satisfies both will do, write a function that projects onto one and then "
                f"the other. With first={self.first!r}",
            )
        if isinstance(self._scaling, Sphere) and not self._cone.has_ray:
            raise InvalidArgumentError(
                "Intersection",
                "second",
                second,
                f"such that a vector of which {self._cone!r} leaves nothing has a nearest "
                f"direction that is known. With first={self.first!r}",
            )

    @property
    def _ordered(self) -> tuple[Constraint, Constraint] | None:
        """The two in the order in which they are applied; None where no order is enough."""
        one, other = self.first, self.second
        if is_whole_call(one) or is_whole_call(other):
            return None
        if one.is_entrywise and other.is_entrywise:
            if isinstance(one, Mask):
                return other, one
            return (one, other) if isinstance(other, Mask) or self.is_convex else None
        pairs = ((one, other), (other, one))
        return next((pair for pair in pairs if pair[0].is_cone and pair[1].is_scaling), None)

    @property
    def interval(self) -> tuple[Any, Any]:
        """Between which numbers entries lie that satisfy both."""
        return common_interval(self.first, self.second)

    @property
    def is_convex(self) -> bool:
        """Whether both are."""
        return bool(self.first.is_convex and self.second.is_convex)

    @property
    def is_cone(self) -> bool:
        """Whether both are."""
        return bool(self.first.is_cone and self.second.is_cone)

    @property
    def has_ray(self) -> bool:
        """Whether the nearest direction is known: where each entry is constrained alone."""
        return self.is_entrywise and self.is_cone and self.is_convex

    @property
    def is_entrywise(self) -> bool:
        """Whether both are."""
        return bool(self.first.is_entrywise and self.second.is_entrywise)

    @property
    def takes_complex(self) -> bool:
        """Whether both do."""
        return bool(self.first.takes_complex and self.second.takes_complex)

    @property
    def tangent_by_default(self) -> bool:
        """Whether one of them does."""
        return bool(self.first.tangent_by_default or self.second.tangent_by_default)

    @property
    def whole_blocks(self) -> bool:
        """Whether blocks are gathered: where one is, or sums go over other blocks than the other's.

        What a sum over some of the axes of a block goes over is not known of a part.
        """
        one, other = self.first, self.second
        # Which direction is nearest is no matter of sums.
        if isinstance(one, Sphere) or isinstance(other, Sphere):
            return True
        if self._ordered is None or one.whole_blocks or other.whole_blocks:
            return True
        axes = [getattr(each, "axis", None) for each in (one, other) if not each.is_entrywise]
        return any(axis != axes[0] for axis in axes)

    @property
    def in_units(self) -> bool:
        """Whether axes of either are still to be replaced by those of a layer's units."""
        return self.first.in_units or self.second.in_units

    def resolve(self, unit_axes: Sequence[int]) -> Self:
        """Return this constraint with ``axis="unit"`` replaced by the axes it stands for.

        Args:
            unit_axes: The axes that hold the weights incident to one unit.

        Returns:
            A constraint of both, resolved.
        """
        if not self.in_units:
            return self
        return self.replace(
            first=self.first.resolve(unit_axes), second=self.second.resolve(unit_axes)
        )

    def along(self, axes: Sequence[int]) -> Self:
        """Return this constraint on blocks that lie along other axes.

        Args:
            axes: The axes.

        Returns:
            A constraint of both, on those.
        """
        return self.replace(first=self.first.along(axes), second=self.second.along(axes))

    @property
    def needs_initial_weight(self) -> bool:
        """Whether one of both does."""
        return self.first.needs_initial_weight or self.second.needs_initial_weight

    def declared_for(self, w: Array) -> Constraint:
        """Return this constraint as it holds for a weight for which it is declared.

        Args:
            w: The weight, in the layout in which the constraint counts axes.

        Returns:
            A constraint of both, of which nothing depends on what the weight was.
        """
        return self.replace(first=self.first.declared_for(w), second=self.second.declared_for(w))

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes of either.

        Args:
            shape: The weight's shape.

        Returns:
            The axes in ascending order.

        Raises:
            ValueError: If the shape does not have them.
        """
        return tuple(sorted({*block_axes(self.first, shape), *block_axes(self.second, shape)}))

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not fit one of both, if no weight of the shape satisfies both, or
                if the projection is not known, because a cone's vectors are not parts of those that
                are scaled.
        """
        self.first.check_shape(shape)
        self.second.check_shape(shape)
        refuse_empty_for(self.first, self.second, shape)
        is_line = isinstance(self._cone, FixedSum | Hyperplane) and self._cone.vectors(shape)[1] < 2
        if isinstance(self._scaling, Sphere) and is_line:
            raise ValueError(
                f"Intersection: {self._cone!r} leaves vectors of one entry, in a weight of shape "
                f"{tuple(shape)}, no direction to scale."
            )
        if not (self._is_exact(len(shape)) or self.is_convex):
            raise ValueError(
                f"Intersection: the nearest weight of shape {tuple(shape)} that satisfies both "
                f"{self.first!r} and {self.second!r} is not known, unless each vector of the one "
                "is part of a vector of the other. Give both the same axis."
            )

    def project(self, part: Part) -> Any:
        """Return the entries projected onto both.

        Args:
            part: The weight, or what of it is here.

        Returns:
            The entries; of a pair that is applied in order, with which blocks keep their bits, and
            where blocks are not whole, steps that lead to them.
        """
        if self._ordered is not None and self._is_exact(part.w.ndim - part.stacked):
            if not part.is_whole:
                return self._in_order(part, self._ordered)
            entries = part.w
            for each in self._ordered:
                if isinstance(each, Sphere) and not each.needs_initial_weight:
                    entries = self._with_directions(part, entries, each)
                entries = project_whole(each, _part_for(each, part, entries))
            # What was infinite, one of both may have clipped.
            return entries, ~part.is_finite if part.axes else False
        start = part.xp.where(part.is_finite, part.wide, part.xp.zeros_like(part.wide))

        def onto(each: Constraint) -> Any:
            return lambda values: _projected(each, part, values)

        pair, tolerance = (onto(self.first), onto(self.second)), _tolerance(part)
        # Once more from there, as it may be small beside where it came from, and so rounded.
        found = alternate(*pair, start, part.axes, tolerance)
        return alternate(*pair, found, part.axes, tolerance)

    def _with_directions(self, part: Part, entries: Array, sphere: Sphere) -> Array:
        """Return what is left in a cone; where that is zero, the nearest direction."""
        cone, vectors = self._cone, _part_for(sphere, part, part.w)
        is_zero = entries == 0
        if vectors.axes:
            is_zero = part.xp.all(is_zero, axis=vectors.axes, keepdims=True)
        ray = astype(cone.ray(vectors), entries.dtype)
        return part.xp.where(is_zero & vectors.is_finite, ray, entries)

    @property
    def _cone(self) -> Constraint:
        """The one of both that is applied first, where they are in an order."""
        return self._ordered[0] if self._ordered is not None else self.first

    @property
    def _scaling(self) -> Constraint:
        """The one that is applied to what is left."""
        return self._ordered[1] if self._ordered is not None else self.second

    def _in_order(self, part: Part, ordered: tuple[Constraint, Constraint]) -> Steps:
        entries = part.w
        for each in ordered:
            entries = yield from projection_steps(each, _part_for(each, part, entries))
        unknown = part.xp.astype(~part.xp.isfinite(part.w), part.wide.dtype)
        (count,) = yield (part.total(unknown),)
        return entries, count > 0

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Entries of vectors of norm 1, of which one is not zero.
        """
        return ray_of_entries(part, self.interval)

    def project_tangent(self, part: Part, gradient: Array) -> Steps:
        """Return the gradient along which a weight stays in both.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Yields:
            Sums, and receives those of whole blocks.

        Returns:
            The projected gradient.
        """
        if self._ordered is not None and self._is_exact(part.w.ndim - part.stacked):
            for each in self._ordered:
                gradient = yield from tangent_steps(each, _part_for(each, part, part.w), gradient)
            return gradient

        # How far apart the two leave entries, some rounds before the end.
        xp, sizes = part.xp, part.xp.abs(part.finite)
        largest = xp.max(sizes, axis=part.axes, keepdims=True) if part.axes else sizes
        leeway = _NEAR * _tolerance(part) * largest + xp.zeros_like(sizes)

        def onto(each: Constraint) -> Any:
            inner = _part_for(each, part, part.w, leeway)
            return lambda values: tangent_whole(each, inner, values)

        return alternate(onto(self.first), onto(self.second), gradient, part.axes, _tolerance(part))

    def _is_exact(self, rank: int) -> bool:
        """Return whether, for weights of some rank, one projection after the other is nearest."""
        if self._ordered is None:
            return False
        cone, scaling = self._ordered
        shape = (1,) * rank
        return set(block_axes(cone, shape)) <= set(block_axes(scaling, shape)) or self.is_entrywise

    def __repr__(self) -> str:
        nested = isinstance(self.second, Intersection)
        second = f"({self.second!r})" if nested else repr(self.second)
        return f"{self.first!r} & {second}"


def _part_for(
    constraint: Constraint, part: Part, entries: Array, leeway: Array | float = 0.0
) -> Part:
    """Return a part as one of the two sees it."""
    inside = part.w.shape[part.stacked :]
    axes = tuple(part.stacked + axis for axis in block_axes(constraint, inside))
    length = part.length if axes == part.axes else None
    owner = type(constraint).__name__
    return Part(
        entries,
        axes,
        owner,
        length=length,
        place=part.place,
        stacked=part.stacked,
        leeway=leeway,
    )


def _projected(constraint: Constraint, part: Part, values: Array) -> Array:
    if is_whole_call(constraint):
        return constraint(values)
    return project_whole(constraint, _part_for(constraint, part, values))


def _tolerance(part: Part) -> float:
    """Return how far apart, relatively, what was projected onto either may be."""
    computed = float(part.xp.finfo(part.wide.dtype).eps)
    return max(part.precision.slack / 4, 4 * computed)
