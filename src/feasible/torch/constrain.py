"""Declares constraints on a whole model, by rules."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from torch import nn
from torch.nn.utils import parametrize

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.binding import Layout
from feasible.constraints import Constraint
from feasible.constraints.function import name_of
from feasible.constraints.parts import refuse_complex
from feasible.known_layouts import layouts_of
from feasible.layouts import ParameterLayout
from feasible.report import Report
from feasible.rules import AnyConstraint, Rule, Rules, as_rules, match
from feasible.selectors import Selector, Target, check_selector, select
from feasible.torch.bound_weights import Bound, bind, constraints_of, prepare
from feasible.torch.carrying import lost_declarations, note_declared
from feasible.torch.declarations import Declaration, Joint, Tangent, attach, declared, detach
from feasible.torch.model_report import model_report
from feasible.torch.stepping import project_weights
from feasible.torch.weights import identity_of


@dataclass(frozen=True, eq=False)
class _Candidate(Target):
    """A weight that a rule may select, and how it is laid out."""

    layout: ParameterLayout = field(kw_only=True)

    @classmethod
    def of(cls, name: str, bound: Bound) -> Self:
        """Return what has a constraint as what may be released from it."""
        module, key = bound.weight.module, bound.layout.key
        role = next((role for row, role in _rows(module) if row.key == key), None)
        return cls(name, module, role, bound.weight.trained[0], key[1], layout=bound.layout)


def constrain(
    model: nn.Module,
    rules: Rules = (),
    *,
    layout: Layout = "keras",
    project: bool = False,
    dry_run: bool = False,
    tangent: Tangent = "auto",
    **roles: AnyConstraint | None,
) -> Report:
    """Declare constraints on the parameters of any model, by rules.

    They act after each step of every `torch.optim.Optimizer` that changes the parameter, with
    nothing to attach. Either every rule is declared or, if one cannot be, none.

    Args:
        model: The model.
        rules: A mapping or pairs of (selector, constraint). A selector is a glob over parameter
            names such as ``"encoder.*.weight"``, which may end in the name of a part, such as
            ``"*.in_proj_weight[query]"``; a compiled regular expression that matches whole
            names; a module type such as ``nn.Linear``, for its kernels; a pair of a module type, or
            a module's name, and a role, such as ``(nn.Conv2d, "kernel")`` or
            ``("encoder.0", "kernel")``; or a predicate of name, module and parameter. A constraint
            is an instance of a class of constraints; any callable, which is given a copy of the
            whole weight in `layout` and returns another; or None, which leaves alone what the
            selector is for. A rule for a parameter's very name comes before all others.
        layout: The layout in which a constraint's axes are counted, for parameters of known
            modules: Keras's, or the one in which they are stored. ``"unit"`` means the same in
            both. A callable is given the weight in this layout: ``torch.renorm`` for one, which
            counts axes as PyTorch stores them, wants ``"native"``.
        project: Whether to project the parameters at once, besides after each step. Frozen ones are
            left alone, as they are after each step; `feasible.torch.project` projects them too.
        dry_run: Whether only to show what would be declared.
        tangent: Whether gradients are projected, too, before each step: onto the directions along
            which a weight stays feasible, so that optimizers such as Adam end at the optimum.
            ``"auto"`` does so for the sets whose class asks for it: those beyond Keras's own five
            that are not of single entries, but for `TopK` and `NofM`.
        **roles: Constraints of every parameter of a role, in modules that are known:
            ``kernel=MaxNorm(2, axis="unit")``.

    Returns:
        What the rules select, which prints as a table: the vectors that the axes make, and how far
        the worst of them is from being feasible. Parameters that do not exist yet, or are on the
        meta device, are listed by name; the first are bound when they do. Notes say which rules
        gave way, what was left out, and what a role passed over because its module is not known.

    Raises:
        InvalidArgumentError: If a rule is of no known form.
        TypeError: If a parameter is complex, or a callable does not return a tensor.
        ValueError: If a rule selects nothing, two rules that rank alike select one parameter, a
            parameter has another constraint under another name, does not have a constraint's axes,
            or does not keep what is assigned to it, or a callable returns another shape or dtype.
            Nothing is declared then, and no weight changed.

    Example:
        >>> import feasible
        >>> model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
        >>> report = constrain(model, {"2.weight": None}, kernel=feasible.MaxNorm(2, axis="unit"))
        >>> [(row.parameter, row.vectors, row.length) for row in report.rows]
        [('0.weight', 512, 784)]
        >>> report.notes
        ("'2.weight': None leaves out 2.weight",)
    """
    if not isinstance(model, nn.Module):
        raise InvalidArgumentError(
            "constrain",
            "model",
            model,
            "a torch.nn.Module: constraints are declared on the model, and every optimizer that "
            "steps it keeps them",
        )
    check_choice("constrain", "layout", layout, ("keras", "native"))
    check_choice("constrain", "tangent", tangent, ("auto", True, False))
    matches = match(as_rules(rules, roles), _candidates(model))
    joints: dict[int, Joint] = defaultdict(Joint)
    prepared = [
        (candidate, _prepared(candidate, rule, layout, tangent, joints))
        for (candidate, _), rule in zip(matches.chosen, matches.rules, strict=True)
    ]
    _refuse_other_names(model, prepared)
    bounds, pending = [], []
    for candidate, declaration in prepared:
        bound = bind(candidate.name, candidate.module, declaration)
        if bound is None:
            pending.append((candidate.name, repr(declaration.constraint)))
        else:
            # A function may take complex weights, but there is no report of them.
            owner = f"{bound.name}: {name_of(bound.declared)}"
            refuse_complex(bound.declared, bound.weight.tensor, owner)
            bounds.append(bound)
    notes = [*matches.notes, *_not_pickled(prepared)]
    # Measured before anything is declared, because it calls what the user wrote.
    report = model_report(bounds, pending, notes)
    if dry_run:
        return report
    _release_replaced(model, prepared)
    for candidate, declaration in prepared:
        attach(candidate.module, declaration)
        note_declared(model, candidate.full_name, declaration)
    if project:
        trained = [bound for bound in bounds if not bound.weight.is_frozen]
        project_weights(trained)
        report = model_report(bounds, pending, [*notes, *_left_frozen(bounds)])
    return report


def _prepared(
    candidate: _Candidate,
    rule: Rule,
    layout: Layout,
    tangent: Tangent,
    joints: dict[int, Joint],
) -> Declaration:
    """Return the declaration of one candidate's constraint, checked and not yet attached."""
    counted, constraint = candidate.layout, rule.constraint
    assert constraint is not None
    if layout == "native" and not getattr(constraint, "in_units", False):
        counted = counted.native()
    return prepare(
        candidate.module,
        counted,
        constraint,
        path=candidate.name,
        tangent=tangent,
        timing=None if rule.timing.is_always else rule.timing,
        joint=joints[id(rule)] if rule.joint else None,
    )


