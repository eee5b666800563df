"""Looks at the arrays of a tree that rules select, and reports what it finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from feasible.binding import Layout
from feasible.jax.trees import BoundLeaf, bound_leaves, flat
from feasible.report import Report, Row
from feasible.rules import Rules


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
    return tree_report(bound_leaves(rules, flat(params), layout))


def tree_report(bounds: list[BoundLeaf]) -> Report:
    """Report how far some leaves are from being feasible.

    Args:
        bounds: The leaves and their constraints.

    Returns:
        What was found.
    """
    rows, pending = [], []
    for bound in bounds:
        if isinstance(bound.leaf.parameter, jax.ShapeDtypeStruct):
            pending.append((bound.leaf.name, repr(bound.constraint)))
        else:
            rows.append(_row_of(bound))
    return Report(tuple(rows), tuple(pending))


def _row_of(bound: BoundLeaf) -> Row:
    """Report how far one leaf is from being feasible, that of stacked modules as one."""
    w, order = bound.leaf.parameter, bound.order
    stacked = w.ndim - len(order)
    counted = w.transpose((*range(stacked), *order))
    if not stacked:
        return Row.of(bound.leaf.name, bound.constraint, counted, w.shape)
    parts = counted.reshape(-1, *counted.shape[stacked:])
    rows = [Row.of(bound.leaf.name, bound.constraint, part, w.shape) for part in parts]
    return replace(
        rows[0],
        vectors=sum(row.vectors for row in rows),
        violating=sum(row.violating for row in rows),
        worst=float(np.max([row.worst for row in rows])),
        measured=np.concatenate([row.measured.ravel() for row in rows]),
    )
