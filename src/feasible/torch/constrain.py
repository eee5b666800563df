"""Declares constraints on a whole model, by rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from feasible.arguments import check_choice
from feasible.binding import Layout
from feasible.constraints.function import name_of
from feasible.constraints.parts import refuse_complex
from feasible.known_layouts import layouts_of
from feasible.layouts import ParameterLayout
from feasible.report import Report
from feasible.rules import (
    AnyConstraint,
    Rules,
    Selector,
    Target,
    as_rules,
    check_selector,
    match,
    select,
)
from feasible.torch.declarations import (
    attach,
    bind,
    constraints_of,
    detach,
    prepare,
)
from feasible.torch.model_report import model_report
from feasible.torch.stepping import project_weights
from feasible.torch.weights import weight_of


@dataclass(frozen=True, eq=False)
class _Candidate(Target):
    """A weight that a rule may select, and how it is laid out."""

    layout: ParameterLayout = field(kw_only=True)

    @classmethod
    def of(cls, name: str, module: nn.Module, layout: ParameterLayout, identity: object) -> Self:
        return cls(name, module, layout.role, identity, layout.key[1], layout=layout)


def constrain(
    model: nn.Module,
    rules: Rules = (),
    *,
    layout: Layout = "keras",
    project: bool = False,
    dry_run: bool = False,
    **roles: AnyConstraint,
) -> Report:
    """Declare constraints on the parameters of any model, by rules.

    They act after each step of every `torch.optim.Optimizer` that changes the parameter, with
    nothing to attach. Either every rule is declared or, if one cannot be, none.

    Args:
        model: The model.
        rules: A mapping or pairs of (selector, constraint). A selector is a glob over parameter
            names such as ``"encoder.*.weight"``, or the name of a part such as
            ``"attention.in_proj_weight[query]"``; a compiled regular expression that matches whole
            names; a pair of a module type, or a module's name, and a role, such as
            ``(nn.Conv2d, "kernel")`` or ``("encoder.0", "kernel")``; or a predicate of name, module
            and parameter.
        layout: The layout in which a constraint's axes are counted, for parameters of known
            modules: Keras's, or the one in which they are stored. ``"unit"`` means the same in
            both.
        project: Whether to project the parameters at once, besides after each step.
        dry_run: Whether only to show what would be declared.
        **roles: Constraints of every parameter of a role: ``kernel=MaxNorm(2, axis="unit")``.

    Returns:
        What the rules select, which prints as a table: the vectors that the axes make, and how far
        the worst of them is from being feasible. Parameters that do not exist yet, or are on the
        meta device, are listed by name; the first are bound when they do.

    Raises:
        InvalidArgumentError: If a rule is of no known form.
        TypeError: If a parameter is complex.
        ValueError: If a rule selects nothing, two rules select one parameter, or a parameter does
            not have a constraint's axes, or does not keep what is assigned to it. Nothing is
            declared then.

    Example:
        >>> import feasible
        >>> model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
        >>> report = constrain(model, kernel=feasible.MaxNorm(2, axis="unit"))
        >>> [(row.parameter, row.vectors, row.length) for row in report.rows]
        [('0.weight', 512, 784), ('2.weight', 10, 512)]
    """
    check_choice("constrain", "layout", layout, ("keras", "native"))
    by_role = [((nn.Module, role), constraint) for role, constraint in roles.items()]
    prepared = []
    for candidate, rule in match(as_rules(rules) + as_rules(by_role), _candidates(model)):
        counted = candidate.layout
        if layout == "native" and getattr(rule.constraint, "axis", None) != "unit":
            counted = counted.native()
        declaration = prepare(candidate.module, counted, rule.constraint)
        prepared.append((candidate, declaration))
    bounds, pending = [], []
    for candidate, declaration in prepared:
        bound = bind(candidate.name, candidate.module, declaration)
        if bound is None:
            pending.append((candidate.name, repr(declaration.constraint)))
        else:
            # A function may take complex weights, but there is no report of them.
            refuse_complex(name_of(bound.declared), bound.weight.tensor)
            bounds.append(bound)
    if not dry_run:
        for candidate, declaration in prepared:
            attach(candidate.module, declaration)
    if project and not dry_run:
        project_weights(bounds)
    return model_report(bounds, pending)


def release(model: nn.Module, *selectors: Selector) -> list[str]:
    """Release parameters from their constraints.

    Args:
        model: The model.
        *selectors: Which ones, as in the rules of `constrain`; none means all.

    Returns:
        The names of the parameters released.

    Raises:
        InvalidArgumentError: If a selector is of no known form.
        ValueError: If one selects no constrained parameter; none is released then.

    Example:
        >>> import feasible
        >>> model = nn.Sequential(nn.Linear(3, 2))
        >>> _ = constrain(model, kernel=feasible.NonNeg(), bias=feasible.NonNeg())
        >>> release(model, "*.bias")
        ['0.bias']
    """
    constrained = [
        _Candidate.of(
            name.partition("[")[0], bound.weight.module, bound.layout, bound.weight.trained[0]
        )
        for name, bound in constraints_of(model).items()
    ]
    chosen = constrained
    if selectors:
        wanted = [select(check_selector(selector), constrained) for selector in selectors]
        chosen = [one for one in constrained if any(one in some for some in wanted)]
    for one in chosen:
        detach(one.module, one.layout)
    return [one.name for one in chosen]


def _candidates(model: nn.Module) -> list[_Candidate]:
    """Return every weight that a rule may select, shared ones under each of their names."""
    return [
        _Candidate.of(f"{prefix}.{row.parameter}".lstrip("."), module, row, identity)
        for prefix, module in model.named_modules(remove_duplicate=False)
        if not isinstance(module, parametrize.ParametrizationList)
        for row in (*layouts_of(module), *_unknown(module))
        if (identity := _identity(module, row.parameter)) is not None
    ]


def _unknown(module: nn.Module) -> list[ParameterLayout]:
    """Return rows for the parameters of a module that the table does not know."""
    known = {row.parameter for row in layouts_of(module)}
    return [
        ParameterLayout(name, name)
        for name in module._parameters
        if name not in known and f"{name.removesuffix('_orig')}_mask" not in module._buffers
    ]


def _identity(module: nn.Module, name: str) -> object | None:
    """Return what is one and the same for a weight that has several names; None for no weight."""
    if (weight := weight_of(module, name)) is not None:
        return weight.trained[0]
    parameter = module._parameters.get(name)
    if parameter is not None and is_lazy(parameter):
        return parameter
    # A layer of ours that is not built yet will have what its row of the table says; one of Keras's
    # keeps its weights elsewhere.
    is_ours = hasattr(module, "weight_views")
    unbuilt = is_ours and not module.built and name not in module._buffers
    return (module, name) if unbuilt else None