def _release_replaced(model: nn.Module, prepared: Sequence[tuple[_Candidate, Declaration]]) -> None:
    """Release modules that were replaced in the model from what is declared of the same weights."""
    inside = set(model.modules())
    names = {(id(candidate.parameter), candidate.name) for candidate, _ in prepared}
    for module, old in list(declared()):
        identity = id(identity_of(module, old.layout.parameter))
        if module not in inside and (identity, old.path) in names:
            detach(module, old.layout)


class _Claim(NamedTuple):
    """What is declared, or to be declared, for a parameter under one of its names."""

    name: str
    part: str | None
    constraint: AnyConstraint

    def contradicts(self, other: _Claim) -> bool:
        """Return whether not both can hold: of the same entries, each must be constrained once."""
        if self.part == other.part:
            return bool(self.constraint != other.constraint)
        return self.part is None or other.part is None


def _refuse_other_names(
    model: nn.Module, prepared: Sequence[tuple[_Candidate, Declaration]]
) -> None:
    """Raise if a parameter has another constraint already, under another of its names."""
    claims: dict[int, list[_Claim]] = defaultdict(list)
    inside = set(model.modules())
    new_names = {(id(candidate.parameter), candidate.name) for candidate, _ in prepared}
    replaced = {(id(candidate.module), candidate.layout.key) for candidate, _ in prepared}
    for module, old in declared():
        if (id(module), old.layout.key) not in replaced:
            parameter, part = old.layout.key
            name = old.called(module) + (f"[{part}]" if part else "")
            identity = id(identity_of(module, parameter))
            if module not in inside and (identity, old.path) in new_names:
                continue  # it was replaced in the model, and is released from this
            claims[identity].append(_Claim(name, part, old.constraint))
    for candidate, declaration in prepared:
        new = _Claim(candidate.full_name, candidate.part, declaration.constraint)
        for other in claims[id(candidate.parameter)]:
            if new.contradicts(other):
                raise ValueError(
                    f"{new.name} and {other.name} are one parameter, and must have one constraint. "
                    f"Received: {new.constraint!r} and {other.constraint!r}. Leave one of them out "
                    f"by a rule, such as {{{new.name!r}: None}}, or release the one that is "
                    "declared, by feasible.torch.release."
                )
        claims[id(candidate.parameter)].append(new)


