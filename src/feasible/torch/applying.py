"""Replaces a weight by its projection, after checking what the constraint returned."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from feasible.constraints.parts import Place
from feasible.torch.bound_weights import Bound
from feasible.torch.calling import call
from feasible.torch.plans import plan_of

Seeing = Callable[[Tensor], None]

# What is shown each weight's view before it is projected, and may return what is shown it after.
observers: list[Callable[[Bound, Tensor], Seeing | None]] = []


def observers_of(bound: Bound, view: Tensor) -> list[Seeing]:
    """Show a weight that will be projected to the observers.

    Args:
        bound: The weight and its constraint.
        view: What will be projected.

    Returns:
        What wants to see it afterwards.
    """
    return [seeing for observe in observers if (seeing := observe(bound, view)) is not None]


def apply_alone(bound: Bound, view: Tensor, place: Place | None = None) -> None:
    """Replace a weight, or a process's part of one, by its projection.

    Args:
        bound: The weight and its constraint.
        view: What to project, in the layout in which the constraint counts axes; written in place.
        place: Where that is in the weight, if it is a part of it, with whole blocks.

    Raises:
        TypeError: If the constraint does not return a tensor.
        ValueError: If it returns one of another shape, dtype or device; the weight stays.
    """
    seeings = observers_of(bound, view)
    _project(bound, view, place)
    for see in seeings:
        see(view)


def _project(bound: Bound, view: Tensor, place: Place | None) -> None:
    constraint = bound.constraint
    if (planned := plan_of(constraint, view, place)) is not None:
        plan, stored = planned
        plan.project([stored])
        return
    view.copy_(call(bound.name, constraint, view))
