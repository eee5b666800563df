"""Projects several weights at once: each once, and those that are alike together."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import torch
from torch import Tensor, nn

from feasible.rules import AnyConstraint
from feasible.torch.applying import apply_alone, observers, observers_of
from feasible.torch.bound_weights import Bound
from feasible.torch.declarations import Declaration, Joint
from feasible.torch.fast import Plan
from feasible.torch.joint_projection import project_joint
from feasible.torch.storing import store
from feasible.torch.weights import is_sharded

# How many names an error lists.
_MOST = 20
# What is declared for a weight, and what to call it, or else the declaration and module to ask.
_Found = tuple[AnyConstraint, str | tuple[Declaration, nn.Module]]


class Batch:
    """Weights that are to be projected at once.

    A weight that several modules share is projected once. What weights are called is only found out
    where there is something to say of them.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str | None], _Found] = {}
        self._alike: dict[Plan, list[Tensor]] = defaultdict(list)
        self._alone: list[Bound] = []
        self._sharded: list[Bound] = []
        self._joint: dict[Joint, list[Bound]] = defaultdict(list)
        self._shown: list[partial[None]] = []

    def add_planned(
        self, plan: Plan, parameter: Tensor, module: nn.Module, declaration: Declaration
    ) -> None:
        """Add a parameter that is projected as it is stored.

        Args:
            plan: How.
            parameter: The parameter.
            module: Its module.
            declaration: What is declared for it.

        Raises:
            ValueError: If it was added before, with another constraint.
        """
        found = (declaration.constraint, (declaration, module))
        if self._is_new(parameter, None, found):
            self._alike[plan].append(parameter)

    def add(self, bound: Bound) -> None:
        """Add a weight.

        Args:
            bound: The weight and its constraint.

        Raises:
            ValueError: If it was added before, with another constraint.
        """
        weight = bound.weight
        _, part = bound.layout.key
        if not self._is_new(weight.trained[0], part, (bound.declared, bound.name)):
            return
        joint = bound.declaration.joint if bound.declaration else None
        if joint is not None:
            self._joint[joint].append(bound)
        elif is_sharded(weight.tensor):
            self._sharded.append(bound)
        elif bound.plan is None:
            self._alone.append(bound)
        else:
            self._alike[bound.plan].append(weight.tensor)
            if observers:
                view = bound.view
                self._shown += [partial(see, view) for see in observers_of(bound, view)]

    def has(self, parameter: Tensor) -> bool:
        """Return whether a parameter, or a part of it, was added.

        Args:
            parameter: The parameter.

        Returns:
            Whether it was.
        """
        return any(identity == id(parameter) for identity, _ in self._seen)

    def project(self) -> None:
        """Project the weights.

        Raises:
            TypeError: If a constraint does not return a tensor.
            ValueError: If it returns one of another shape, dtype or device; the weight stays.
        """
        finished: list[list[Tensor]] = []
        done: list[str] = []
        try:
            for plan, weights in self._alike.items():
                plan.project(weights)
                finished.append(weights)
            for see in self._shown:
                see()
            if self._alone or self._sharded or self._joint:
                self._project_others(done)
        except Exception as error:
            names = [name for weights in finished for name in self._names(weights)]
            error.add_note(self._how_far([*names, *done]))
            raise

    @torch.no_grad()
    def _project_others(self, done: list[str]) -> None:
        for bound in self._alone:
            apply_alone(bound, bound.view)
            store(bound.weight)
            done.append(bound.name)
        if self._sharded:
            from feasible.torch.sharding import project_sharded  # imports torch.distributed's

            project_sharded(self._sharded)
        for several in self._joint.values():
            project_joint(several)
            done += [bound.name for bound in several]

    def _how_far(self, done: list[str]) -> str:
        """Return which weights were projected before one could not be."""
        planned = [name for weights in self._alike.values() for name in self._names(weights)]
        joint = [bound for several in self._joint.values() for bound in several]
        every = [*planned, *(bound.name for bound in (*self._alone, *self._sharded, *joint))]
        left = [name for name in every if name not in set(done)]
        return f"Projected before: {_listed(done)}. Not projected, or not all: {_listed(left)}."

    def _names(self, weights: list[Tensor]) -> list[str]:
        """Return what planned parameters are called, if an error is to say it."""
        found = (self._seen[id(weight), None][1] for weight in weights)
        return [name if isinstance(name, str) else name[0].called(name[1]) for name in found]

    def _is_new(self, parameter: Tensor, part: str | None, found: _Found) -> bool:
        """Note a weight, and say whether it was not there."""
        first = self._seen.setdefault((id(parameter), part), found)
        if first is found:
            return True
        if first[0] != found[0]:
            names = (
                name if isinstance(name, str) else name[0].called(name[1])
                for _, name in (first, found)
            )
            raise ValueError(
                f"{' and '.join(names)} are one parameter, and must have one constraint. "
                f"Received: {first[0]!r} and {found[0]!r}."
            )
        return False


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return (", ".join(names[:_MOST]) or "none") + more
