"""Decides how a constraint projects weights in place, those that are alike together."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from feasible.constraints import Constraint, Mask
from feasible.constraints.base import is_whole_call
from feasible.constraints.parts import Place
from feasible.torch.fast import Plan, fast_plan
from feasible.torch.fast.loop_plan import can_be_compiled
from feasible.torch.fast.set_plans import mask_plan
from feasible.torch.stacking import StackingPlan


def plan_of(
    constraint: object, view: Tensor, place: Place | None = None
) -> tuple[Plan, Tensor] | None:
    """Return how a constraint projects a weight in its own storage, where it can.

    Args:
        constraint: The constraint.
        view: The weight, in the layout in which the constraint counts axes.
        place: Where that is in a weight of which it is a part, with whole blocks.

    Returns:
        The plan, one for all weights that are alike, and the weight with its axes in the order of
        memory; None for a function of the whole weight, and inside a compiled function.

    Example:
        >>> from feasible import UnitNorm
        >>> weight = torch.full((2, 4), 3.0)
        >>> plan, stored = plan_of(UnitNorm(), weight.t())
        >>> plan.project([stored])
        >>> weight[0]
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if (
        not isinstance(constraint, Constraint)
        or is_whole_call(constraint)
        or not view.is_floating_point()
        or view.is_meta
        or torch.compiler.is_compiling()
    ):
        return None
    along = constraint.vector_axes(view.shape)
    order = sorted(range(view.ndim), key=view.stride, reverse=True)
    stored = view.permute(order)
    axes = tuple(place for place, axis in enumerate(order) if axis in along)
    plan = fast_plan(constraint, stored, axes)
    if isinstance(constraint, Mask) and place is None and can_be_compiled(stored):
        plan = _masking(constraint, tuple(order), view.shape, view.dtype)
    if plan is None and place is not None:
        plan = StackingPlan(constraint, along, tuple(map(order.index, range(view.ndim))), place)
    elif plan is None:
        places = tuple(map(order.index, range(view.ndim)))
        plan = _stacking(constraint, along, places, view.shape, view.dtype, view.device)
    return plan, stored


@lru_cache(maxsize=256)
def _masking(
    constraint: Mask, order: tuple[int, ...], shape: torch.Size, dtype: torch.dtype
) -> Plan | None:
    constraint.check_shape(shape)
    whole = torch.tensor(constraint.mask).expand(shape).permute(order)
    return mask_plan(whole.to(torch.uint8).contiguous(), dtype)


@lru_cache(maxsize=1024)
def _stacking(
    constraint: Constraint,
    axes: tuple[int, ...],
    order: tuple[int, ...],
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
) -> Plan:
    del shape, dtype, device  # by which weights are told apart
    return StackingPlan(constraint, axes, order)
