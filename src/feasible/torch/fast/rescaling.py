"""Rescales the vectors of weights in place, by PyTorch's operations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from feasible.constraints.sets.norms import Limits

# Entries whose squares are taken at once: as float64 they stay in a core's cache.
_TOGETHER = 1 << 16
# By factors in between, products of float32 keep their digits.
_SMALL, _LARGE = 2.0**-100, 2.0**100
# Those whose squares float64 holds.
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class RescalingPlan:
    """How a norm constraint rescales weights on a CPU where there is no compiled loop for them.

    It takes no memory of a weight's size, and writes only where something is to be moved.

    Args:
        axes: The axes, in the order of memory, that a vector lies along.
        limits: Between which norms vectors are feasible, in the weights' dtype, one of `DTYPES`.
        rate: How much of the way to the bound a norm is moved.
    """

    def __init__(self, axes: Sequence[int], limits: Limits, rate: float) -> None:
        self._axes = tuple(axes)
        self._limits = limits
        self._rate = rate

    @torch.no_grad()
    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape and dtype, with their axes in the order of memory.
        """
        for weight in weights:
            # Along axes that come before those of vectors, memory falls into whole vectors.
            before = range(min(self._axes, default=weight.ndim))
            for part in _parts(weight, before):
                self._rescale(_parts(part, self._axes))

    def _rescale(self, parts: Sequence[Tensor]) -> None:
        """Rescale vectors that lie in some parts of a weight, each in all of them."""
        squares = reduce(Tensor.add_, map(self._squares, parts))
        factors = self._factors(squares.sqrt_())
        moved = factors[factors != 1]
        if len(moved):
            if moved.min() > _SMALL and moved.max() < _LARGE:
                factors = factors.float()
            for part in parts:
                part.mul_(factors)

    def _squares(self, part: Tensor) -> Tensor:
        squares = part.double().square_()
        return squares.sum(self._axes, True) if self._axes else squares

    def _factors(self, norms: Tensor) -> Tensor:
        """Return what to multiply vectors by: by exactly 1 what is feasible, or has no norm."""
        least, low, high, most = self._limits
        stays = (norms == 0) | ~norms.isfinite() | ((least <= norms) & (norms <= most))
        target = torch.lerp(norms, norms.clamp(low, high), self._rate)
        return torch.where(stays, 1.0, target / norms)


def _parts(weight: Tensor, axes: Sequence[int]) -> Sequence[Tensor]:
    """Return a weight in parts along the first of some axes, small parts if they can be."""
    axis = next((axis for axis in axes if weight.shape[axis] > 1), None)
    if axis is None or weight.numel() <= _TOGETHER:
        return [weight]
    rows = max(_TOGETHER * weight.shape[axis] // weight.numel(), 1)
    return torch.split(weight, rows, axis)
