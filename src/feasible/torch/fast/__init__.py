"""Faster ways to project in place, by the exact type of the constraint.

A class that is derived from one of these is another constraint, and is projected by its own
mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor

from feasible.constraints import MaxNorm, MinMaxNorm, NonNeg, NormConstraint, UnitNorm
from feasible.constraints.precision import precision
from feasible.torch.fast.clipping import ClippingPlan
from feasible.torch.fast.loop_plan import LoopPlan, LoopSizes, can_be_compiled, sizes_of
from feasible.torch.fast.rescaling import DTYPES, RescalingPlan


class Plan(Protocol):
    """How a constraint projects weights that are alike."""

    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device, with their axes in the order of
                memory.
        """


def fast_plan(constraint: object, stored: Tensor, axes: tuple[int, ...]) -> Plan | None:
    """Return a faster way to project weights, where there is one.

    Args:
        constraint: The constraint.
        stored: A weight, with its axes in the order of memory.
        axes: The axes of that along which a vector lies.

    Returns:
        The way, the same for all weights that are alike; None where there is none.

    Example:
        >>> fast_plan(abs, torch.ones(2), (0,))
    """
    plan = _FAST.get(type(constraint))
    return None if plan is None else plan(constraint, stored, axes)


def _clip(constraint: Any, stored: Tensor, axes: tuple[int, ...]) -> Plan:
    del constraint, axes
    if can_be_compiled(stored):
        return _clipping_loop(stored.numel(), stored.dtype)
    return _clipping


def _rescale(constraint: Any, stored: Tensor, axes: tuple[int, ...]) -> Plan | None:
    on_cpu = stored.device.type == "cpu"
    if not on_cpu or stored.dtype not in DTYPES or 0 in stored.shape:
        return None
    numbers = (constraint.min_value, constraint.max_value, constraint.rate)
    return _rescaling(numbers, axes, stored.shape, stored.dtype, can_be_compiled(stored))


_FAST: dict[type, Callable[[Any, Tensor, tuple[int, ...]], Plan | None]] = {
    NonNeg: _clip,
    **dict.fromkeys((MaxNorm, MinMaxNorm, NormConstraint, UnitNorm), _rescale),
}
_clipping = ClippingPlan()


@lru_cache(maxsize=1024)
def _clipping_loop(entries: int, dtype: torch.dtype) -> Plan:
    return LoopPlan("clip", dtype, LoopSizes(1, 1, entries, 1))


@lru_cache(maxsize=1024)
def _rescaling(
    numbers: tuple[float, float, float],
    axes: tuple[int, ...],
    shape: torch.Size,
    dtype: torch.dtype,
    in_loops: bool,
) -> Plan:
    constraint = NormConstraint(*numbers, axes)
    _, length = constraint.vectors(shape)
    limits = constraint.limits(precision("NormConstraint", torch.empty(0, dtype=dtype)), length)
    sizes = sizes_of(shape, axes) if in_loops else None
    if sizes is None:
        return RescalingPlan(axes, limits, constraint.rate)
    kind = "rows" if sizes.across * sizes.within == 1 else "columns"
    return LoopPlan(f"rescale {kind}", dtype, sizes, (*limits, constraint.rate))
