"""Finds the weights that are constrained, and how each is projected."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from torch import Tensor, nn

from feasible.binding import resolve_constraint
from feasible.constraints import Constraint
from feasible.constraints.base import is_whole_call
from feasible.constraints.function import as_constraint
from feasible.constraints.parts import refuse_complex
from feasible.layouts import ParameterLayout
from feasible.rules import AnyConstraint
from feasible.timing import Timing
from feasible.torch.calling import try_out
from feasible.torch.carrying import adopt_orphans
from feasible.torch.declarations import (
    Declaration,
    Joint,
    Tangent,
    attach,
    constraints_on,
    declared,
    detach,
)
from feasible.torch.fast import Plan
from feasible.torch.storing import require_storable
from feasible.torch.weights import Weight, identity_of, weight_of, whole


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
        declaration: What declares it.
    """

    name: str
    weight: Weight
    layout: ParameterLayout
    declared: AnyConstraint
    constraint: AnyConstraint
    plan: Plan | None
    declaration: Declaration | None = None

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
    tangent: Tangent = "auto",
    timing: Timing | None = None,
    joint: Joint | None = None,
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
        tangent: Whether gradients are projected, too.
        timing: At which steps the constraint acts, and with which bounds; None for always the same.
        joint: What it shares with parameters that are constrained together.

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
    declaration = Declaration(layout, constraint, path, tangent=tangent, timing=timing, joint=joint)
    if (weight := weight_of(module, layout.parameter, path=declaration.called(module))) is not None:
        constraint = _resolve(weight, declaration)
        if is_whole_call(constraint) and not weight.tensor.is_meta:
            try_out(weight.path, constraint, layout.view(whole(weight.tensor)))
        if stored and joint is None:
            require_storable(weight, layout, constraint)
        if tangent is True and weight.tensor is not weight.trained[0]:
            raise ValueError(
                f"{weight.path}: its gradient cannot be projected, because it is computed from "
                "other parameters, which are what is trained. Received: tangent=True. Constrain "
                'the weight before it is parametrized, or leave tangent="auto".'
            )
    return declaration


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
        known = constraints_on(module).get(layout.key)
        tangent = known.tangent if known else "auto"
        attach(module, prepare(module, layout, constraint, tangent=tangent))


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
    plan = None
    if declaration.timing is None and declaration.joint is None:
        plan = declaration.known_plan(weight.tensor) or declaration.make_plan(weight.tensor)
    declared_as = declaration.constraint
    return Bound(name, weight, declaration.layout, declared_as, constraint, plan, declaration)


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
    for declaration in list(constraints_on(module).values()):
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
    adopt_orphans(model)
    found = {
        bound.name: bound
        for name, module in model.named_modules()
        for bound in bound_weights(module, f"{name}." if name else "")
    }
    return {**found, **_declared_elsewhere(model)}


def _declared_elsewhere(model: nn.Module) -> dict[str, Bound]:
    """Return weights whose constraint is declared on a module that is not in the model.

    It was replaced by one that has the same parameter, or is part of another model, too.
    """
    inside = set(model.modules())
    outside = [(module, one) for module, one in declared() if module not in inside]
    if not outside:
        return {}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    own = {id(inner) for module in inside for inner in _declared_parameters(module)}
    found = {}
    for module, declaration in outside:
        parameter = identity_of(module, declaration.layout.parameter)
        if id(parameter) in names and id(parameter) not in own:
            bound = bind(names[id(parameter)], module, declaration)
            if bound is not None:
                found[bound.name] = bound
    return found


def _declared_parameters(module: nn.Module) -> Iterator[object | None]:
    return (identity_of(module, name) for name, _ in constraints_on(module))


def _resolve(weight: Weight, declaration: Declaration) -> AnyConstraint:
    """Fit a declared constraint to its weight."""
    if isinstance(constraint := declaration.constraint, Constraint):
        refuse_complex(constraint, weight.tensor, f"{weight.path}: {type(constraint).__name__}")
    layout, kind = declaration.layout, type(weight.module).__name__
    shape = layout.shape(weight.tensor.shape)
    resolved = resolve_constraint(
        f"{weight.path}, the {layout.role}",
        declaration.constraint,
        shape,
        layout.unit_axes(len(shape)),
        f"Say what the parameters of {kind} are by feasible.torch.register_layouts",
    )
    if isinstance(resolved, Constraint) and resolved.needs_initial_weight:
        if weight.tensor.is_meta:
            return resolved  # until there are values
        resolved = resolved.declared_for(layout.view(whole(weight.tensor.detach())))
    declaration.resolved = resolved
    return resolved
