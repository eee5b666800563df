"""Constraints in a training loop of optax."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from feasible.binding import Layout
from feasible.jax.projecting import AxisName, project_leaf
from feasible.jax.trees import BoundLeaf, bound_leaves, flat
from feasible.rules import Rules


def apply_updates(
    params: Any,
    updates: Any,
    rules: Rules,
    *,
    layout: Layout = "keras",
    axis_name: AxisName = None,
    has_updated: Any = True,
) -> Any:
    """Add updates to parameters, and project those that rules select.

    It does what `optax.apply_updates` does, and then what `feasible.jax.project` does, without
    another copy of the parameters.

    Args:
        params: The parameters, any tree.
        updates: What to add, a tree of the same structure; where it has None, the parameter stays
            as it is.
        rules: A mapping or pairs of (selector, constraint), as `feasible.jax.project` takes them.
        layout: The layout in which a constraint's axes are counted, as there.
        axis_name: The mesh axes over which vectors are spread, as there.
        has_updated: Whether this was a step at all, as `optax.MultiSteps.has_updated` tells for
            accumulated gradients: a bool, or a scalar array of it.

    Returns:
        The parameters after the step, of their own dtypes.

    Raises:
        InvalidArgumentError: If a rule is of no known form.
        ValueError: If a rule cannot be followed, as `feasible.jax.project` says.

    Example:
        >>> from feasible import NonNeg
        >>> params = {"kernel": jnp.array([0.5, 0.1])}
        >>> apply_updates(params, {"kernel": jnp.array([-0.2, -0.2])}, {"*": NonNeg()})["kernel"]
        Array([0.3, 0. ], dtype=float32)
    """
    flattened = flat(params)
    stepped = {
        leaf.place: _stepped(leaf.parameter, move)
        for leaf, move in zip(flattened.leaves, flattened.matching(updates), strict=True)
        if leaf.parameter is not None and move is not None
    }
    for bound in bound_leaves(rules, flattened, layout):
        moved = stepped.get(bound.leaf.place)
        if moved is not None:
            feasible = project_leaf(bound, moved, axis_name)
            if has_updated is not True:
                feasible = jnp.where(has_updated, feasible, moved)
            stepped[bound.leaf.place] = feasible
    return flattened.rebuilt(stepped)


def _stepped(p: Any, update: Any) -> Any:
    """Return a parameter after an update, rounded to its own dtype as in optax."""
    return jnp.asarray(p + update).astype(jnp.asarray(p).dtype)


def constrain_updates(
    rules: Rules, *, layout: Layout = "keras", axis_name: AxisName = None
) -> optax.GradientTransformationExtraArgs:
    """Return the last transformation of a chain: updates that lead to feasible parameters.

    It is for loops that hide `optax.apply_updates`; elsewhere `feasible.jax.apply_updates` is
    faster and exact. An update u of a parameter p becomes P(p + u) - p, with the projection P. So
    it must come last: whatever changes an update later leads elsewhere. The difference is rounded,
    so that the parameter may end a rounding error of p away from P(p + u). For constraints on norms
    it costs a pass over the parameters and a copy of them more than `feasible.jax.apply_updates`.

    Args:
        rules: A mapping or pairs of (selector, constraint), as `feasible.jax.project` takes them.
        layout: The layout in which a constraint's axes are counted, as there.
        axis_name: The mesh axes over which vectors are spread, as there.

    Returns:
        A transformation without state. Its `update` needs the parameters.

    Example:
        >>> from feasible import NonNeg
        >>> optimizer = optax.chain(optax.sgd(0.5), constrain_updates({"*": NonNeg()}))
        >>> params = {"kernel": jnp.array([2.0, 0.25])}
        >>> gradients = {"kernel": jnp.array([1.0, 1.0])}
        >>> updates, _ = optimizer.update(gradients, optimizer.init(params), params)
        >>> print(updates["kernel"])
        [-0.5  -0.25]
    """

    def init(params: Any) -> optax.EmptyState:
        bound_leaves(rules, flat(params), layout)
        return optax.EmptyState()

    def update(
        updates: Any, state: optax.EmptyState, params: Any = None, **extra: Any
    ) -> tuple[Any, optax.EmptyState]:
        del extra
        if params is None:
            raise ValueError(
                "constrain_updates: `params` must be given to `update`, because what is feasible "
                "is the parameters, not their updates. Received: None. Call "
                "optimizer.update(gradients, state, params)."
            )
        flattened = flat(params)
        moves = dict(enumerate(flattened.matching(updates)))
        for bound in bound_leaves(rules, flattened, layout):
            place = bound.leaf.place
            if moves[place] is not None:
                moves[place] = _leading(bound, moves[place], axis_name)
        return flattened.rebuilt(moves), state

    return optax.GradientTransformationExtraArgs(init, update)


def _leading(bound: BoundLeaf, update: Any, axis_name: AxisName) -> Any:
    """Return the update that leads to the projection of where another leads."""
    p = bound.leaf.parameter
    feasible = project_leaf(bound, _stepped(p, update), axis_name)
    wide = jnp.promote_types(p.dtype, update.dtype)
    return feasible.astype(wide) - p.astype(wide)