def _not_pickled(prepared: Iterable[tuple[_Candidate, Declaration]]) -> list[str]:
    """Say which of the user's own callables will stop the model from being saved whole."""
    notes = []
    for candidate, declaration in prepared:
        if isinstance(declaration.constraint, Constraint):
            continue
        try:
            pickle.dumps(declaration.constraint)
        except Exception:  # noqa: BLE001, because what is pickled may raise what it likes
            notes.append(
                f"{candidate.full_name}: {name_of(declaration.constraint)} cannot be pickled, and "
                "so neither can the model. Save its state_dict, or take a function that a module "
                "defines"
            )
    return notes


def _left_frozen(bounds: Iterable[Bound]) -> list[str]:
    return [
        f"{bound.name}: frozen, and not projected" for bound in bounds if bound.weight.is_frozen
    ]


def release(model: nn.Module, *selectors: Selector) -> list[str]:
    """Release parameters from their constraints.

    Args:
        model: The model.
        *selectors: Which ones, as in the rules of `constrain`; none means all. A name may also be
            that of a constraint that is lost, so that it is no longer reported.

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
        _Candidate.of(name.partition("[")[0], bound)
        for name, bound in constraints_of(model).items()
    ]
    chosen, lost = constrained, list(lost_declarations(model))
    if selectors:
        lost = [one for one in lost if one[0] in selectors]
        others = [one for one in selectors if one not in [name for name, _ in lost]]
        wanted = [select(check_selector(selector), constrained) for selector in others]
        chosen = [one for one in constrained if any(one in some for some in wanted)]
    for one in chosen:
        detach(one.module, one.layout)
    for _, declaration in lost:
        declaration.is_released = True
    return [*(one.name for one in chosen), *(name for name, _ in lost)]


def _candidates(model: nn.Module) -> list[_Candidate]:
    """Return every weight that a rule may select, shared ones under each of their names."""
    return [
        _Candidate(
            f"{prefix}.{row.parameter}".lstrip("."),
            module,
            role,
            identity,
            row.key[1],
            layout=row,
        )
        for prefix, module in model.named_modules(remove_duplicate=False)
        if not isinstance(module, parametrize.ParametrizationList)
        for row, role in _rows(module)
        if (identity := _identity(module, row.parameter)) is not None
    ]


def _rows(module: nn.Module) -> list[tuple[ParameterLayout, str | None]]:
    """Return the layout and the role of each weight of a module.

    What the table does not know has no role: a module may call its parameters as it likes.
    """
    known = layouts_of(module)
    names = {row.parameter for row in known}
    return [
        *((row, row.role) for row in known),
        *(
            (ParameterLayout(name, name), None)
            for name in module._parameters
            if name not in names and f"{name.removesuffix('_orig')}_mask" not in module._buffers
        ),
    ]


def _identity(module: nn.Module, name: str) -> object | None:
    """Return what is one and the same for a weight that has several names; None for no weight."""
    if (identity := identity_of(module, name)) is not None:
        return identity
    # A layer of ours that is not built yet will have what its row of the table says; one of Keras's
    # keeps its weights elsewhere.
    is_ours = hasattr(module, "weight_views")
    unbuilt = is_ours and not module.built and name not in module._buffers
    return (module, name) if unbuilt else None
