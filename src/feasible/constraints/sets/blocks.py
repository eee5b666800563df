"""A constraint on each of several blocks of a weight, such as those of heads or gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.backends import Array
from feasible.constraints.axes import check_axis, vector_axes
from feasible.constraints.base import Constraint, block_axes, is_whole_call
from feasible.constraints.gate import Measurement, project_whole, tangent_whole
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.nesting import constraint_argument
from feasible.constraints.parts import Part, Place, Steps, run
from feasible.local_pieces import LocalPiece


@CONSTRAINTS.built_in("blocks", of_keras=False)
class Blocks(Constraint):
    """Keep each of several blocks along an axis feasible, alone.

    It is for weights that are several, side by side: fused queries, keys and values, attention
    heads, or the gates of an LSTM. Each is projected alone. Blocks that are sharded are gathered.

    Args:
        constraint: What each block must satisfy; its axes are those of the weight.
        axis: The axis along which the blocks lie.
        sizes: How long each block is; together, as long as the axis.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> from feasible import MaxNorm
        >>> w = np.array([3.0, 4.0, 0.6, 0.8])
        >>> Blocks(MaxNorm(1, axis=0), axis=0, sizes=(2, 2))(w).round(6)
        array([0.6, 0.8, 0.6, 0.8])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 2.1: separable sums.
    """

    whole_blocks = True

    def __init__(self, constraint: Any, axis: int, sizes: Sequence[int]) -> None:
        self.constraint = constraint_argument("Blocks", "constraint", constraint)
        found = check_axis("Blocks", axis)
        if not isinstance(found, int):
            raise InvalidArgumentError("Blocks", "axis", axis, "an int")
        self.axis = found
        if isinstance(sizes, int) or not sizes:
            raise InvalidArgumentError("Blocks", "sizes", sizes, "the size of each block")
        self.sizes = tuple(check_integer("Blocks", "sizes", size) for size in sizes)

    @property
    def quantity(self) -> str:  # type: ignore[override]
        """What the constraint on the blocks bounds."""
        return self.constraint.quantity

    @property
    def bounds(self) -> tuple[float, float]:
        """Those of the constraint on the blocks."""
        return self.constraint.bounds

    @property
    def takes_complex(self) -> bool:
        """Whether the constraint on the blocks does."""
        return bool(self.constraint.takes_complex)

    @property
    def tangent_by_default(self) -> bool:
        """Whether the constraint on the blocks does."""
        return bool(self.constraint.tangent_by_default)

    @property
    def is_convex(self) -> bool:
        """Whether the constraint on the blocks is."""
        return bool(self.constraint.is_convex)

    @property
    def is_cone(self) -> bool:
        """Whether the constraint on the blocks is."""
        return bool(self.constraint.is_cone)

    @property
    def in_units(self) -> bool:
        """Whether axes of the constraint on the blocks are still to be replaced."""
        return self.constraint.in_units

    def along(self, axes: Sequence[int]) -> Self:
        """Return this constraint, that on the blocks along other axes.

        Args:
            axes: The axes.

        Returns:
            A constraint that differs in those axes only.
        """
        return self.replace(constraint=self.constraint.along(axes))

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes that must be whole: those of the constraint, and that of the blocks.

        Args:
            shape: The weight's shape.

        Returns:
            The axes in ascending order.

        Raises:
            ValueError: If the shape does not have them.
        """
        (own,) = vector_axes("Blocks", self.axis, shape)
        return tuple(sorted({own, *block_axes(self.constraint, shape)}))

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If the blocks are not as long as the axis, or one cannot be constrained.
        """
        (own,) = vector_axes("Blocks", self.axis, shape)
        if sum(self.sizes) != shape[own]:
            raise ValueError(
                f"Blocks: the sizes of blocks along axis={self.axis} must add up to {shape[own]}, "
                f"as the weight is of shape {tuple(shape)}. Received: sizes={self.sizes!r}, which "
                f"add up to {sum(self.sizes)}."
            )
        for size in dict.fromkeys(self.sizes):
            self.constraint.check_shape((*shape[:own], size, *shape[own + 1 :]))

    def vectors(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return how many vectors all blocks hold, and how long the longest is.

        Args:
            shape: The weight's shape.

        Returns:
            Their count and length.
        """
        (own,) = vector_axes("Blocks", self.axis, shape)
        found = [
            self.constraint.vectors((*shape[:own], size, *shape[own + 1 :])) for size in self.sizes
        ]
        return sum(count for count, _ in found), max(length for _, length in found)

    def project(self, part: Part) -> tuple[Array, Any]:
        """Return the entries of projected blocks.

        Args:
            part: The weight, of whole blocks.

        Returns:
            The entries, of which none is looked at again.
        """
        found = [self._projected(block) for block in self._blocks(part, part.w)]
        return part.xp.concat(found, axis=self._place(part)), False

    def _projected(self, block: Part) -> Array:
        if is_whole_call(self.constraint):
            return self.constraint(block.w)
        return project_whole(self.constraint, block)

    def measure(self, part: Part) -> Steps:
        """Return what was found of each block, side by side.

        Args:
            part: The weight, of whole blocks.

        Yields:
            Nothing: blocks are whole.

        Returns:
            What the constraint on the blocks measures.
        """
        yield from ()
        found = [run(self.constraint.measure(block)) for block in self._blocks(part, part.w)]
        axis = self._place(part)
        return Measurement(
            *(part.xp.concat([*some], axis=axis) for some in zip(*found, strict=True))
        )

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient, of each block projected alone.

        Args:
            part: The weight, of whole blocks.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        pairs = zip(self._blocks(part, part.w), self._blocks(part, gradient), strict=True)
        found = [tangent_whole(self.constraint, block, one.w) for block, one in pairs]
        return part.xp.concat(found, axis=self._place(part))

    def _place(self, part: Part) -> int:
        (own,) = vector_axes("Blocks", self.axis, part.w.shape[part.stacked :])
        return part.stacked + own

    def _blocks(self, part: Part, values: Array) -> list[Part]:
        """Return the blocks of an array of the weight's shape."""
        place, found, start = self._place(part), [], 0
        for size in self.sizes:
            here = tuple(
                slice(start, start + size) if axis == place else slice(None)
                for axis in range(part.w.ndim)
            )
            block = values[here]
            whole = _place_in_block(part.place, place - part.stacked, size)
            axes = block_axes(self.constraint, block.shape[part.stacked :])
            shifted = tuple(part.stacked + axis for axis in axes)
            owner = type(self.constraint).__name__
            found.append(Part(block, shifted, owner, place=whole, stacked=part.stacked))
            start += size
        return found


def _place_in_block(place: Place | None, axis: int, size: int) -> Place | None:
    """Return where entries are in a block that they are all of, along its axis."""
    if place is None:
        return None
    slices = place.slices if isinstance(place, LocalPiece) else place
    inside = (*slices[:axis], slice(0, size), *slices[axis + 1 :])
    if isinstance(place, LocalPiece):
        shape = (*place.shape[:axis], size, *place.shape[axis + 1 :])
        return place._replace(slices=inside, shape=shape)
    return inside
