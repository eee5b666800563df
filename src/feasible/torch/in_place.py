"""Rescales the vectors of weights in place, without a temporary of a weight's size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import compress
from typing import NamedTuple

import torch
from torch import Tensor

from feasible.constraints import NormConstraint

# Entries that a core's own cache holds from one pass over them to the next, beside as many others.
_CACHED = 1 << 17
# Entries of small weights that are projected at once.
TOGETHER = 1 << 20
# Squares of so many entries are added up in float32 with an error that projecting twice does not
# show, even if one of them hides what all others add up to: in a row of memory, which PyTorch adds
# up in eight sums or more, and elsewhere.
_SHORT, _FEW = 64, 16
# Up to so many entries, the squares of a block are soonest added up in float64 throughout.
_SMALL = 1 << 14
# The squares of entries that are smaller, or larger, may leave float32's range.
_SMALLEST, _LARGEST = 2.0**-50, 2.0**50
# Entries that a call of the constraint is given at once: it makes several temporaries of float64.
_CALLED = 1 << 14


def can_be_rescaled(shape: Sequence[int], dtype: torch.dtype) -> bool:
    """Say whether weights can be rescaled in place.

    Args:
        shape: Their shape.
        dtype: Their dtype.

    Returns:
        Whether they can. They cannot in float64, which has no wider dtype to decide in.
    """
    some = bool(shape) and math.prod(shape) > 0
    return some and dtype in (torch.float32, torch.bfloat16, torch.float16)


def in_groups(weights: list[Tensor], entries: int) -> Iterator[list[Tensor]]:
    """Return weights in groups of up to so many entries, larger ones alone.

    Args:
        weights: The weights, of one shape.
        entries: How many entries a group has at most.

    Returns:
        The groups, in order.
    """
    together = max(entries // max(weights[0].numel(), 1), 1)
    return (weights[start : start + together] for start in range(0, len(weights), together))


class _Scratch(NamedTuple):
    """Memory for sums of squares; given back for each block, it costs more to get than to fill."""

    narrow: Tensor
    wide: Tensor

    @classmethod
    def of(cls, entries: int) -> _Scratch:
        """Take memory for blocks of so many entries, of which at least every third is a sum."""
        return cls(torch.empty(entries // 3), torch.empty(entries // 3, dtype=torch.float64))

    def like(self, block: Tensor) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Return both in a shape, if they are large enough."""
        count = block.numel()
        if count > len(self.narrow):
            return None, None
        return self.narrow[:count].view(block.shape), self.wide[:count].view(block.shape)


