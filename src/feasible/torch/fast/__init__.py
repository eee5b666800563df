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

from feasible.constraints import MaxNorm, MinMaxNorm, NonNeg, NormConstraint, Sphere, UnitNorm
from feasible.constraints.precision import precision
from feasible.torch.fast.clipping import ClippingPlan
from feasible.torch.fast.loop_plan import LoopPlan, LoopSizes, can_be_compiled, sizes_of
from feasible.torch.fast.rescaling import DTYPES, RescalingPlan
from feasible.torch.fast.set_plans import SETS, SetPlan, gradient_plan, set_plan
from feasible.torch.fast.spheres import SpherePlan


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


def fast_gradient_plan(
    constraint: object, weight: Tensor, gradient: Tensor, axes: tuple[int, ...]
) -> SetPlan | None:
    """Return a faster way to project gradients onto tangent cones, where there is one.

    Args:
        constraint: The constraint.
        weight: A weight, with its axes in the order of memory.
        gradient: Its gradient, in the same order.
        axes: The axes of that along which a vector lies.

    Returns:
        The way, the same for all weights that are alike; None where there is none.

    Example:
        >>> fast_gradient_plan(abs, torch.ones(2), torch.ones(2), (0,))
    """
    is_alike = gradient.dtype == weight.dtype and gradient.stride() == weight.stride()
    if not (is_alike and can_be_compiled(weight) and can_be_compiled(gradient)):
        return None
    return gradient_plan(constraint, weight, axes)


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


def _in_set_loop(constraint: Any, stored: Tensor, axes: tuple[int, ...]) -> Plan | None:
    return set_plan(constraint, stored, axes) if can_be_compiled(stored) else None


def _to_radius(constraint: Sphere, stored: Tensor, axes: tuple[int, ...]) -> Plan | None:
    on_cpu = stored.device.type == "cpu"
    is_number = isinstance(constraint.radius, int | float) and constraint.radius > 0
    if not (on_cpu and is_number and stored.dtype in DTYPES and 0 not in stored.shape):
        return None
    numbers = (constraint.radius, constraint.radius, 1.0)
    rescaling: Any = _rescaling(
        numbers, axes, stored.shape, stored.dtype, can_be_compiled(stored), exact=True
    )
    return _sphere(rescaling, constraint, axes)


_FAST: dict[type, Callable[[Any, Tensor, tuple[int, ...]], Plan | None]] = {
    NonNeg: _clip,
    Sphere: _to_radius,
    **dict.fromkeys(SETS, _in_set_loop),
    **dict.fromkeys((MaxNorm, MinMaxNorm, NormConstraint, UnitNorm), _rescale),
}
_clipping = ClippingPlan()


@lru_cache(maxsize=1024)
def _clipping_loop(entries: int, dtype: torch.dtype) -> Plan:
    return LoopPlan("clip", dtype, LoopSizes(1, 1, entries, 1))


@lru_cache(maxsize=1024)
def _sphere(rescaling: Any, constraint: Sphere, axes: tuple[int, ...]) -> Plan:
    return SpherePlan(rescaling, constraint.along(axes), axes)


@lru_cache(maxsize=1024)
def _rescaling(
    numbers: tuple[float, float, float],
    axes: tuple[int, ...],
    shape: torch.Size,
    dtype: torch.dtype,
    in_loops: bool,
    exact: bool = False,
) -> Plan:
    constraint = NormConstraint(*numbers, axes)
    _, length = constraint.vectors(shape)
    limits = constraint.limits(precision("NormConstraint", torch.empty(0, dtype=dtype)), length)
    if exact:  # and not inside of the bounds by what rounding takes
        limits = limits._replace(low=constraint.min_value, high=constraint.max_value)
    sizes = sizes_of(shape, axes) if in_loops else None
    if sizes is None:
        return RescalingPlan(axes, limits, constraint.rate)
    kind = "rows" if sizes.across * sizes.within == 1 else "columns"
    return LoopPlan(f"rescale {kind}", dtype, sizes, (*limits, constraint.rate))
