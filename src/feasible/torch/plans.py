"""Decides how a constraint projects weights in place, those that are alike together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from feasible.constraints import NonNeg, NormConstraint
from feasible.torch.compiled import Compiled, Sizes, can_be_compiled, sizes_of
from feasible.torch.rescaling import DTYPES, Rescaling

# Entries of small weights that are projected at once.
_TOGETHER = 1 << 20


class Plan(Protocol):
    """How a constraint projects weights that are alike."""

    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device, with their axes in the order of
                memory.
        """


class Clipping:
    """How `NonNeg` sets negative entries to zero, those of small weights at once."""

    @torch.no_grad()
    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device.
        """
        for some in _in_groups(weights):
            if len(some) == 1:
                _clip(some[0])
            else:
                torch._foreach_copy_(some, list(_clip(torch.stack(some)).unbind()))


class Calling:
    """How a norm constraint is called for weights, at once for small ones, without waiting.

    Args:
        constraint: The constraint, on axes in the order of memory.
        axes: Those axes.
    """

    def __init__(self, constraint: NormConstraint, axes: Sequence[int]) -> None:
        self._constraint = constraint
        self._stacked = constraint.along([axis + 1 for axis in axes])

    @torch.no_grad()
    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device, with their axes in the order of
                memory.
        """
        for some in _in_groups(weights):
            if len(some) == 1:
                some[0].copy_(self._constraint(some[0]))
            else:
                torch._foreach_copy_(some, list(self._stacked(torch.stack(some)).unbind()))


def plan_of(constraint: object, view: Tensor) -> tuple[Plan, Tensor] | None:
    """Return how a constraint projects a weight in its own storage, where that is known.

    Args:
        constraint: The constraint.
        view: The weight, in the layout in which the constraint counts axes.

    Returns:
        The plan, one for all weights that are alike, and the weight with its axes in the order of
        memory; None for other constraints, and inside a compiled function.

    Example:
        >>> from feasible import UnitNorm
        >>> weight = torch.full((2, 4), 3.0)
        >>> plan, stored = plan_of(UnitNorm(), weight.t())
        >>> plan.project([stored])
        >>> weight[0]
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    kind = next((kind for kind in (NormConstraint, NonNeg) if isinstance(constraint, kind)), None)
    if (
        kind is None
        or type(constraint).__call__ is not kind.__call__
        or not view.is_floating_point()
        or view.is_meta
        or torch.compiler.is_compiling()
    ):
        return None
    order = sorted(range(view.ndim), key=view.stride, reverse=True)
    stored = view.permute(order)
    in_loops, device = can_be_compiled(stored), stored.device
    if not isinstance(constraint, NormConstraint):
        return (_clip_plan(stored.numel(), stored.dtype) if in_loops else _clipping), stored
    along = constraint.vector_axes(view.shape)
    axes = tuple(place for place, axis in enumerate(order) if axis in along)
    numbers = (constraint.min_value, constraint.max_value, constraint.rate)
    return _norm_plan(numbers, axes, stored.shape, stored.dtype, device, in_loops), stored


_clipping = Clipping()


@lru_cache(maxsize=1024)
def _clip_plan(entries: int, dtype: torch.dtype) -> Plan:
    return Compiled("clip", dtype, Sizes(1, 1, entries, 1))


@lru_cache(maxsize=1024)
def _norm_plan(
    numbers: tuple[float, float, float],
    axes: tuple[int, ...],
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
    in_loops: bool,
) -> Plan:
    constraint = NormConstraint(*numbers, axes)
    if device.type != "cpu" or dtype not in DTYPES or 0 in shape:
        return Calling(constraint, axes)
    _, length = constraint.vectors(shape)
    limits = constraint.limits(torch.empty(0, dtype=dtype), length)
    sizes = sizes_of(shape, axes) if in_loops else None
    if sizes is None:
        return Rescaling(axes, limits, constraint.rate)
    return Compiled("rescale", dtype, sizes, (*limits, constraint.rate))


def _in_groups(weights: list[Tensor]) -> Iterator[list[Tensor]]:
    """Return weights in groups that are small enough to be stacked, larger ones alone."""
    together = max(_TOGETHER // max(weights[0].numel(), 1), 1)
    return (weights[start : start + together] for start in range(0, len(weights), together))


def _clip(weight: Tensor) -> Tensor:
    # Below a threshold of the largest negative number; a maximum might turn -0.0 into 0.0.
    limits = torch.finfo(weight.dtype)
    return torch.threshold_(weight, -limits.smallest_normal * limits.eps, 0.0)
