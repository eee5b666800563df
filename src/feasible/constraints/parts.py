"""What a set is told of a weight, and who adds up what its projection sums.

A projection needs, besides what is local, only sums over a block: the part of a weight that is
constrained alone. So it is written as a generator that yields partial sums and receives totals.
Whoever runs it decides what a sum is: of a whole array itself, of a sharded one an all-reduce, of
several parameters with one norm the sum of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from types import GeneratorType
from typing import Any

import numpy as np

from feasible.backends import (
    Array,
    accumulation_dtype,
    astype,
    beside,
    dtype_name,
    is_complex,
    namespace,
    wide_dtype,
)
from feasible.constraints.precision import Precision, precision
from feasible.local_pieces import LocalPiece

Sums = tuple[Array, ...]
ProjectionResult = Array | tuple[Array, Array]
Place = tuple[slice, ...] | LocalPiece
Steps = Generator[Sums, Sums, Any]


class Part:
    """A weight, or what of it is here, as a set sees it.

    Args:
        w: The entries, with axes as in the layout in which the constraint counts, after any axes
            along which weights that are alike are stacked.
        axes: The axes of `w` that one block lies along.
        owner: The constraint's name, for messages.
        length: How many entries a whole block has; None if blocks are whole here.
        place: Where the entries are in the weight: a slice an axis, or the piece of a weight that
            is stored in pieces; None if they are all of it.
        stacked: How many leading axes count weights that are stacked.
        near_bound: Whether norms need only be right as far as they are near a bound, in one pass.
        leeway: How far an entry may be from a bound that it is at, of the shape of `w`: 0.0 where
            a projection brings it there exactly, more where it comes near by alternating.

    Attributes:
        xp: The array API namespace of the entries.

    Example:
        >>> part = Part(np.array([[3.0, 0.0], [4.0, 1.0]]), (0,))
        >>> part.total(part.w)
        array([[7., 1.]])
    """

    def __init__(
        self,
        w: Array,
        axes: tuple[int, ...],
        owner: str = "Constraint",
        *,
        length: int | None = None,
        place: Place | None = None,
        stacked: int = 0,
        near_bound: bool = False,
        leeway: Array | float = 0.0,
    ) -> None:
        self.w = w
        self.axes = axes
        self.owner = owner
        self.xp = namespace(w)
        self.length = math.prod([w.shape[axis] for axis in axes]) if length is None else length
        self.place = place
        self.stacked = stacked
        self.near_bound = near_bound
        self.leeway = leeway

    def of_block(self, entries: Array, vector_axes: Callable[..., tuple[int, ...]]) -> Part:
        """Return other entries in place of these, in the blocks of one constraint.

        Args:
            entries: The entries, of the same shape.
            vector_axes: From a weight's shape to the axes of such a block, which is whole here.

        Returns:
            A part.
        """
        axes = vector_axes(self.w.shape[self.stacked :])
        shifted = tuple(self.stacked + axis for axis in axes)
        return Part(entries, shifted, self.owner, place=self.place, stacked=self.stacked)

    @property
    def is_whole(self) -> bool:
        """Whether all entries of each block are here."""
        return bool(self.length == math.prod([self.w.shape[axis] for axis in self.axes]))

    @property
    def wide(self) -> Array:
        """The entries in the dtype in which sums are taken: float64 where there is one."""
        return astype(self.w, wide_dtype(self.w))

    @property
    def is_finite(self) -> Array:
        """Which blocks, that are whole here, hold neither a NaN nor an infinity."""
        finite = self.xp.isfinite(self.w)
        return self.xp.all(finite, axis=self.axes, keepdims=True) if self.axes else finite

    @property
    def is_first(self) -> Array:
        """Which entries are the first of their block."""
        begins: Any = [0] * self.w.ndim
        if self.place is not None:
            place = self.place
            slices = place.slices if isinstance(place, LocalPiece) else place
            begins = [0] * self.stacked + [along.start or 0 for along in slices]
        first = self.xp.ones_like(self.w, dtype=self.xp.bool)
        for axis in self.axes:
            shape = [-1 if one == axis else 1 for one in range(self.w.ndim)]
            here = begins[axis] + np.arange(self.w.shape[axis]) == 0
            first = first & self.xp.reshape(beside(here, self.w, None), tuple(shape))
        return first

    @property
    def precision(self) -> Precision:
        """What rounding to the weight's dtype does to a block; TypeError if it is no float."""
        # Of a complex number, each part is rounded as a real one.
        return precision(self.owner, self.xp.real(self.w) if is_complex(self.w) else self.w)

    def total(self, values: Array) -> Array:
        """Return the sums over what is here of each block, to be yielded for those of the whole.

        Args:
            values: An array of the shape of `w`.

        Returns:
            Sums, of size 1 along the axes of a block.
        """
        return self.xp.sum(values, axis=self.axes, keepdims=True) if self.axes else values

    def array(self, values: Any) -> Array:
        """Return a number or an array of a constraint as it belongs to the entries that are here.

        Args:
            values: A number, or a NumPy array that broadcasts to the whole weight in Keras layout.

        Returns:
            The number; or an array of the entries' library, device and dtype for sums, which
            broadcasts to `w`.
        """
        if not isinstance(values, np.ndarray):
            return values
        rank = self.w.ndim - self.stacked
        if values.ndim > rank:
            raise ValueError(
                f"{self.owner}: an array of shape {values.shape} does not broadcast to a weight "
                f"with {rank} axes."
            )
        values = values.reshape((1,) * (rank - values.ndim) + values.shape)
        if isinstance(self.place, LocalPiece):
            values = self.place.of(values)
        elif self.place is not None:
            here = zip(self.place, values.shape, strict=True)
            values = values[tuple(slice(None) if size == 1 else part for part, size in here)]
        # Copied, because PyTorch takes no array that is read-only. What it is of is asked of the
        # result, because PyTorch's compiler traces no dtype of NumPy's.
        array = self.xp.asarray(values.copy())
        is_mask = dtype_name(array) == "bool"
        return beside(array, self.w, None if is_mask else accumulation_dtype(self.w))

    @property
    def finite(self) -> Array:
        """The entries in the dtype for sums, with zeros for NaN and infinities."""
        wide = self.wide
        return self.xp.where(self.xp.isfinite(wide), wide, self.xp.zeros_like(wide))

    @property
    def passes(self) -> int:
        """How often to project: once more where sums are no more exact than the weight's dtype.

        The result may be much smaller than the weight, and what was rounded large beside it.
        """
        return 2 if dtype_name(self.wide) == dtype_name(self.w) else 1

    @property
    def finite_blocks(self) -> Array:
        """The blocks as columns in the dtype for sums; those with a NaN or infinity as zeros."""
        wide = self.wide
        return self.blocks(self.xp.where(self.is_finite, wide, self.xp.zeros_like(wide)))

    def blocks(self, values: Array | None = None) -> Array:
        """Return the blocks, which are whole here, as columns.

        Args:
            values: An array of the shape of `w`; by default, the entries.

        Returns:
            An array of shape (length, *others), the entries of a block in row-major order.
        """
        order = (*self.axes, *(axis for axis in range(self.w.ndim) if axis not in self.axes))
        moved = self.xp.permute_dims(self.w if values is None else values, order)
        return self.xp.reshape(moved, (self.length, *moved.shape[len(self.axes) :]))

    @property
    def leeway_blocks(self) -> Array | float:
        """How far entries of blocks, as columns, may be from a bound that they are at."""
        return self.leeway if isinstance(self.leeway, float) else self.blocks(self.leeway)

    def unblocked(self, blocks: Array) -> Array:
        """Return columns of blocks in the order of the weight's entries.

        Args:
            blocks: An array of the shape that `blocks` returned.

        Returns:
            An array of the shape of `w`.
        """
        order = (*self.axes, *(axis for axis in range(self.w.ndim) if axis not in self.axes))
        moved = self.xp.reshape(blocks, tuple(self.w.shape[axis] for axis in order))
        return self.xp.permute_dims(moved, tuple(map(order.index, range(len(order)))))


