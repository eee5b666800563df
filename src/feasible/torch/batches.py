"""Projects several weights at once: each once, and those that are alike together."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from feasible.torch.applying import apply, observed, observers
from feasible.torch.declarations import AnyConstraint, Bound, Declaration
from feasible.torch.plans import Plan
from feasible.torch.weights import is_sharded


class Batch:
    """Weights that are to be projected at once.

    A weight that several modules share is projected once. What weights are called is only found out
    where there is something to say of them.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str | None], tuple[AnyConstraint, nn.Module | None, str]] = {}
        self._alike: dict[Plan, list[Tensor]] = {}
        self._alone: list[Bound] = []
        self._sharded: list[Bound] = []
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
        name = declaration.layout.parameter
        if self._is_new(parameter, None, declaration.constraint, module, name):
            self._alike.setdefault(plan, []).append(parameter)

    def add(self, bound: Bound) -> None:
        """Add a weight.

        Args:
            bound: The weight and its constraint.

        Raises:
            ValueError: If it was added before, with another constraint.
        """
        weight = bound.weight
        part = bound.layout.part
        if not self._is_new(weight.trained[0], part, bound.declared, None, bound.name):
            return
        if is_sharded(weight.tensor):
            self._sharded.append(bound)
        elif bound.plan is None:
            self._alone.append(bound)
        else:
            self._alike.setdefault(bound.plan, []).append(weight.tensor)
            if observers:
                view = bound.view
                self._shown += [partial(see, view) for see in observed(bound, view)]

    def project(self) -> None:
        """Project the weights.

        Raises:
            TypeError: If a constraint does not return a tensor.
            ValueError: If it returns one of another shape, dtype or device; the weight stays.
        """
        for plan, weights in self._alike.items():
            plan.project(weights)
        for see in self._shown:
            see()
        for bound in self._alone:
            apply(bound, bound.view)
            bound.weight.write_back()
        if self._sharded:
            from feasible.torch.sharding import project_sharded  # imports torch.distributed's

            project_sharded(self._sharded)

    def _is_new(
        self,
        parameter: Tensor,
        part: str | None,
        declared: AnyConstraint,
        module: nn.Module | None,
        name: str,
    ) -> bool:
        """Note a weight, and say whether it was not there; its name begins with its module's."""
        entry = (declared, module, name)
        first = self._seen.setdefault((id(parameter), part), entry)
        if first is entry:
            return True
        if first[0] != declared:
            names = (
                name if module is None else f"{called(module)}.{name}"
                for _, module, name in (first, entry)
            )
            raise ValueError(
                f"{' and '.join(names)} are one parameter, and must have one constraint. "
                f"Received: {first[0]!r} and {declared!r}."
            )
        return False


def called(module: nn.Module) -> str:
    """Return what to call a module in a message.

    Args:
        module: The module.

    Returns:
        A layer's own name, or the type's.
    """
    name = vars(module).get("name")
    return name if isinstance(name, str) else type(module).__name__
