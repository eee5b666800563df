"""Square matrices within weights, which lie along two axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.constraints.axes import check_axis, vector_axes
from feasible.constraints.base import Constraint
from feasible.constraints.decompositions import roundings_of_decompositions
from feasible.constraints.parts import Part


class SquareConstraint(Constraint):
    """A constraint on square matrices, which are gathered where they are sharded.

    Args:
        axes: The two axes that a matrix lies along; every index of the others is one of its own.

    Raises:
        InvalidArgumentError: If they are not two ints.
    """

    whole_blocks = True

    def __init__(self, axes: Sequence[int]) -> None:
        found: Any = check_axis(type(self).__name__, axes, "axes")
        if not isinstance(found, tuple) or len(found) != 2:
            raise InvalidArgumentError(type(self).__name__, "axes", axes, "two distinct ints")
        self.axes = found

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes of one matrix.

        Args:
            shape: The weight's shape.

        Returns:
            The two axes in ascending order.

        Raises:
            ValueError: If the shape does not have them.
        """
        return vector_axes(type(self).__name__, self.axes, shape, "axes")

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not have the axes, or its matrices are not square.
        """
        super().check_shape(shape)
        first, second = (shape[axis] for axis in self.vector_axes(shape))
        if first != second:
            raise ValueError(
                f"{type(self).__name__}: matrices along axes={self.axes!r} must be square. "
                f"Received: {first} x {second}, of a weight of shape {tuple(shape)}."
            )

    def matrices(self, part: Part, values: Array) -> Array:
        """Return matrices that are whole here.

        Args:
            part: The weight.
            values: An array of its shape.

        Returns:
            An array of shape (*others, n, n).
        """
        return part.xp.permute_dims(values, self._order(part))

    def roundings(self, part: Part) -> float:
        """Return how many roundings of its dtype may move a matrix that is feasible.

        Args:
            part: The weight.

        Returns:
            More than 1.0 where decompositions round as much as the weight's dtype does.
        """
        return roundings_of_decompositions(part)

    def as_weight(self, part: Part, matrices: Array) -> Array:
        """Return matrices in the order of the weight's entries.

        Args:
            part: The weight.
            matrices: An array of the shape that `matrices` returned.

        Returns:
            An array of the weight's shape.
        """
        order = self._order(part)
        return part.xp.permute_dims(matrices, tuple(map(order.index, range(len(order)))))

    def _order(self, part: Part) -> tuple[int, ...]:
        return (*(axis for axis in range(part.w.ndim) if axis not in part.axes), *part.axes)