def refuse_complex(constraint: Any, w: Array, owner: str | None = None) -> None:
    """Raise if a weight is complex, and its constraint has no meaning for complex numbers.

    Args:
        constraint: The constraint, or any callable.
        w: The weight.
        owner: What to call it in the message; by default, by its class.

    Raises:
        TypeError: If it is.

    Example:
        >>> refuse_complex(abs, np.ones(3))
    """
    if is_complex(w) and not getattr(constraint, "takes_complex", False):
        owner = owner or type(constraint).__name__
        raise TypeError(
            f"{owner}: the weight must be real. Received: {dtype_name(w)} of shape "
            f"{tuple(w.shape)}. Constrain its real and imaginary parts as weights of their own."
        )


def run(steps: Any) -> Any:
    """Run a projection or a measure of a whole array, where each sum is a total already.

    Args:
        steps: What a set's `project` or `measure` returned: a generator, or at once its result.

    Returns:
        The result.

    Example:
        >>> def halves(part):
        ...     (total,) = yield (part.total(part.w),)
        ...     return part.w / total
        >>> run(halves(Part(np.array([1.0, 3.0]), (0,))))
        array([0.25, 0.75])
    """
    if not isinstance(steps, GeneratorType):
        return steps
    try:
        sums = next(steps)
        while True:
            sums = steps.send(sums)
    except StopIteration as stop:
        # Not its value, of which PyTorch's compiler cannot tell the type.
        return stop.args[0]


def run_together(
    several: Sequence[Any], add: Callable[[dict[int, Sums]], dict[int, Sums]]
) -> list[Any]:
    """Run several projections step by step, so that their sums are added up at once.

    Args:
        several: What the sets' `project` or `measure` returned.
        add: From the partial sums of those that have any, by their places, to the totals.

    Returns:
        Their results.

    Example:
        >>> def halves(part):
        ...     (total,) = yield (part.total(part.w),)
        ...     return part.w / total
        >>> parts = [Part(np.array([1.0]), (0,)), Part(np.array([3.0]), (0,))]
        >>> run_together([halves(part) for part in parts], added_together)
        [array([0.25]), array([0.75])]
    """
    results: dict[int, Any] = {}
    totals: dict[int, Sums | None] = {}
    for place, steps in enumerate(several):
        if isinstance(steps, GeneratorType):
            totals[place] = None
        else:
            results[place] = steps
    while totals:
        sums = {}
        for place, total in totals.items():
            try:
                sums[place] = several[place].send(total)
            except StopIteration as stop:
                results[place] = stop.value
        totals = dict(add(sums)) if sums else {}
    return [results[place] for place in range(len(several))]


def added_together(sums: dict[int, Sums]) -> dict[int, Sums]:
    """Add up the sums of arrays that are parts of one block each, such as two halves of a weight.

    Args:
        sums: Partial sums by place, of shapes that agree, or of one number each.

    Returns:
        The totals, the same for all, in the shape that each has.
    """
    first, *others = sums.values()
    totals = list(first)
    for other in others:
        totals = [
            total + namespace(total).reshape(one, total.shape)
            for total, one in zip(totals, other, strict=True)
        ]
    return {
        place: tuple(
            namespace(one).reshape(total, one.shape) for total, one in zip(totals, own, strict=True)
        )
        for place, own in sums.items()
    }
