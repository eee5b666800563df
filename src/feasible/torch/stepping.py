"""Projects weights in place, after each optimizer step that changed them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from feasible.torch.applying import observers
from feasible.torch.batches import Batch
from feasible.torch.bound_weights import Bound, bind, constraints_of
from feasible.torch.declarations import Declaration, Joint, orphans, watched, with_tangents
from feasible.torch.graph_breaks import break_graph
from feasible.torch.step_count import at_step, count_step
from feasible.torch.stepped import remember, stepped_parameters
from feasible.torch.tangents import and_then, project_gradients


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


# A compiled step leaves both as they are: PyTorch's graph is that of an optimizer's update alone.
@break_graph
def _before_step(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Note what tells which weights an optimizer's step changes, and project gradients."""
    if not (watched or orphans):
        return None
    closure = args[1] if len(args) > 1 else kwargs.get("closure")
    remember(optimizer, has_closure=len(args) > 1 or bool(kwargs))
    if not with_tangents:
        return None
    if not callable(closure):
        project_gradients(optimizer)
        return None
    # It computes the gradients, perhaps several times in a step.
    closure = and_then(closure, optimizer)
    if len(args) > 1:
        return (args[0], closure, *args[2:]), kwargs
    return args, {**kwargs, "closure": closure}


@break_graph
def _after_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    """Project the weights that an optimizer's step has changed."""
    del args, kwargs
    if (watched or orphans) and not _skipped(optimizer):
        _project_stepped(_stepped(optimizer))


class _Stepped(set[int]):
    """The identities of what was stepped, and what stepped it."""

    optimizer: Optimizer


def _project_stepped(stepped: _Stepped) -> None:
    """Project what is constrained of some parameters, or of the modules they are made of."""
    batch = Batch()
    others: list[tuple[nn.Module, Declaration]] = []
    for reference in watched.valuerefs():
        constraints = reference()
        if constraints is None:
            continue
        module = constraints.module
        for declaration in constraints.declared.values():
            parameter = module._parameters.get(declaration.layout.parameter)
            plan = None if observers else declaration.known_plan(parameter)
            if plan is None or parameter is None:
                others.append((module, declaration))
            elif id(parameter) in stepped:
                batch.add_planned(plan, parameter, module, declaration)
    if others:
        _add_others(batch, others, stepped)
    if orphans:
        _add_orphans(batch, stepped)
    batch.project()


@torch.no_grad()
def _add_others(
    batch: Batch,
    others: Sequence[tuple[nn.Module, Declaration]],
    stepped: _Stepped,
) -> None:
    """Add what is found out about once more, if it was stepped."""
    step = 0
    joint: dict[Joint, list[Bound]] = defaultdict(list)
    touched: set[Joint] = set()
    for module, declaration in others:
        name = declaration.called(module)
        bound = bind(name, module, declaration, None if declaration.joint else stepped)
        if bound is None:
            continue
        if declaration.timing is not None:
            step = step or count_step(stepped.optimizer)
            if not declaration.timing.is_due(step):
                continue
            bound = at_step(bound, step)
        if declaration.joint is None:
            batch.add(bound)
            continue
        joint[declaration.joint].append(bound)
        if any(id(one) in stepped for one in bound.weight.trained):
            touched.add(declaration.joint)
    for one in touched:
        for bound in joint[one]:
            batch.add(bound)


@torch.no_grad()
def _add_orphans(batch: Batch, stepped: set[int]) -> None:
    """Add parameters that outlived the module on which their constraint was declared."""
    for (identity, _), (reference, declaration) in list(orphans.items()):
        parameter = reference()
        if parameter is None or identity not in stepped or batch.has(parameter):
            continue
        holder = nn.Module()
        holder.register_parameter(declaration.layout.parameter, parameter)
        if (bound := bind(declaration.called(holder), holder, declaration, stepped)) is not None:
            batch.add(bound)


def _stepped(optimizer: Optimizer) -> _Stepped:
    """Return the identities of the parameters that were stepped.

    Of a flat parameter, also those of the modules whose parameters it is made of.
    """
    stepped = stepped_parameters(optimizer)
    flat = [one for one in stepped if "_param_infos" in one.__dict__]
    pieces = [id(piece.module) for one in flat for piece in one._param_infos]
    found = _Stepped([*map(id, stepped), *pieces])
    found.optimizer = optimizer
    return found


def _skipped(optimizer: Optimizer) -> bool:
    """Say whether a step left the parameters as they were after the last one that was seen here."""
    found_inf = getattr(optimizer, "found_inf", None)  # a gradient scaler's, during a fused step
    if found_inf is not None and bool(found_inf):
        return True
    # It steps by an optimizer inside it, and then hands each part to the processes that lack it.
    zero = sys.modules.get("torch.distributed.optim.zero_redundancy_optimizer")
    return zero is not None and isinstance(optimizer, zero.ZeroRedundancyOptimizer)


register_optimizer_step_pre_hook(_before_step)
register_optimizer_step_post_hook(_after_step)
