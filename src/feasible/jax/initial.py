"""Rules whose bounds are what arrays were at first."""

from __future__ import annotations

from typing import Any

import jax

from feasible.binding import Layout
from feasible.jax.trees import bound_leaves, flat
from feasible.rules import Rule, Rules, as_rules


def initial_rules(rules: Rules, params: Any, *, layout: Layout = "keras") -> list[Rule]:
    """Return rules of which nothing depends any more on what parameters were at first.

    A pure function does not know that. So ``Sphere("initial")`` is made, once, a `Sphere` with the
    norms that vectors have in `params`.

    Args:
        rules: A mapping or pairs of (selector, constraint), as `feasible.jax.project` takes them.
        params: The parameters at first, any tree.
        layout: The layout in which a constraint's axes are counted, as there.

    Returns:
        Rules: those of leaves whose constraint depended on them, by the leaves' paths, and others
        as they are.

    Raises:
        ValueError: If a rule selects nothing, or an array holds a NaN or an infinity.

    Example:
        >>> import jax.numpy as jnp
        >>> from feasible import Sphere
        >>> rules = initial_rules({"*": Sphere("initial")}, {"kernel": jnp.array([3.0, 4.0])})
        >>> rules[0].selector, float(rules[0].constraint.radius[0])
        ('kernel', 5.0)
    """
    found: list[Rule] = []
    for rule in as_rules(rules):
        if not getattr(rule.constraint, "needs_initial_weight", False):
            found.append(rule)
            continue
        for bound in bound_leaves([rule], flat(params), layout):
            seen = bound.seen(jax.device_get(bound.leaf.parameter))
            constraint = bound.constraint.declared_for(seen)
            found.append(rule.with_pair(bound.leaf.name, constraint))
    return found
