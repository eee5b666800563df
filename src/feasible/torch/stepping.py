"""Projects weights in place, after each optimizer step that changed them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from feasible.constraints import Constraint
from feasible.torch.declarations import Bound, bound_weights, constraints_of, watched


@torch.no_grad()
def project_weight(bound: Bound) -> None:
    """Replace a weight by its projection, in its own storage.

    Args:
        bound: The weight and its constraint.

    Raises:
        TypeError: If the constraint does not return a tensor.
        ValueError: If it returns one of another shape, dtype or device; the weight stays.
    """
    constraint, view = bound.constraint, bound.view
    # A callable of the user's may write to what it is given; the weight changes only if it returns.
    projected = constraint(view if isinstance(constraint, Constraint) else view.clone())
    if not isinstance(projected, Tensor):
        raise TypeError(
            f"{bound.name}: the constraint {constraint!r} must return a tensor of shape "
            f"{tuple(view.shape)} and dtype {view.dtype}. Received: {projected!r}."
        )
    for what in ("shape", "dtype", "device"):
        received, wanted = getattr(projected, what), getattr(view, what)
        if received != wanted:
            raise ValueError(
                f"{bound.name}: the constraint {constraint!r} must return a tensor of the "
                f"weight's {what}, {wanted}. Received: {received}."
            )
    view.copy_(projected)
    bound.weight.write_back()


def project_weights(bounds: Iterable[Bound]) -> None:
    """Project weights, those that several modules share only once.

    Args:
        bounds: The weights and their constraints.

    Raises:
        ValueError: If one weight has two constraints, or a constraint returns something else.
    """
    done: dict[tuple[int, str | None], Bound] = {}
    for bound in bounds:
        other = done.setdefault((id(bound.weight.trained[0]), bound.layout.part), bound)
        if other is bound:
            project_weight(bound)
        elif other.declared != bound.declared:
            raise ValueError(
                f"{other.name} and {bound.name} are one parameter, and must have one "
                f"constraint. Received: {other.declared!r} and {bound.declared!r}."
            )


def project(model: nn.Module) -> None:
    """Project every constrained weight of a model now, in place.

    Optimizers do so after each step without being told. This is for the start, for weights that
    were loaded, and for optimizers that are not `torch.optim.Optimizer`.

    Args:
        model: The model.

    Raises:
        ValueError: If a constraint returns another shape, dtype or device.

    Example:
        >>> from feasible.layers import Dense
        >>> layer = Dense(2, kernel_constraint="non_neg")
        >>> _ = layer(torch.ones(1, 3))
        >>> project(layer)
        >>> bool((layer.weight >= 0).all())
        True
    """
    project_weights(constraints_of(model).values())


def _after_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    """Project the weights that an optimizer's step has changed."""
    del args, kwargs
    if not watched or _skipped(optimizer):
        return
    stepped = {
        id(parameter)
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    }
    project_weights(
        bound
        for constraints in list(watched)
        for bound in bound_weights(
            constraints.module, f"{type(constraints.module).__name__}.", among=stepped
        )
    )


def _skipped(optimizer: Optimizer) -> bool:
    """Say whether a gradient scaler made a fused step leave the parameters as they were."""
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found)


register_optimizer_step_post_hook(_after_step)
