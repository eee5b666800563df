"""Which arrays of a checkpoint get which constraint."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.binding import resolve_constraint
from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.failures import NothingSelectedError
from feasible.checkpoints.stored_array import StoredArray
from feasible.checkpoints.stored_layouts import LAYOUTS, layouts_by_name
from feasible.constraints import Constraint
from feasible.layouts import ParameterLayout
from feasible.rules import Rule, as_rules, match
from feasible.selectors import Role, Target, selects

_ROLE = "role:"


@dataclass(frozen=True, eq=False)
class ArrayTarget(Target):
    """An array, or a part of one, that a rule may select."""

    layout: ParameterLayout = field(kw_only=True)
    taken_for: str = field(kw_only=True)

    @property
    def identity(self) -> Hashable:
        """What is one and the same for an array under all its names."""
        return self.parameter.identity, self.part


class Selected(NamedTuple):
    """An array, or a part of one, and the constraint that holds for it.

    Attributes:
        name: Its name, a part's in brackets.
        array: The array.
        layout: What it is to its layer, and how its axes are counted.
        constraint: The constraint as it acts on the view in that layout.
        note: What is to be said of it.
    """

    name: str
    array: StoredArray
    layout: ParameterLayout
    constraint: Any
    note: str

    def view(self, values: Any) -> Any:
        """Return the view of the array's entries in which the constraint counts axes."""
        return self.layout.view(values)


def targets_of(checkpoint: Checkpoint, layout: str | None = None) -> list[ArrayTarget]:
    """Return the arrays of a checkpoint that constraints can be on, and what they are.

    Args:
        checkpoint: The checkpoint.
        layout: How arrays are stored of which the file does not say it; None for as is usual in
            its format.

    Returns:
        The arrays of numbers with a fraction, one a part where they have parts.
    """
    stored_as = layout or checkpoint.layout
    check_choice("check", "layout", stored_as, LAYOUTS)
    found = []
    for array in checkpoint.arrays:
        if not array.is_real or not array.size:
            continue
        rows = [(row, "") for row in array.layouts]
        for row, taken_for in rows or layouts_by_name(array, stored_as):
            part = row.part.name if row.part else None
            found.append(
                ArrayTarget(
                    array.name,
                    None,
                    row.role or None,
                    array,
                    part,
                    layout=row,
                    taken_for=taken_for,
                )
            )
    return found


def select_arrays(
    checkpoint: Checkpoint, rules: Any = None, layout: str | None = None
) -> tuple[list[Selected], tuple[str, ...]]:
    """Return which arrays get which constraint.

    Args:
        checkpoint: The checkpoint.
        rules: Pairs of a pattern over names, or ``"role:kernel"``, and a constraint; None for those
            that the checkpoint holds.
        layout: How arrays are stored: ``"torch"``, ``"keras"`` or ``"native"``; None for as is
            usual in the format.

    Returns:
        What is selected, and notes.

    Raises:
        NothingSelectedError: If there are no rules, or one selects nothing.
        InvalidArgumentError: If an array has a dtype, or a shape, that its constraint is not for.
        ValueError: If two rules that rank alike select one array.
    """
    targets = targets_of(checkpoint, layout)
    chosen = _rules(checkpoint, rules)
    for rule in chosen:
        if rule.constraint is not None or rules is not None:
            _require_one(rule, targets, checkpoint)
    matches = match(chosen, targets)
    if not matches.chosen:
        raise NothingSelectedError(f"{checkpoint.source}: its rules constrain no parameter.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [_selected(target, constraint) for target, constraint in matches.chosen]
    return found, (*matches.notes, *(str(one.message) for one in caught))


def _rules(checkpoint: Checkpoint, rules: Any) -> list[Rule]:
    if rules is not None and (given := as_rules(rules)):
        return [
            one.with_pair(Role(one.selector.removeprefix(_ROLE)), one.constraint)
            if isinstance(one.selector, str) and one.selector.startswith(_ROLE)
            else one
            for one in given
        ]
    if not checkpoint.rules:
        raise NothingSelectedError(
            f"{checkpoint.source}: it holds no rules, and none are given. Give "
            "--rule 'PATTERN=CONSTRAINT' or --rules FILE, or save them in the file by "
            "feasible.torch.save_rules(model, path)."
        )
    return as_rules([(one.parameter, one.constraint) for one in checkpoint.rules])


def _require_one(rule: Rule, targets: Sequence[ArrayTarget], checkpoint: Checkpoint) -> None:
    """Raise if a rule is for no array that can be constrained."""
    if any(selects(rule.selector, target) for target in targets):
        return
    others = [
        one
        for one in checkpoint.arrays
        if selects(rule.selector, Target(one.name, None, None, one))
    ]
    if others:
        one = others[0]
        raise InvalidArgumentError(
            str(checkpoint.source),
            one.name,
            f"shape {one.shape}, dtype {one.dtype}",
            "an array of floating numbers of at least two bytes, with entries, to be constrained",
        )
    try:
        match([rule], targets)
    except ValueError as error:
        raise NothingSelectedError(f"{checkpoint.source}: {error}") from error


def _selected(target: ArrayTarget, constraint: Any) -> Selected:
    row = target.layout
    shape = row.shape(target.parameter.shape)
    resolved = resolve_constraint(target.full_name, constraint, shape, row.unit_axes(len(shape)))
    if isinstance(resolved, Constraint) and resolved.needs_initial_weight:
        raise InvalidArgumentError(
            target.full_name,
            "constraint",
            constraint,
            "one that does not depend on what a weight was when it was declared",
        )
    notes = [f"taken for {target.taken_for}" if target.taken_for else "", row.note]
    return Selected(
        target.full_name, target.parameter, row, resolved, "; ".join(filter(None, notes))
    )
