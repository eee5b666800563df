"""Looks at the arrays of a tree that rules select, and reports what it finds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from feasible.binding import Layout
from feasible.jax.trees import BoundLeaf, bound_leaves, flat, selected_leaves
from feasible.report import Report, Row, call_note
from feasible.rules import Rules, as_rules


def check(rules: Rules, params: Any, *, layout: Layout = "keras") -> Report:
    """Report how far each array that rules select is from being feasible.

    Args:
        rules: A mapping or pairs of (selector, constraint), as `feasible.jax.project` takes them.
        params: Any tree. Of arrays without values, as `jax.eval_shape` returns them, the report
            says only that they are pending.
        layout: The layout in which a constraint's axes are counted, as in `feasible.jax.project`.

    Returns:
        What was found, which prints as a table.

    Raises:
        InvalidArgumentError: If a rule is of no known form.
        ValueError: If a rule selects nothing, or what is not a floating array; if two rules select
            one leaf; if a leaf does not have a constraint's axes.

    Example:
        >>> import jax.numpy as jnp
        >>> from feasible import MaxNorm
        >>> report = check({"*": MaxNorm(1)}, {"kernel": jnp.ones((4, 3))})
        >>> report.ok, report.rows[0].worst
        (False, 1.0)
    """
    flattened = flat(params)
    given = as_rules(rules)
    bounds = bound_leaves(given, flattened, layout)
    return tree_report(bounds, selected_leaves(given, flattened.leaves).notes)


def tree_report(bounds: list[BoundLeaf], notes: Sequence[str] = ()) -> Report:
    """Report how far some leaves are from being feasible.

    Args:
        bounds: The leaves and their constraints.
        notes: What else is to be said.

    Returns:
        What was found.
    """
    rows, pending = [], []
    together: dict[Hashable, list[BoundLeaf]] = defaultdict(list)
    for bound in bounds:
        if isinstance(bound.leaf.parameter, jax.ShapeDtypeStruct):
            pending.append((bound.leaf.name, repr(bound.constraint)))
        elif bound.joint is not None:
            together[bound.joint].append(bound)
        else:
            rows.append(_row_of(bound))
    rows += map(_joint_row, together.values())
    return Report(tuple(rows), tuple(pending), tuple(notes))


def _joint_row(bounds: Sequence[BoundLeaf]) -> Row:
    """Report how far leaves are from being feasible that are constrained together."""
    seen = [bound.seen(bound.leaf.parameter) for bound in bounds]
    rule = bounds[0].constraint
    return Row.joint([bound.leaf.name for bound in bounds], rule, seen)


def _row_of(bound: BoundLeaf) -> Row:
    """Report how far one leaf is from being feasible, that of stacked modules as one."""
    w, order = bound.leaf.parameter, bound.order
    stacked = w.ndim - len(order)
    counted = w.transpose((*range(stacked), *order))
    in_keras = "in Keras layout" if list(order) != sorted(order) else "as stored"
    note = call_note(bound.constraint, counted.shape[stacked:], in_keras)
    if not stacked:
        return Row.of(bound.leaf.name, bound.constraint, counted, w.shape, note)
    parts = counted.reshape(-1, *counted.shape[stacked:])
    rows = [Row.of(bound.leaf.name, bound.constraint, part, w.shape, note) for part in parts]
    return replace(
        rows[0],
        vectors=sum(row.vectors for row in rows),
        violating=sum(row.violating for row in rows),
        worst=float(np.max([row.worst for row in rows])),
        measured=np.concatenate([row.measured.ravel() for row in rows]),
    )
