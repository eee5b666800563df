"""Weights as matrices: which axes are the rows, which the columns, and which count matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis, vector_axes
from feasible.constraints.base import Constraint
from feasible.constraints.decompositions import roundings_of_decompositions
from feasible.constraints.parts import Part


class MatrixConstraint(Constraint):
    """A constraint on matrices, which are gathered where they are sharded.

    Args:
        axis: The axes that are a matrix's rows: an int, a sequence of ints, None for all, or
            ``"unit"`` for those of the weights incident to one unit. The others are its columns.
        batch: The axes whose every index is a matrix of its own.

    Raises:
        InvalidArgumentError: If an argument is none of these, or they share an axis.
    """

    whole_blocks = True

    def __init__(self, axis: Axis, batch: Axis) -> None:
        name = type(self).__name__
        self.axis = check_axis(name, axis)
        found = check_axis(name, batch, "batch")
        if found is None or isinstance(found, str):
            raise InvalidArgumentError(name, "batch", batch, "an int or a sequence of ints")
        self.batch = (found,) if isinstance(found, int) else found
        rows = (self.axis,) if isinstance(self.axis, int) else self.axis
        if isinstance(rows, tuple) and set(rows) & set(self.batch):
            raise InvalidArgumentError(
                name, "batch", batch, f"none of the axes of rows, axis={axis!r}"
            )

    def along(self, axes: Sequence[int]) -> Self:
        """Return this constraint on matrices whose rows lie along other axes.

        Args:
            axes: The axes, of which those of the batch are none of a row's.

        Returns:
            A constraint that differs in its axis only.
        """
        return super().along([axis for axis in axes if axis not in self.batch])

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes of one matrix: all but those of the batch.

        Args:
            shape: The weight's shape.

        Returns:
            The axes in ascending order.

        Raises:
            ValueError: If the shape does not have the axes of the rows or of the batch.
        """
        self.row_axes(shape)
        batch = vector_axes(type(self).__name__, self.batch, shape, "batch")
        return tuple(axis for axis in range(len(shape)) if axis not in batch)

    def row_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes that are the rows of a matrix.

        Args:
            shape: The weight's shape.

        Returns:
            The axes in ascending order, without those of the batch.

        Raises:
            ValueError: If the shape does not have such an axis, or all are of the batch.
        """
        name = type(self).__name__
        batch = vector_axes(name, self.batch, shape, "batch")
        given = vector_axes(name, self.axis, shape)
        rows = tuple(axis for axis in given if axis not in batch)
        if given and not rows and not isinstance(self.axis, str):
            raise ValueError(
                f"{name}: `batch` must leave rows, axis={self.axis!r}, of a weight of shape "
                f"{tuple(shape)}. Received: batch={self.batch!r}."
            )
        return rows

    def matrices(self, part: Part, values: Array) -> Array:
        """Return matrices that are whole here.

        Args:
            part: The weight.
            values: An array of its shape.

        Returns:
            An array of shape (*batch, rows, columns).
        """
        order, batch, rows, columns = self._order(part)
        shape = [part.w.shape[axis] for axis in batch]
        sizes = [math.prod([part.w.shape[axis] for axis in some]) for some in (rows, columns)]
        return part.xp.reshape(part.xp.permute_dims(values, order), (*shape, *sizes))

    def finite_matrices(self, part: Part) -> Array:
        """Return matrices in the dtype for sums; zeros for those with a NaN or an infinity.

        Args:
            part: The weight.

        Returns:
            An array of shape (*batch, rows, columns).
        """
        wide = part.wide
        return self.matrices(part, part.xp.where(part.is_finite, wide, part.xp.zeros_like(wide)))

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
        order = self._order(part)[0]
        moved = part.xp.reshape(matrices, tuple([part.w.shape[axis] for axis in order]))
        return part.xp.permute_dims(moved, tuple(map(order.index, range(len(order)))))

    def as_vectors(self, part: Part, values: Array) -> Array:
        """Return one number a matrix, of size 1 along the axes of matrices.

        Args:
            part: The weight.
            values: Numbers of shape (*batch,).

        Returns:
            An array that broadcasts to the weight.
        """
        shape = [1 if axis in part.axes else size for axis, size in enumerate(part.w.shape)]
        return part.xp.reshape(values, tuple(shape))

    def _order(self, part: Part) -> tuple[Any, ...]:
        stacked = part.stacked
        inside = part.w.shape[stacked:]
        rows = tuple(stacked + axis for axis in self.row_axes(inside))
        columns = tuple(axis for axis in part.axes if axis not in rows)
        batch = tuple(axis for axis in range(part.w.ndim) if axis not in part.axes)
        return (*batch, *rows, *columns), batch, rows, columns
