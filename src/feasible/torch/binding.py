"""Declares constraints on modules, and projects their parameters after each optimizer step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from feasible.constraints import Constraint, NormConstraint, RadialConstraint
from feasible.torch.layouts import ParameterLayout

AnyConstraint = Callable[[Any], Any]

_ATTRIBUTE = "_feasible_constraints"


@dataclass
class Declaration:
    """A constraint declared for one parameter of a module.

    Attributes:
        constraint: The constraint as declared.
        resolved: The constraint as it acts on the parameter's Keras layout, ``"unit"`` replaced;
            None until the parameter exists.
    """

    constraint: AnyConstraint
    resolved: AnyConstraint | None = None


class ModuleConstraints:
    """The constraints declared on one module, by the name and role of the parameter.

    It lives in the module's `__dict__`, and enters itself among those that optimizers look at when
    it is made, copied or unpickled: so a declaration goes wherever its module goes, and parameters
    that are replaced are found under their names.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.declared: dict[ParameterLayout, Declaration] = {}
        _watch(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _watch(self)


_watched: WeakSet[ModuleConstraints] = WeakSet()


def _watch(constraints: ModuleConstraints) -> None:
    # A process that constrains nothing has no hook, and no cost.
    if not _watched and not _hooked:
        _hooked.append(register_optimizer_step_post_hook(_after_step))
    _watched.add(constraints)


_hooked: list[Any] = []


class Bound(NamedTuple):
    """A parameter and the constraint that holds for it.

    Attributes:
        name: The parameter's name in the model.
        module: The module it belongs to.
        layout: What it is to the module, and how its axes are counted.
        parameter: The parameter, as stored.
        declared: The constraint as declared.
        constraint: The constraint as it acts on the view, ``"unit"`` replaced.
    """

    name: str
    module: nn.Module
    layout: ParameterLayout
    parameter: Tensor
    declared: AnyConstraint
    constraint: AnyConstraint

    @property
    def view(self) -> Tensor:
        """The parameter in the layout in which the constraint counts axes, without gradient."""
        return self.layout.view(self.module, self.parameter.detach())


def declare(module: nn.Module, layout: ParameterLayout, constraint: AnyConstraint | None) -> None:
    """Declare a constraint for one parameter of a module, or remove it.

    It acts after each step of an optimizer that changes the parameter. The parameter need not
    exist yet.

    Args:
        module: The module.
        layout: Which of its parameters, and how its axes are counted.
        constraint: A constraint or any callable; None removes the one there is.

    Raises:
        TypeError: If the constraint cannot be called.
        ValueError: If the parameter exists and does not have the constraint's axes.
    """
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    if constraint is None:
        if constraints is not None:
            constraints.declared.pop(layout, None)
        return
    if not callable(constraint):
        raise TypeError(
            f"{type(module).__name__}: the constraint of `{layout.role}` must be callable or None. "
            f"Received: {constraint!r}."
        )
    declaration = Declaration(constraint)
    if (parameter := _parameter(module, layout)) is not None:
        _resolve(module, layout, declaration, parameter)
    if constraints is None:
        constraints = ModuleConstraints(module)
        # Past nn.Module's own attribute handling, which has nothing to do with it.
        object.__setattr__(module, _ATTRIBUTE, constraints)
    constraints.declared[layout] = declaration


def declared_constraint(module: nn.Module, layout: ParameterLayout) -> AnyConstraint | None:
    """Return the constraint declared for one parameter of a module.

    Args:
        module: The module.
        layout: Which of its parameters.

    Returns:
        The constraint as declared, or None.
    """
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    if constraints is None or layout not in constraints.declared:
        return None
    return constraints.declared[layout].constraint


def bound_parameters(module: nn.Module, prefix: str = "") -> Iterator[Bound]:
    """Return what is constrained in one module, not in those inside it.

    Args:
        module: The module.
        prefix: What its parameters' names begin with, such as ``"encoder."``.

    Yields:
        Each parameter that exists and has a constraint.
    """
    constraints: ModuleConstraints | None = vars(module).get(_ATTRIBUTE)
    for layout, declaration in constraints.declared.items() if constraints else ():
        parameter = _parameter(module, layout)
        if parameter is not None:
            constraint = declaration.resolved or _resolve(module, layout, declaration, parameter)
            name = prefix + layout.parameter
            yield Bound(name, module, layout, parameter, declaration.constraint, constraint)


def _parameter(module: nn.Module, layout: ParameterLayout) -> Tensor | None:
    parameter = getattr(module, layout.parameter, None)
    return parameter if isinstance(parameter, Tensor) else None


def _resolve(
    module: nn.Module, layout: ParameterLayout, declaration: Declaration, parameter: Tensor
) -> AnyConstraint:
    """Fit a declared constraint to its parameter: axes are checked, and doubtful ones warned of."""
    constraint = declaration.constraint
    if isinstance(constraint, Constraint):
        view = layout.view(module, parameter.detach())
        constraint = constraint.resolve(layout.unit_axes(view.ndim))
        constraint.vectors(view.shape)
        _warn_of_surprises(f"{type(module).__name__}.{layout.role}", constraint, view, layout)
    declaration.resolved = constraint
    return constraint


def _warn_of_surprises(
    owner: str, constraint: Constraint, view: Tensor, layout: ParameterLayout
) -> None:
    shape = tuple(view.shape)
    if isinstance(constraint, NormConstraint) and constraint.axis == 0 and view.ndim > 2:
        count, length = constraint.vectors(shape)
        unit = constraint.from_config(
            {**constraint.get_config(), "axis": list(layout.unit_axes(view.ndim))}
        )
        units, weights = unit.vectors(shape)
        warnings.warn(
            f"{owner}: {constraint!r} on a kernel of shape {shape} takes norms along axis 0 only: "
            f'{count} vectors of {length}. axis="unit" takes one a unit: {units} vectors of '
            f"{weights}. To mean axis 0, write axis=(0,).",
            UserWarning,
            stacklevel=2,
        )
    if (
        isinstance(constraint, RadialConstraint)
        and constraint.rings == "documented"
        and shape[0] >= 4
        and shape[0] % 2 == 0
    ):
        warnings.warn(
            f"{owner}: {constraint!r} on a kernel of even size {shape[0]} exchanges the values of "
            'its rings at each step. RadialConstraint(rings="mean") is the one to train with.',
            UserWarning,
            stacklevel=2,
        )


@torch.no_grad()
def project_parameter(bound: Bound) -> None:
    """Replace a parameter by its projection, in its own storage.

    Args:
        bound: The parameter and its constraint.

    Raises:
        TypeError: If the constraint does not return a tensor.
        ValueError: If it returns one of another shape, dtype or device; the parameter stays.
    """
    constraint, view = bound.constraint, bound.view
    # A callable of the user's may write to what it is given; the weight changes only if it returns.
    projected = constraint(view if isinstance(constraint, Constraint) else view.clone())
    if not isinstance(projected, Tensor):
        raise TypeError(
            f"{bound.name}: the constraint {constraint!r} must return a tensor of shape "
            f"{tuple(view.shape)} and dtype {view.dtype}. Received: {projected!r}."
        )
    for what in ("shape", "dtype", "device"):
        received, wanted = getattr(projected, what), getattr(view, what)
        if received != wanted:
            raise ValueError(
                f"{bound.name}: the constraint {constraint!r} must return a tensor of the "
                f"weight's {what}, {wanted}. Received: {received}."
            )
    view.copy_(projected)


def _project_each(bounds: Iterable[Bound]) -> None:
    """Project parameters, those that several modules share only once."""
    done: dict[tuple[int, str], Bound] = {}
    for bound in bounds:
        key = (id(bound.parameter), bound.layout.role)
        if key not in done:
            done[key] = bound
            project_parameter(bound)
        elif done[key].declared != bound.declared:
            raise ValueError(
                f"{bound.name} and {done[key].name} are one parameter, and must have one "
                f"constraint. Received: {done[key].declared!r} and {bound.declared!r}."
            )


def project(model: nn.Module) -> None:
    """Project every constrained parameter of a model now, in place.

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
    _project_each(list(constraints_of(model).values()))


def constraints_of(model: nn.Module) -> dict[str, Bound]:
    """Return every constrained parameter of a model.

    Args:
        model: The model.

    Returns:
        By the parameter's name: the parameter, its view and its constraint.
    """
    return {
        bound.name: bound
        for name, module in model.named_modules()
        for bound in bound_parameters(module, f"{name}." if name else "")
    }


def _after_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    """Project the parameters that an optimizer's step has changed."""
    del args, kwargs
    if not _watched or _skipped(optimizer):
        return
    stepped = {
        id(parameter)
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    }
    _project_each(
        bound
        for constraints in list(_watched)
        for bound in bound_parameters(constraints.module, f"{type(constraints.module).__name__}.")
        if id(bound.parameter) in stepped
    )


def _skipped(optimizer: Optimizer) -> bool:
    """Say whether a gradient scaler made a fused step leave the parameters as they were."""
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found)
