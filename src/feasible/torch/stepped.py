"""Tells which parameters an optimizer's step changed."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch.optim.optimizer import Optimizer


class _Before(NamedTuple):
    """What there was before a step.

    Attributes:
        with_gradient: The parameters that had a gradient; not asked of a step with a closure, which
            computes gradients itself.
        versions: How often each parameter had been written to; None where gradients tell enough.
    """

    with_gradient: list[Any]
    versions: list[int] | None


_before: WeakKeyDictionary[Optimizer, _Before] = WeakKeyDictionary()


def remember(optimizer: Optimizer, *, has_closure: bool) -> None:
    """Note what a step will tell of the parameters that it changes.

    Gradients are asked for before the step, as an optimizer may drop them to save memory.

    Args:
        optimizer: The optimizer, before its step.
        has_closure: Whether the step is given a closure, which computes gradients anew.
    """
    parameters = parameters_of(optimizer)
    graded = [] if has_closure else [one for one in parameters if one.grad is not None]
    _before[optimizer] = _Before(graded, None if graded else [one._version for one in parameters])


def stepped_parameters(optimizer: Optimizer) -> list[Any]:
    """Return the parameters that a step has changed, or may have.

    They are those that had a gradient; without any, those that were written to. A step that left
    neither trace, by an optimizer that is not PyTorch's own, may have changed all that are trained:
    one that needs no gradients may write to ``parameter.data``, which does not count as a write.

    Args:
        optimizer: The optimizer, after its step.

    Returns:
        The parameters.
    """
    parameters = parameters_of(optimizer)
    before = _before.pop(optimizer, None)
    found = before.with_gradient if before else []
    found = found or [one for one in parameters if one.grad is not None]
    if found:
        return found
    versions = zip(parameters, before.versions or () if before else (), strict=False)
    written = [one for one, version in versions if one._version != version]
    if written or type(optimizer).step.__module__.startswith("torch.optim"):
        return written
    return [one for one in parameters if one.requires_grad] or parameters


def parameters_of(optimizer: Optimizer) -> list[Any]:
    """Return the parameters that an optimizer steps.

    Args:
        optimizer: The optimizer.

    Returns:
        Those of all its groups.
    """
    return [one for group in optimizer.param_groups for one in group["params"]]
