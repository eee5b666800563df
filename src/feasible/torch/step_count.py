"""Counts an optimizer's steps, where a resumed run finds the count again."""

from __future__ import annotations

from torch.optim.optimizer import Optimizer

from feasible.torch.bound_weights import Bound
from feasible.torch.weights import whole

# A group's entries are in the optimizer's state_dict.
STEP = "feasible_step"


def count_step(optimizer: Optimizer) -> int:
    """Count one more step of an optimizer.

    Args:
        optimizer: The optimizer, whose first group holds the count.

    Returns:
        How many steps there were since a constraint was declared that changes over time.
    """
    group = optimizer.param_groups[0]
    group[STEP] = int(group.get(STEP, 0)) + 1
    return int(group[STEP])


def at_step(bound: Bound, step: int) -> Bound:
    """Return a weight with its constraint as it is at a step.

    Args:
        bound: The weight and its constraint.
        step: The step.

    Returns:
        The same with the bounds of now, by which it is also reported until the next step.
    """
    declaration = bound.declaration
    if declaration is None or declaration.timing is None:
        return bound
    needs_weight = bool(declaration.timing.bounds)
    view = bound.layout.view(whole(bound.weight.tensor.detach())) if needs_weight else None
    constraint = declaration.timing.constraint_at(bound.constraint, step, view)
    declaration.resolved = constraint
    return bound._replace(constraint=constraint)
