"""Projects gradients onto tangent cones, before an optimizer's step sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from feasible.constraints import Constraint
from feasible.constraints.gate import tangent_whole
from feasible.constraints.parts import Part
from feasible.layouts import ParameterLayout
from feasible.torch.bound_weights import Bound, bind
from feasible.torch.declarations import with_tangents
from feasible.torch.fast import fast_gradient_plan
from feasible.torch.stacking import stacked_groups
from feasible.torch.stepped import parameters_of
from feasible.torch.weights import is_sharded


@torch.no_grad()
def project_gradients(optimizer: Optimizer) -> None:
    """Project the gradients of what an optimizer is about to step, in place.

    A gradient that is still scaled for narrow dtypes may be, too, as a multiple of a gradient is
    projected to that multiple.

    Args:
        optimizer: The optimizer.

    Raises:
        ValueError: If a gradient is sparse.
    """
    if not with_tangents:
        return
    graded = {id(one) for one in parameters_of(optimizer) if one.grad is not None}
    sharded: list[Bound] = []
    alike: dict[Any, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for bound in _bounds_of(graded):
        if is_sharded(bound.weight.tensor):
            sharded.append(bound)
            continue
        view, gradient = bound.view, gradient_view(bound.weight.trained[0], bound.layout)
        key = (bound.rule, view.shape, view.stride(), gradient.stride(), view.dtype, view.device)
        alike[key].append((view, gradient))
    for (constraint, *_), pairs in alike.items():
        _project_alike(constraint, pairs)
    if sharded:
        from feasible.torch.sharded_gradients import project_sharded_gradients

        project_sharded_gradients(sharded)


def and_then(closure: Callable[[], Any], optimizer: Optimizer) -> Callable[[], Any]:
    """Return a closure that projects the gradients that another one computes.

    Args:
        closure: What a step is given, to compute gradients anew.
        optimizer: The optimizer.

    Returns:
        A closure that returns the same.
    """

    def project_after() -> Any:
        loss = closure()
        project_gradients(optimizer)
        return loss

    return project_after


def gradient_view(parameter: Tensor, layout: ParameterLayout) -> Tensor:
    """Return a parameter's gradient in the layout in which its constraint counts axes.

    Args:
        parameter: The parameter, which has a gradient.
        layout: The layout.

    Returns:
        A view of the gradient, which is laid out as the parameter is if it was not.

    Raises:
        ValueError: If the gradient is sparse.
    """
    gradient = parameter.grad
    assert gradient is not None
    if gradient.layout != torch.strided:
        raise ValueError(
            "a gradient must be dense to be projected onto a tangent cone. Received: one of layout "
            f"{gradient.layout}, of a parameter of shape {tuple(parameter.shape)}. Train without "
            "sparse=True, or declare the constraint with tangent=False."
        )
    if gradient.stride() != parameter.stride():
        gradient = torch.empty_like(parameter).copy_(gradient)
        parameter.grad = gradient
    view: Tensor = layout.view(gradient)
    return view


def _bounds_of(graded: set[int]) -> list[Bound]:
    """Return the weights whose gradients are projected, each once."""
    found: dict[tuple[int, str | None], Bound] = {}
    for reference in with_tangents.valuerefs():
        constraints = reference()
        if constraints is None:
            continue
        module: nn.Module = constraints.module
        for declaration in constraints.declared.values():
            if not declaration.projects_gradient:
                continue
            bound = bind(declaration.called(module), module, declaration, graded)
            # What is computed from other parameters has no gradient of its own.
            if bound is not None and bound.weight.tensor is bound.weight.trained[0]:
                found.setdefault((id(bound.weight.tensor), bound.layout.key[1]), bound)
    return list(found.values())


def _project_alike(constraint: Constraint, pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Project gradients of weights of one shape, small ones at once."""
    first, along = pairs[0]
    axes = constraint.vector_axes(first.shape)
    # As they are stored, so that a loop goes over memory as it lies.
    order = sorted(range(first.ndim), key=first.stride, reverse=True)
    stored_axes = tuple(place for place, axis in enumerate(order) if axis in axes)
    plan = fast_gradient_plan(constraint, first.permute(order), along.permute(order), stored_axes)
    if plan is not None:
        stored = [[one.permute(order) for one in each] for each in zip(*pairs, strict=True)]
        plan.project(*stored)
        return
    owner = type(constraint).__name__
    for some in stacked_groups(pairs, pairs[0][0].numel()):
        if len(some) == 1:
            ((view, gradient),) = some
            gradient.copy_(tangent_whole(constraint, Part(view, axes, owner), gradient))
            continue
        views, gradients = (torch.stack(each) for each in zip(*some, strict=True))
        part = Part(views, tuple(1 + axis for axis in axes), owner, stacked=1)
        found = tangent_whole(constraint, part, gradients)
        torch._foreach_copy_([gradient for _, gradient in some], list(found.unbind()))
