"""Projects weights in place, after each optimizer step that changed them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from feasible.torch.applying import apply
from feasible.torch.declarations import Bound, bound_weights, constraints_of, watched
from feasible.torch.weights import is_sharded


@torch.no_grad()
def project_weights(bounds: Iterable[Bound]) -> None:
    """Project weights in their own storage, those that several modules share only once.

    Args:
        bounds: The weights and their constraints.

    Raises:
        TypeError: If a constraint does not return a tensor.
        ValueError: If one weight has two constraints, or a constraint returns a tensor of another
            shape, dtype or device; the weight stays.
    """
    done: dict[tuple[int, str | None], Bound] = {}
    sharded = []
    for bound in bounds:
        other = done.setdefault((id(bound.weight.trained[0]), bound.layout.part), bound)
        if other is not bound:
            _check_same(other, bound)
        elif is_sharded(bound.weight.tensor):
            sharded.append(bound)
        else:
            apply(bound, bound.view)
            bound.weight.write_back()
    if sharded:
        from feasible.torch.sharding import project_sharded  # imports torch.distributed's tensors

        project_sharded(sharded)


def _check_same(first: Bound, second: Bound) -> None:
    if first.declared != second.declared:
        raise ValueError(
            f"{first.name} and {second.name} are one parameter, and must have one constraint. "
            f"Received: {first.declared!r} and {second.declared!r}."
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
    stepped = set(
        chain.from_iterable(
            _identities(parameter)
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        )
    )
    project_weights(
        bound
        for constraints in watched.values()
        for bound in bound_weights(
            constraints.module, f"{_name(constraints.module)}.", among=stepped
        )
    )


def _identities(parameter: Tensor) -> list[int]:
    """Return the identity of a parameter; of a flat one, also of the modules that it is made of."""
    pieces = getattr(parameter, "_param_infos", ())
    return [id(parameter), *(id(piece.module) for piece in pieces)]


def _name(module: nn.Module) -> str:
    """Return what to call a module in a message: a layer's own name, or its type's."""
    name = vars(module).get("name")
    return name if isinstance(name, str) else type(module).__name__


def _skipped(optimizer: Optimizer) -> bool:
    """Say whether a step left the parameters as they were after the last one that was seen here."""
    found_inf = getattr(optimizer, "found_inf", None)  # a gradient scaler's, during a fused step
    if found_inf is not None and bool(found_inf):
        return True
    # It steps by an optimizer inside it, and then hands each part to the processes that lack it.
    zero = sys.modules.get("torch.distributed.optim.zero_redundancy_optimizer")
    return zero is not None and isinstance(optimizer, zero.ZeroRedundancyOptimizer)


register_optimizer_step_post_hook(_after_step)
