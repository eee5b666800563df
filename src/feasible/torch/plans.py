"""Decides how a constraint projects weights in place, those that are alike together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from feasible.constraints import NonNeg, NormConstraint
from feasible.torch.in_place import TOGETHER, Rescaling, can_be_rescaled, in_groups


class Plan(Protocol):
    """How a constraint projects weights that are alike."""

    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device, with their axes in the order of
                memory.
        """


class Clipping:
    """How `NonNeg` sets negative entries to zero: in one pass, or at once for small weights."""

    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device.
        """
        for some in in_groups(weights, 1 if weights[0].device.type == "cpu" else TOGETHER):
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

    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device, with their axes in the order of
                memory.
        """
        for some in in_groups(weights, TOGETHER):
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
    if not isinstance(constraint, NormConstraint):
        return _clipping, stored
    along = constraint.vector_axes(view.shape)
    axes = tuple(place for place, axis in enumerate(order) if axis in along)
    numbers = (constraint.min_value, constraint.max_value, constraint.rate)
    return _norm_plan(numbers, axes, stored.shape, stored.dtype, stored.device), stored


_clipping = Clipping()


@lru_cache(maxsize=1024)
def _norm_plan(
    numbers: tuple[float, float, float],
    axes: tuple[int, ...],
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
) -> Plan:
    constraint = NormConstraint(*numbers, axes)
    if device.type == "cpu" and can_be_rescaled(shape, dtype):
        return Rescaling(constraint, shape, dtype)
    return Calling(constraint, axes)


def _clip(weight: Tensor) -> Tensor:
    # Below a threshold of the largest negative number; a maximum might turn -0.0 into 0.0.
    limits = torch.finfo(weight.dtype)
    return torch.threshold_(weight, -limits.smallest_normal * limits.eps, 0.0)