class Rescaling:
    """How a norm constraint rescales the vectors of weights of one shape, in place.

    It gives what a call of the constraint gives, up to the last bits of what is moved; vectors that
    are feasible are left as they are, and where all are, nothing is written. A block of a weight is
    written while a core's cache still holds it, unless vectors go on in other blocks. Where squares
    say too little, because something is next to nothing, infinite or NaN, the constraint decides.

    Args:
        constraint: A constraint, on axes in the order of memory.
        shape: The shape of the weights, which are on the CPU, in that order.
        dtype: Their dtype.
    """

    def __init__(
        self, constraint: NormConstraint, shape: Sequence[int], dtype: torch.dtype
    ) -> None:
        self._constraint = constraint
        self._axes = constraint.vector_axes(shape)
        _, length = constraint.vectors(shape)
        self._length = length
        limits = constraint.limits(torch.empty(0, dtype=dtype), length)
        self._limits = [torch.tensor(limit, dtype=torch.float32) for limit in limits]
        self._least, _, self._high, self._most = map(float, self._limits)
        self._one = torch.ones(())

        low, high = constraint.bounds
        smallest = _SMALLEST * math.sqrt(length)
        usual = all(bound == 0 or smallest < bound < _LARGEST for bound in (low, high))
        # Beside a usual bound, what is next to nothing is feasible, if that is allowed at all.
        self._smallest = 0.0 if limits.least <= 0 < limits.most and usual else smallest
        self._largest = _LARGEST if usual else -math.inf

        longer = [axis for axis, size in enumerate(shape) if size > 1]
        along = [axis for axis in longer if axis in self._axes]
        are_rows = bool(along) and longer[-len(along) :] == along and dtype == torch.float32
        self._first = min(along, default=0)
        self._piece = _piece(length) if are_rows else 0
        room = _CACHED * min(torch.get_num_threads(), 16)
        if self._piece:
            room *= 2
        elif math.prod(shape) <= 4 * room:
            # Vectors across rows are written after all is read, so that it need not stay cached.
            room *= 4
        self._room = room
        # PyTorch finds the norm of a long row in one pass, too, but with this error.
        error = length * 2.0**-24
        self._surely = low * (1 + error), high * (1 - error) - smallest
        self._can_be_skimmed = are_rows and self._surely[0] < self._surely[1]

    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of this shape and dtype, with their axes in the order of memory.
        """
        is_large = weights[0].numel() > self._room and not self._piece
        scratch = _Scratch.of(self._room) if is_large else None
        for some in in_groups(weights, TOGETHER):
            if len(some) == 1:
                self._rescale(some[0], scratch)
            else:
                self._rescale_together(some)

    def _rescale_together(self, weights: list[Tensor]) -> None:
        """Rescale small weights, whose norms are decided on at once."""
        norms = torch.stack([self._norms(weight) for weight in weights]).float()
        smallest, largest = self._extremes(norms)
        if self._is_beyond_squares(smallest, largest):
            for weight in weights:
                self._rescale(weight)
        elif not self._is_feasible(smallest, largest):
            factors = self._factors(norms, smallest)
            moved = (factors != 1).flatten(1).any(1).tolist()
            if any(moved):
                torch._foreach_mul_(
                    list(compress(weights, moved)), list(compress(factors.unbind(), moved))
                )

    def _rescale(self, weight: Tensor, scratch: _Scratch | None = None) -> bool:
        """Rescale a weight, or a part of one, and say whether it was surely feasible."""
        if weight.numel() > self._room:
            axis = _slowest(weight)
            if axis not in self._axes:
                self._rescale_blocks(weight, axis, scratch)
                return False
            norms = self._squares_by_blocks(weight, scratch).sqrt_().float()
        else:
            norms = self._norms(weight, scratch).float()
        smallest, largest = self._extremes(norms)
        if self._is_beyond_squares(smallest, largest):
            self._call(weight)
        elif not self._is_feasible(smallest, largest):
            weight.mul_(self._factors(norms, smallest))
        return self._is_surely_feasible(smallest, largest)

    def _rescale_blocks(self, weight: Tensor, axis: int, scratch: _Scratch | None) -> None:
        """Rescale a weight block by block along an axis that no vector lies along."""
        count, step = weight.shape[axis], self._rows(weight, axis)
        start, rows, skim = 0, step, self._can_be_skimmed
        while start < count:
            block = weight.narrow(axis, start, min(rows, count - start))
            if rows == step:
                surely = self._rescale(block, scratch)
            elif not (surely := self._is_skimmed(block)):
                rows, skim = step, False
                continue
            # After a block that is surely feasible may come more, which takes one pass to see.
            rows = 2 * rows if skim and surely else step
            start += block.shape[axis]

    def _norms(self, block: Tensor, scratch: _Scratch | None = None) -> Tensor:
        """Return the norms of a block's vectors, with 1 for each axis of a vector, in any dtype."""
        if self._piece and (self._piece == self._length or block.numel() <= _SMALL):
            # A single piece is exact enough in float32.
            dtype = torch.float32 if self._piece == self._length else torch.float64
            norms: Tensor = torch.linalg.vector_norm(block, 2, self._axes, True, dtype=dtype)
            return norms
        if self._piece:
            return self._norms_of_pieces(block)
        return self._squares(block, scratch).sqrt_() if self._axes else block.abs()

    def _norms_of_pieces(self, block: Tensor) -> Tensor:
        """Return the norms of rows of memory, in float64: those of the norms of their pieces."""
        rows = block.shape[: self._first]
        norms: Tensor = torch.linalg.vector_norm(block.reshape(*rows, -1, self._piece), 2, -1)
        norms = torch.linalg.vector_norm(norms, 2, -1, dtype=torch.float64)
        return norms.view(*rows, *[1] * (block.ndim - self._first))

    def _squares(self, block: Tensor, scratch: _Scratch | None) -> Tensor:
        """Return the sums of squares of a block's vectors, with 1 for each axis of a vector."""
        if self._piece:
            return self._norms_of_pieces(block).square_()
        wide = block.float()
        if self._length <= _FEW:
            return torch.mul(wide, wide).sum(self._axes, True)
        if wide.numel() <= _SMALL:
            return torch.mul(wide, wide).sum(self._axes, True, dtype=torch.float64)
        # Four squares are added up in float32, and their sums in float64, which is far slower.
        axis = max(self._axes, key=lambda axis: block.shape[axis])
        first, *others = wide.chunk(4, axis)
        narrow_out, wide_out = (None, None) if scratch is None else scratch.like(first)
        fours = torch.mul(first, first, out=narrow_out)
        for other in others:
            fours.narrow(axis, 0, other.shape[axis]).addcmul_(other, other)
        sums = fours.double() if wide_out is None else wide_out.copy_(fours)
        return sums.sum(self._axes, True)

    def _squares_by_blocks(self, weight: Tensor, scratch: _Scratch | None) -> Tensor:
        """Return the sums of squares of a weight's vectors, those of blocks added in float64."""
        if weight.numel() <= self._room:
            return self._squares(weight, scratch).double()
        axis = _slowest(weight)
        blocks = torch.split(weight, self._rows(weight, axis), axis)
        sums = (self._squares_by_blocks(block, scratch) for block in blocks)
        return reduce(Tensor.add_, sums) if axis in self._axes else torch.cat(tuple(sums), axis)

    def _rows(self, weight: Tensor, axis: int) -> int:
        """Return how many indices along an axis make a block."""
        return max(self._room * weight.shape[axis] // weight.numel(), 1)

    def _extremes(self, norms: Tensor) -> tuple[float, float]:
        """Return the smallest norm, or 0 where any would do, and the largest."""
        if self._smallest == 0 and self._largest == _LARGEST:
            return 0.0, float(norms.max())
        smallest, largest = torch.aminmax(norms)
        return float(smallest), float(largest)

    def _is_skimmed(self, block: Tensor) -> bool:
        norms = torch.linalg.vector_norm(block, 2, self._axes)
        return self._is_surely_feasible(*self._extremes(norms))

    def _is_surely_feasible(self, smallest: float, largest: float) -> bool:
        return self._surely[0] <= smallest and largest <= self._surely[1]

    def _is_beyond_squares(self, smallest: float, largest: float) -> bool:
        return not (self._smallest <= smallest and largest <= self._largest)  # so also for NaN

    def _is_feasible(self, smallest: float, largest: float) -> bool:
        return self._least <= smallest and largest <= self._most

    def _factors(self, norms: Tensor, smallest: float) -> Tensor:
        """Return what to multiply the vectors by: those that are feasible by exactly 1."""
        least, low, high, most = self._limits
        if smallest >= self._least and self._high > 0:
            # What is feasible becomes the bound, which divided by itself is 1.
            norms = torch.threshold(norms, self._most, self._high)
            factors = torch.div(high, norms)
        else:
            outside = norms.clamp(least, most) != norms
            factors = torch.where(outside, norms.clamp(low, high).div_(norms), self._one)
        if (rate := self._constraint.rate) != 1:
            factors = torch.where(factors == 1, factors, factors * rate + (1 - rate))
        return factors

    def _call(self, weight: Tensor) -> None:
        """Let the constraint decide, on small parts where vectors allow it."""
        others = [axis for axis in range(weight.ndim) if axis not in self._axes]
        axis = max(others, key=lambda axis: weight.shape[axis], default=0)
        rows = max(_CALLED * weight.shape[axis] // weight.numel(), 1)
        for part in torch.split(weight, rows, axis) if others else [weight]:
            part.copy_(self._constraint(part))


def _slowest(weight: Tensor) -> int:
    """Return the first axis in memory along which there is more than one."""
    return next(axis for axis, size in enumerate(weight.shape) if size > 1)


def _piece(length: int) -> int:
    """Return the length of the pieces that a row falls into: short ones, or 0 for no such."""
    if length <= _SHORT:
        return length
    sizes = range(_SHORT, _SHORT // 3, -1) if length <= _CACHED else ()
    return next((size for size in sizes if length % size == 0), 0)
