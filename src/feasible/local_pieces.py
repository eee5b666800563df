"""Where a process's piece of a sharded parameter lies in Keras layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from feasible.axis_placement import permute_axes
from feasible.layouts import ParameterLayout


class LocalPiece(NamedTuple):
    """A piece of a parameter that is stored in pieces, in Keras layout.

    Attributes:
        view: The piece, with as many axes as the whole has.
        slices: Where it lies in the whole, whose `joined` axes count as one.
        joined: Axes in Keras layout that come from one stored axis, which the piece cuts in the
            middle of a group. All of its rows lie along the first, and the others have size 1: of
            use where no vector lies along any of them.
        shape: The shape of the whole in Keras layout.
    """

    view: Any
    slices: tuple[slice, ...]
    joined: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]

    def of(self, whole: Any) -> Any:
        """Return this piece of an array in Keras layout, such as of bounds.

        Args:
            whole: An array that broadcasts to the whole parameter, with as many axes.

        Returns:
            An array that broadcasts to `view`.

        Example:
            >>> import numpy as np
            >>> layout = ParameterLayout("weight", "kernel", "out in", "in out")
            >>> local_piece(layout, (4, 2), np.ones((1, 2)), (3, 0)).of(np.array([[5, 6, 7, 8]]))
            array([[8]])
        """
        shape = [*self.shape]
        for axes in self.joined:
            if any(whole.shape[axis] != 1 for axis in axes):
                whole = _joined(whole, axes, shape)
            shape[axes[0]] = math.prod(shape[axis] for axis in axes)
            for axis in axes[1:]:
                shape[axis] = 1
        return whole[
            tuple(
                slice(None) if own == 1 != size else along
                for own, size, along in zip(whole.shape, shape, self.slices, strict=True)
            )
        ]


def local_piece(
    layout: ParameterLayout, stored_shape: Sequence[int], local: Any, offsets: Sequence[int]
) -> LocalPiece:
    """Return a piece of a parameter in Keras layout.

    Args:
        layout: The layout of the whole.
        stored_shape: The shape of the whole, as it is stored.
        local: The piece, as it is stored: of PyTorch, NumPy or JAX.
        offsets: Where the piece begins along each stored axis.

    Returns:
        A view of the piece, or of what the layout's part has of it, and where that lies.

    Raises:
        ValueError: If a parameter of this shape cannot be stored so.

    Example:
        >>> import numpy as np
        >>> layout = ParameterLayout("weight", "kernel", "(group in) out", "group out in",
        ...     sizes=(("group", 2),))
        >>> piece = local_piece(layout, (4, 3), np.ones((2, 3)), (2, 0))
        >>> piece.view.shape, piece.slices[0]
        ((1, 3, 2), slice(1, 2, None))
    """
    place = layout.placement(stored_shape)
    # An axis that Keras lacks can be in another process.
    is_elsewhere = any(
        not sizes and not local.shape[axis] for axis, sizes in enumerate(place.splits)
    )
    taken: list[slice] = []
    slices: list[slice] = []
    joined: list[tuple[int, ...]] = []
    for axis, ((start, stop), sizes) in enumerate(zip(place.bounds, place.splits, strict=True)):
        offset = offsets[axis]
        first = min(max(start - offset, 0), local.shape[axis])
        last = max(min(stop - offset, local.shape[axis]), first)
        if is_elsewhere:
            last = first
        taken.append(slice(first, last))
        begin = max(offset + first - start, 0)
        along = _nested(begin, begin + last - first, sizes) if sizes else []
        if along is None:
            joined.append(tuple(range(len(slices), len(slices) + len(sizes))))
            along = [slice(begin, begin + last - first), *[slice(0, 1)] * (len(sizes) - 1)]
        slices += along
    view = local[tuple(taken)].reshape(tuple(along.stop - along.start for along in slices))
    return LocalPiece(
        permute_axes(view, place.order),
        tuple(slices[one] for one in place.order),
        tuple(tuple(place.order.index(one) for one in axes) for axes in joined),
        place.shape,
    )


def _nested(start: int, stop: int, sizes: Sequence[int]) -> list[slice] | None:
    """Return what an interval of a split axis is along each axis; None where it cuts a group."""
    if len(sizes) == 1:
        return [slice(start, stop)]
    inner = math.prod(sizes[1:])
    if start == stop:
        return [slice(0, 0), *(slice(0, size) for size in sizes[1:])]
    if start % inner == 0 and stop % inner == 0:
        return [slice(start // inner, stop // inner), *(slice(0, size) for size in sizes[1:])]
    group = start // inner
    if stop > (group + 1) * inner:
        return None
    within = _nested(start - group * inner, stop - group * inner, sizes[1:])
    return within and [slice(group, group + 1), *within]


def _joined(whole: Any, axes: Sequence[int], shape: Sequence[int]) -> Any:
    """Return an array with some of its axes as one, in the place of the first of them."""
    full = [shape[axis] if axis in axes else size for axis, size in enumerate(whole.shape)]
    whole = whole.expand(full) if hasattr(whole, "expand") else np.broadcast_to(whole, full)
    others = [axis for axis in range(len(full)) if axis not in axes]
    order = (*axes, *others)
    rows = permute_axes(whole, order).reshape(
        (-1, *[1] * (len(axes) - 1), *(full[axis] for axis in others))
    )
    return permute_axes(rows, tuple(map(order.index, range(len(order)))))
