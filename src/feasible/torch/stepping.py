"""Projects weights in place, after each optimizer step that changed them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from feasible.torch.applying import observers
from feasible.torch.batches import Batch, called
from feasible.torch.declarations import Bound, bind, constraints_of, watched


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
    batch = Batch()
    for bound in bounds:
        batch.add(bound)
    batch.project()


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


# A compiled step leaves it as it is: PyTorch ends the graph of an optimizer's update before it.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def _after_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    """Project the weights that an optimizer's step has changed."""
    del args, kwargs
    if watched and not _skipped(optimizer):
        _project_stepped(set(_stepped(optimizer)))


@torch.no_grad()
def _project_stepped(stepped: set[int]) -> None:
    """Project what is constrained of some parameters, or of the modules they are made of."""
    batch = Batch()
    for constraints in watched.values():
        module = constraints.module
        for declaration in constraints.declared.values():
            name = declaration.layout.parameter
            parameter = module._parameters.get(name)
            plan = None if observers else declaration.known_plan(parameter)
            if plan is None or parameter is None:
                bound = bind(f"{called(module)}.{name}", module, declaration, stepped)
                if bound is not None:
                    batch.add(bound)
            elif id(parameter) in stepped:
                batch.add_planned(plan, parameter, module, declaration)
    batch.project()


def _stepped(optimizer: Optimizer) -> Iterator[int]:
    """Return the identities of the parameters that were stepped.

    Of a flat parameter, also those of the modules whose parameters it is made of.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield id(parameter)
                for piece in vars(parameter).get("_param_infos", ()):
                    yield id(piece.module)


def _skipped(optimizer: Optimizer) -> bool:
    """Say whether a step left the parameters as they were after the last one that was seen here."""
    found_inf = getattr(optimizer, "found_inf", None)  # a gradient scaler's, during a fused step
    if found_inf is not None and bool(found_inf):
        return True
    # It steps by an optimizer inside it, and then hands each part to the processes that lack it.
    zero = sys.modules.get("torch.distributed.optim.zero_redundancy_optimizer")
    return zero is not None and isinstance(optimizer, zero.ZeroRedundancyOptimizer)


register_optimizer_step_post_hook(_after_step)
