"""Rescales the vectors of a weight in place, without a temporary of the weight's size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from feasible.constraints import Constraint, NormConstraint

# As many float64 as a core's own cache holds.
_BLOCK = 1 << 16
# A float32 factor may not be larger, and smaller ones are multiplied without overflow.
_LARGEST_FACTOR = 2.0**100


def rescale(constraint: Constraint, view: Tensor) -> bool:
    """Bring the norms of a weight's vectors within their bounds, if that can be done in place.

    It gives what a call of the constraint gives, up to the last bit of what is moved; vectors that
    are feasible are left as they are, and if all are, nothing is written.

    Args:
        constraint: The constraint.
        view: The weight, in the layout in which the constraint counts axes.

    Returns:
        Whether it was done. It is not for other constraints and other devices, whose kernels would
        be waited for, for float64, which has no wider dtype to square in, inside a compiled
        function, and for vectors next to nothing, whose factors float32 cannot hold.
    """
    if (
        not isinstance(constraint, NormConstraint)
        or type(constraint).__call__ is not NormConstraint.__call__
        or view.device.type != "cpu"
        or view.dtype not in (torch.float32, torch.bfloat16, torch.float16)
        or view.ndim == 0
        or view.numel() == 0
        or torch.compiler.is_compiling()
    ):
        return False
    axes = constraint.vector_axes(view.shape)
    length = math.prod(view.shape[axis] for axis in axes)
    factors = constraint.factors(view, _squares(view, axes), length)
    if bool((factors > _LARGEST_FACTOR).any()):
        return False
    if bool((factors != 1.0).any()):
        view.mul_(factors.float())
    return True


def _squares(view: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Sum up the squares of each vector in float64, block by block along the slowest axis."""
    slowest = max(range(view.ndim), key=lambda axis: (view.shape[axis] > 1, view.stride(axis)))
    rows = max(_BLOCK * view.shape[slowest] // view.numel(), 1)
    blocks = torch.split(view, rows, dim=slowest)
    # One buffer for all: memory that is freed is given back, and costs more to get than to fill.
    buffer = torch.empty_like(blocks[0], dtype=torch.float64)
    sums = []
    for block in blocks:
        squares = buffer.narrow(slowest, 0, block.shape[slowest]).copy_(block).square_()
        sums.append(squares.sum(dim=axes, keepdim=True) if axes else squares.clone())
    if slowest in axes:
        return torch.stack(sums).sum(dim=0)
    return torch.cat(sums, dim=slowest)
