"""Declares constraints on modules: they live there, and are found wherever the module goes."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from feasible.binding import resolve_constraint
from feasible.constraints import Constraint
from feasible.constraints.base import is_whole_call
from feasible.constraints.function import as_constraint
from feasible.constraints.parts import refuse_complex
from feasible.layouts import ParameterLayout
from feasible.rules import AnyConstraint
from feasible.torch.calling import try_out
from feasible.torch.fast import Plan
from feasible.torch.plans import plan_of
from feasible.torch.storing import require_storable
from feasible.torch.weights import Weight, weight_of, whole

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
        planned: How the parameter is projected as it is stored, if that is known.
    """

    layout: ParameterLayout
    constraint: AnyConstraint
    path: str | None = None
    resolved: AnyConstraint | None = None
    planned: StoragePlan | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "planned": None}  # which is found out again

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
    that are replaced are found under their names.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.declared: dict[tuple[str, str | None], Declaration] = {}
        watched[next(_count)] = self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        watched[next(_count)] = self


# What optimizers look at, in the order in which it was made, which is the same in every process of
# a distributed run. A module that is gone takes its constraints with it.
watched: WeakValueDictionary[int, ModuleConstraints] = WeakValueDictionary()
_count = itertools.count()


class Bound(NamedTuple):
    """A weight and the constraint that holds for it.

    Attributes:
        name: The weight's name in the model.
        weight: The weight, and the parameters that are trained behind it.
        layout: What it is to its module, and how its axes are counted.
        declared: The constraint as declared.
        constraint: The constraint as it acts on the view, ``"unit"`` replaced.
        plan: How the weight is projected as it is stored, together with those that are alike; None
            where it is projected alone.
    """

    name: str
    weight: Weight
    layout: ParameterLayout
    declared: AnyConstraint
    constraint: AnyConstraint
    plan: Plan | None

    @property
    def rule(self) -> Constraint:
        """The constraint; for another callable, one that takes the weight as one vector."""
        return as_constraint(self.constraint)

    @property
    def view(self) -> Tensor:
        """The weight in the layout in which the constraint counts axes, without gradient."""
        view: Tensor = self.layout.view(self.weight.tensor.detach())
        return view


def prepare(
    module: nn.Module,
    layout: ParameterLayout,
    constraint: AnyConstraint,
    *,
    path: str | None = None,
    stored: bool = True,
) -> Declaration:
    """Check that a constraint can be declared for one parameter of a module.

    Args:
        module: The module.
        layout: Which of its parameters, and how its axes are counted. It need not exist yet.
        constraint: A constraint or any callable. One that is a function of the whole weight is
            tried on a copy.
        path: The parameter's name in the model; None where that is not known.
        stored: Whether projected weights are to be stored, which a weight that is computed from
            others may not allow.

    Returns:
        The declaration, to be attached to the module.

    Raises:
        TypeError: If the constraint cannot be called, or does not return a tensor.
        ValueError: If the parameter exists and does not have the constraint's axes, or does not
            keep what is assigned to it, or if a constraint returns another shape, dtype or device.
    """
    if not callable(constraint) or isinstance(constraint, type):
        raise TypeError(
            f"{type(module).__name__}: the constraint of `{layout.role}` must be an instance that "
            f"can be called, such as MaxNorm(2), or None. Received: {constraint!r}."
        )
    declaration = Declaration(layout, constraint, path)
    if (weight := weight_of(module, layout.parameter, path=declaration.called(module))) is not None:
        constraint = _resolve(weight, declaration)
        if is_whole_call(constraint) and not weight.tensor.is_meta:
            try_out(weight.path, constraint, layout.view(whole(weight.tensor)))
        if stored:
            require_storable(weight, layout, constraint)
    return declaration


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
    constraints.declared[declaration.layout.key] = declaration


def detach(module: nn.Module, layout: ParameterLayout) -> None:
    """Release one parameter of a module from its constraint, if it has one.

    Args:
        module: The module.
        layout: Which of its parameters.
    """
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    if constraints is not None:
        constraints.declared.pop(layout.key, None)


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
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    if constraints is None or layout.key not in constraints.declared:
        return None
    return constraints.declared[layout.key].constraint


def declare(module: nn.Module, layout: ParameterLayout, constraint: AnyConstraint | None) -> None:
    """Declare a constraint for one parameter of a module, or release it from the one it has.

    It acts after each step of an optimizer that changes the parameter. The parameter need not
    exist yet.

    Args:
        module: The module.
        layout: Which of its parameters, and how its axes are counted.
        constraint: A constraint, any callable, or None.

    Raises:
        TypeError: If the constraint cannot be called.
        ValueError: If the parameter exists and does not have the constraint's axes.
    """
    if constraint is None:
        detach(module, layout)
    else:
        attach(module, prepare(module, layout, constraint))


def bind(
    name: str, module: nn.Module, declaration: Declaration, among: Container[int] | None = None
) -> Bound | None:
    """Find the weight that a declaration is for.

    Args:
        name: The weight's name in the model; a part of a weight gets the part's in brackets.
        module: The module.
        declaration: What is declared on it.
        among: The identities of the parameters that matter; None for any.

    Returns:
        The weight and its constraint, or None if there is no such weight, or not yet, or if none
        of the parameters behind it matters.
    """
    weight = weight_of(module, declaration.layout.parameter, among, name)
    if weight is None:
        return None
    if declaration.layout.part is not None:
        name = f"{name}[{declaration.layout.part.name}]"
    constraint = declaration.resolved or _resolve(weight, declaration)
    plan = declaration.known_plan(weight.tensor) or declaration.make_plan(weight.tensor)
    return Bound(name, weight, declaration.layout, declaration.constraint, constraint, plan)


def bound_weights(
    module: nn.Module, prefix: str = "", among: Container[int] | None = None
) -> Iterator[Bound]:
    """Return what is constrained in one module, not in those inside it.

    Args:
        module: The module.
        prefix: What its weights' names begin with, such as ``"encoder."``.
        among: The identities of the parameters that matter; None for any.

    Yields:
        Each weight that exists and has a constraint.
    """
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    for declaration in constraints.declared.values() if constraints else ():
        bound = bind(prefix + declaration.layout.parameter, module, declaration, among)
        if bound is not None:
            yield bound


def constraints_of(model: nn.Module) -> dict[str, Bound]:
    """Return every constrained weight of a model.

    Args:
        model: The model.

    Returns:
        By the weight's name: the weight, its view and its constraint.

    Example:
        >>> from feasible.layers import Dense
        >>> layer = Dense(2, kernel_constraint="max_norm", input_shape=(3,))
        >>> constraints_of(layer)
        {}
        >>> _ = layer([[1.0, 2.0, 3.0]])
        >>> constraints_of(layer)["weight"].constraint
        MaxNorm(max_value=2, axis=0)
    """
    return {
        bound.name: bound
        for name, module in model.named_modules()
        for bound in bound_weights(module, f"{name}." if name else "")
    }


def _resolve(weight: Weight, declaration: Declaration) -> AnyConstraint:
    """Fit a declared constraint to its weight."""
    if isinstance(declaration.constraint, Constraint):
        refuse_complex(f"{weight.path}: {type(declaration.constraint).__name__}", weight.tensor)
    layout, kind = declaration.layout, type(weight.module).__name__
    shape = layout.shape(weight.tensor.shape)
    declaration.resolved = resolve_constraint(
        f"{weight.path}, the {layout.role}",
        declaration.constraint,
        shape,
        layout.unit_axes(len(shape)),
        f"Say what the parameters of {kind} are by feasible.torch.register_layouts",
    )
    return declaration.resolved
