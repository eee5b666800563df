"""What is declared on modules: it lives there, and is found wherever the module goes."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from feasible.constraints.base import is_whole_call
from feasible.layouts import ParameterLayout
from feasible.rules import AnyConstraint
from feasible.timing import Timing
from feasible.torch.fast import Plan
from feasible.torch.plans import plan_of

Tangent = bool | Literal["auto"]

_ATTRIBUTE = "_feasible_constraints"


class StoragePlan(NamedTuple):
    """How a parameter is projected as it is stored, and all that this depends on.

    Attributes:
        shape: The parameter's shape.
        stride: Its strides.
        dtype: Its dtype.
        device: Its device.
        marks: How many marks those who take parameters over have left on it.
        plan: How it is projected.
    """

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    marks: int
    plan: Plan


class Joint:
    """What the declarations of parameters share that are constrained as if they were one.

    A copy of a model has one of its own, as a copy of one is another.
    """


@dataclass
class Declaration:
    """A constraint declared for one parameter of a module.

    Attributes:
        layout: What the parameter is to the module, and how its axes are counted.
        constraint: The constraint as declared.
        path: The parameter's name in the model, as it was when this was declared; None where it was
            declared by the module alone.
        resolved: The constraint as it acts on that layout, ``"unit"`` replaced; None until the
            parameter exists.
        tangent: Whether gradients are projected, too, before each step; by default, if the
            constraint's class says so.
        timing: At which steps it acts, and with which bounds; None for always the same.
        joint: What it shares with other parameters that are constrained together; None if alone.
        is_released: Whether the parameter was released from it, or given another constraint.
        planned: How the parameter is projected as it is stored, if that is known.
    """

    layout: ParameterLayout
    constraint: AnyConstraint
    path: str | None = None
    resolved: AnyConstraint | None = None
    tangent: Tangent = "auto"
    timing: Timing | None = None
    joint: Joint | None = field(default=None, repr=False, compare=False)
    is_released: bool = field(default=False, compare=False)
    planned: StoragePlan | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "planned": None}  # which is found out again

    @property
    def projects_gradient(self) -> bool:
        """Whether gradients are projected onto the tangent cone before each step."""
        if isinstance(self.tangent, bool):
            return self.tangent
        return bool(getattr(self.constraint, "tangent_by_default", False))

    def called(self, module: nn.Module) -> str:
        """Return what to call the parameter in a message.

        Args:
            module: The module that this is declared on.

        Returns:
            The name under which it was declared; or else a layer's own name, or the module's type,
            and the parameter's.
        """
        if self.path is not None:
            return self.path
        name = vars(module).get("name")
        owner = name if isinstance(name, str) else type(module).__name__
        return f"{owner}.{self.layout.parameter}"

    def known_plan(self, parameter: Tensor | None) -> Plan | None:
        """Return how the parameter is projected as it is stored, if that was found out before.

        Args:
            parameter: The module's parameter.

        Returns:
            The plan; None if there is none, or if the parameter is not as it was then.
        """
        if self.planned is None or type(parameter) is not nn.Parameter:
            return None
        shape, stride, dtype, device, marks, plan = self.planned
        # Asked of each weight after each step, so one by one, without making anything.
        is_as_it_was = (
            parameter.shape == shape
            and parameter.stride() == stride
            and parameter.dtype is dtype
            and parameter.device == device
            and len(parameter.__dict__) == marks
        )
        return plan if is_as_it_was else None

    def make_plan(self, tensor: Tensor) -> Plan | None:
        """Find out how the parameter is projected as it is stored.

        Args:
            tensor: The weight that the module computes with.

        Returns:
            The plan; None for what is no plain parameter, is seen in other parts than it is stored
            in, or has a function of the whole weight for a constraint.
        """
        self.planned = None
        if type(tensor) is nn.Parameter and not is_whole_call(self.resolved):
            found = plan_of(self.resolved, self.layout.view(tensor.detach()))
            if found is not None:
                plan, stored = found
                if stored.shape == tensor.shape and stored.stride() == tensor.stride():
                    self.planned = StoragePlan(
                        tensor.shape,
                        tensor.stride(),
                        tensor.dtype,
                        tensor.device,
                        len(vars(tensor)),
                        plan,
                    )
        return self.planned.plan if self.planned else None


class ModuleConstraints:
    """The constraints declared on one module, by the name and part of the parameter.

    It lives in the module's `__dict__`, and enters itself among those that optimizers look at when
    it is made, copied or unpickled: so a declaration goes wherever its module goes, and parameters
    that are replaced are found under their names. A parameter that outlives its module keeps its
    constraint.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        # The same dict as the module's, also in a copy, which is made before the module's own.
        self.parameters = module._parameters
        self.declared: dict[Key, Declaration] = {}
        self._watch()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch()

    def _watch(self) -> None:
        watched[next(_count)] = self
        self.note_gradients()
        last = weakref.finalize(self, _keep_orphans, self.parameters, self.declared)
        last.atexit = False

    def note_gradients(self) -> None:
        """Enter itself among those whose gradients are projected, if something declared asks."""
        if any(one.projects_gradient for one in self.declared.values()):
            with_tangents[id(self)] = self


