"""Constraints in a training loop of optax."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from feasible.binding import Layout
from feasible.jax.projecting import AxisName, project_leaves, tangent_leaf
from feasible.jax.trees import bound_leaves, flat
from feasible.rules import Rules, as_rules


def apply_updates(
    params: Any,
    updates: Any,
    rules: Rules,
    *,
    layout: Layout = "keras",
    axis_name: AxisName = None,
    has_updated: Any = True,
    step: Any = None,
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
        step: How many steps there were, this one included, for rules that change over time.

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
    bounds = [
        bound for bound in bound_leaves(rules, flattened, layout) if bound.leaf.place in stepped
    ]
    for place, feasible in project_leaves(bounds, stepped, axis_name, step).items():
        moved = stepped[place]
        stepped[place] = (
            feasible if has_updated is True else jnp.where(has_updated, feasible, moved)
        )
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
        A transformation, whose state counts steps where rules change over time. Its `update` needs
        the parameters.

    Example:
        >>> from feasible import NonNeg
        >>> optimizer = optax.chain(optax.sgd(0.5), constrain_updates({"*": NonNeg()}))
        >>> params = {"kernel": jnp.array([2.0, 0.25])}
        >>> gradients = {"kernel": jnp.array([1.0, 1.0])}
        >>> updates, _ = optimizer.update(gradients, optimizer.init(params), params)
        >>> print(updates["kernel"])
        [-0.5  -0.25]
    """
    changes = any(not rule.timing.is_always for rule in as_rules(rules))

    def init(params: Any) -> Any:
        bound_leaves(rules, flat(params), layout)
        return (
            optax.ScaleByScheduleState(jnp.zeros((), jnp.int32)) if changes else optax.EmptyState()
        )

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        del extra
        if params is None:
            raise _without_params("constrain_updates")
        if changes:
            state = optax.ScaleByScheduleState(optax.safe_increment(state.count))
        flattened = flat(params)
        moves = dict(enumerate(flattened.matching(updates)))
        bounds = [
            bound
            for bound in bound_leaves(rules, flattened, layout)
            if moves[bound.leaf.place] is not None
        ]
        ends = {
            bound.leaf.place: _stepped(bound.leaf.parameter, moves[bound.leaf.place])
            for bound in bounds
        }
        found = project_leaves(bounds, ends, axis_name, state.count if changes else None)
        for bound in bounds:
            place = bound.leaf.place
            moves[place] = _leading(bound.leaf.parameter, moves[place], found[place])
        return flattened.rebuilt(moves), state

    return optax.GradientTransformationExtraArgs(init, update)


def _leading(p: Any, update: Any, feasible: Any) -> Any:
    """Return the update that leads from a parameter to where it is to be."""
    wide = jnp.promote_types(p.dtype, update.dtype)
    return feasible.astype(wide) - p.astype(wide)


def _without_params(function: str) -> ValueError:
    return ValueError(
        f"{function}: `params` must be given to `update`, because what is feasible is the "
        "parameters, not their updates. Received: None. Call optimizer.update(gradients, state, "
        "params)."
    )


def tangent(
    rules: Rules, *, layout: Layout = "keras", axis_name: AxisName = None
) -> optax.GradientTransformationExtraArgs:
    """Return the first transformation of a chain: gradients along which parameters stay feasible.

    Optimizers that scale each entry of a gradient by itself, such as Adam, can stop beside the
    optimum when weights are projected after them. They end at it when gradients come onto the
    tangent cone before. It goes with `feasible.jax.apply_updates` or `constrain_updates` of the
    same rules; here all of them project, whichever their class.

    Args:
        rules: A mapping or pairs of (selector, constraint), as `feasible.jax.project` takes them.
        layout: The layout in which a constraint's axes are counted, as there.
        axis_name: The mesh axes over which vectors are spread, as there.

    Returns:
        A transformation without state. Its `update` needs the parameters.

    Example:
        >>> from feasible import Simplex
        >>> optimizer = optax.chain(tangent({"*": Simplex()}), optax.adam(0.1))
        >>> params = {"mixture": jnp.array([0.5, 0.5])}
        >>> gradients = {"mixture": jnp.array([1.0, 3.0])}
        >>> updates, _ = optimizer.update(gradients, optimizer.init(params), params)
        >>> print(updates["mixture"].round(3))
        [ 0.1 -0.1]
    """

    def init(params: Any) -> optax.EmptyState:
        bound_leaves(rules, flat(params), layout)
        return optax.EmptyState()

    def update(
        updates: Any, state: optax.EmptyState, params: Any = None, **extra: Any
    ) -> tuple[Any, optax.EmptyState]:
        del extra
        if params is None:
            raise _without_params("tangent")
        flattened = flat(params)
        gradients = dict(enumerate(flattened.matching(updates)))
        for bound in bound_leaves(rules, flattened, layout):
            place = bound.leaf.place
            if gradients[place] is not None:
                gradients[place] = tangent_leaf(
                    bound, bound.leaf.parameter, gradients[place], axis_name
                )
        return flattened.rebuilt(gradients), state

    return optax.GradientTransformationExtraArgs(init, update)