# A parameter's name in its module, and its part.
Key = tuple[str, str | None]
# What optimizers look at, in the order in which it was made, which is the same in every process of
# a distributed run.
watched: WeakValueDictionary[int, ModuleConstraints] = WeakValueDictionary()
# Those of which gradients are projected.
with_tangents: WeakValueDictionary[int, ModuleConstraints] = WeakValueDictionary()
_count = itertools.count()
# Parameters whose module is gone, such as that which was replaced by one that quantizes, by
# identity and part, and what was declared there. One that is gone, too, goes from here.
orphans: dict[tuple[int, str | None], tuple[weakref.ref[nn.Parameter], Declaration]] = {}


def _keep_orphans(
    parameters: dict[str, nn.Parameter | None], declared: dict[Key, Declaration]
) -> None:
    """Keep what is declared of the parameters that outlive their module."""
    for (name, part), declaration in declared.items():
        parameter = parameters.get(name)
        if parameter is not None:
            key = id(parameter), part
            orphans[key] = weakref.ref(parameter, partial(_forget, key)), declaration


def _forget(key: tuple[int, str | None], reference: object) -> None:
    del reference
    orphans.pop(key, None)


def constraints_on(module: nn.Module) -> dict[Key, Declaration]:
    """Return what is declared on one module, not on those inside it.

    Args:
        module: The module.

    Returns:
        Declarations by the name and part of the parameter.
    """
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    return constraints.declared if constraints else {}


def attach(module: nn.Module, declaration: Declaration) -> None:
    """Hold a module to a declaration, from the next optimizer step on.

    Args:
        module: The module.
        declaration: What `prepare` returned for it.
    """
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    if constraints is None:
        constraints = ModuleConstraints(module)
        # Past nn.Module's own attribute handling, which has nothing to do with it.
        object.__setattr__(module, _ATTRIBUTE, constraints)
    detach(module, declaration.layout)
    constraints.declared[declaration.layout.key] = declaration
    constraints.note_gradients()


def detach(module: nn.Module, layout: ParameterLayout) -> None:
    """Release one parameter of a module from its constraint, if it has one.

    Args:
        module: The module.
        layout: Which of its parameters.
    """
    declaration = constraints_on(module).pop(layout.key, None)
    if declaration is not None:
        declaration.is_released = True


def choose_tangents(model: nn.Module, tangent: Tangent) -> None:
    """Choose whether gradients are projected, for all that is declared on a model.

    Args:
        model: The model.
        tangent: Whether they are; ``"auto"`` for those whose constraint's class says so.
    """
    for module in model.modules():
        for declaration in constraints_on(module).values():
            declaration.tangent = tangent
        constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
        if constraints is not None:
            constraints.note_gradients()


def declared() -> Iterator[tuple[nn.Module, Declaration]]:
    """Return all that is declared, on whichever model.

    Yields:
        A module and what is declared on it.
    """
    for constraints in list(watched.values()):
        for declaration in list(constraints.declared.values()):
            yield constraints.module, declaration


def declared_constraint(module: nn.Module, layout: ParameterLayout) -> AnyConstraint | None:
    """Return the constraint declared for one parameter of a module.

    Args:
        module: The module.
        layout: Which of its parameters.

    Returns:
        The constraint as declared, or None.
    """
    declaration = constraints_on(module).get(layout.key)
    return None if declaration is None else declaration.constraint
