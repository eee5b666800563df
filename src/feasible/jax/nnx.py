"""Constraints declared on the Params of Flax NNX modules, and honoured by the optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from feasible.binding import Layout
from feasible.requirements import require
from feasible.rules import AnyConstraint

require("feasible.jax.nnx", "jax", "flax")

# ruff: noqa: E402

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from feasible.arguments import check_choice
from feasible.constraints.base import is_whole_call
from feasible.jax.projecting import project_leaf, project_leaves, tangent_leaf
from feasible.jax.tree_report import tree_report
from feasible.jax.trees import (
    BoundLeaf,
    Leaf,
    bound,
    leaf_at,
    leaf_description,
    selected_leaves,
    with_rule,
)
from feasible.report import Report
from feasible.rules import Rules, as_rules
from feasible.selectors import Selector, check_selector, select

_Path = tuple[Any, ...]

# The states of transformations that may hold a step back, wholly or for some of the Variables:
# their updates are zero then.
_HOLDING_BACK = (
    optax.ApplyIfFiniteState,
    optax.ConditionallyMaskState,
    optax.MaskedState,
    optax.MultiStepsState,
)
# The metadata of a Variable that declare its constraint, and how and when it acts.
_CONSTRAINT, _LAYOUT = "constraint", "constraint_layout"
_TIMING, _JOINT, _TANGENT = "constraint_timing", "constraint_joint", "constraint_tangent"
_METADATA = (_CONSTRAINT, _LAYOUT, _TIMING, _JOINT, _TANGENT)


_WHO_ACTS = (
    "constraints act in feasible.jax.nnx.Optimizer, which takes the place of nnx.Optimizer; after "
    "updates by anything else, call feasible.jax.nnx.project"
)


class _Weight(NamedTuple):
    """A Variable of a model, and what it is there under each of its names."""

    variable: nnx.Variable[Any]
    path: _Path
    leaves: list[Leaf]


class Optimizer(nnx.Optimizer[Any]):
    """An `nnx.Optimizer` that projects, after each update, what is declared on the model.

    A constraint is declared where a layer is made, as metadata of its Param named ``constraint``,
    or on a model that is made, by `constrain`; also after the optimizer was made.

    Each call of `update` is a step, save where optax holds one back: while `optax.MultiSteps`
    accumulates, when `optax.apply_if_finite` or `optax.conditionally_mask` rejects an update, and
    for Params that `optax.partition` or `optax.masked` freeze, nothing is projected. It shows in
    updates of a Param that are zero throughout.

    Args:
        model: The model, as in `nnx.Optimizer`.
        tx: The optax transformation.
        wrt: Which Variables are trained, such as ``nnx.Param``.
        **options: What else `nnx.Optimizer` takes.

    Raises:
        InvalidArgumentError: If metadata are no constraint, or no layout.
        ValueError: If a declared constraint cannot hold for its Param.

    Example:
        >>> from feasible import MaxNorm
        >>> init = nnx.with_metadata(nnx.initializers.ones, constraint=MaxNorm(2, axis="unit"))
        >>> model = nnx.Linear(100, 3, kernel_init=init, rngs=nnx.Rngs(0))
        >>> optimizer = Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)
        >>> gradients = nnx.grad(lambda model: model(jnp.ones(100)).sum())(model)
        >>> _ = optimizer.update(model, gradients)
        >>> jnp.linalg.norm(model.kernel, axis=0).round(5).tolist()
        [2.0, 2.0, 2.0]
    """

    def __init__(
        self, model: Any, tx: optax.GradientTransformation, *, wrt: Any, **options: Any
    ) -> None:
        super().__init__(model, tx, wrt=wrt, **options)
        _declared(model, wrt, warn=True)

    def update(self, model: Any, grads: Any, /, **kwargs: Any) -> Any:
        """Update the model and the optimizer's state, and project what is declared.

        Args:
            model: The model.
            grads: The gradients of its trained Variables.
            **kwargs: What else the transformation takes.

        Returns:
            The updates of the transformation, as `nnx.Optimizer` returns them: what was added
            before it was projected.
        """
        updates = super().update(model, _along(model, self.wrt, grads), **kwargs)
        stepped = _declared(model, self.wrt)
        values = _projected(stepped, self.step[...])
        if _may_hold_back(self.opt_state):
            moves = dict(nnx.to_flat_state(updates))
            for path, one in stepped.items():
                moved = jnp.any(moves[path] != 0)
                values[path] = jnp.where(moved, values[path], one.leaf.parameter)
        _replace(model, values)
        return updates


def constrain(
    model: Any,
    rules: Rules = (),
    *,
    layout: Layout = "keras",
    project: bool = False,
    dry_run: bool = False,
    tangent: bool | Literal["auto"] = "auto",
    **roles: AnyConstraint | None,
) -> Report:
    """Declare constraints on the Params of any NNX model, by rules.

    They are kept as metadata of the Params, where `Optimizer` finds them. Either every rule is
    declared or, if one cannot be, none.

    Args:
        model: The model.
        rules: A mapping or pairs of (selector, constraint). A selector is a glob over paths such as
            ``"encoder/*/kernel"``; a compiled regular expression that matches whole paths; a module
            type such as ``nnx.Linear``, for its kernels; a pair of a module type, or a module's
            path, and a role, such as ``(nnx.Conv, "kernel")``; or a predicate of path and array. A
            constraint of None leaves alone what the selector is for, and a rule for a Param's very
            path comes before all others.
        layout: The layout in which a constraint's axes are counted, for Params of known modules:
            Keras's, or the one in which they are stored. ``"unit"`` means the same in both.
        project: Whether to project the Params at once, besides after each update.
        dry_run: Whether only to show what would be declared.
        tangent: Whether `Optimizer` projects gradients, too, onto the directions along which a
            Param stays feasible; ``"auto"`` does so for the sets whose class asks for it.
        **roles: Constraints of every Param of a role, in modules that are known:
            ``kernel=MaxNorm(2, axis="unit")``.

    Returns:
        What the rules select, which prints as a table: the vectors that the axes make, and how far
        the worst of them is from being feasible. Params without values, as `nnx.eval_shape` makes
        them, are listed by name.

    Raises:
        InvalidArgumentError: If a rule is of no known form.
        ValueError: If a rule selects nothing, or what is not a floating array; if two rules that
            rank alike select one Param, under whichever names; if a Param does not have a
            constraint's axes. Nothing is declared then.

    Example:
        >>> from feasible import MaxNorm
        >>> model = nnx.Sequential(nnx.Linear(784, 512, rngs=nnx.Rngs(0)), nnx.relu)
        >>> report = constrain(model, kernel=MaxNorm(2, axis="unit"))
        >>> [(row.parameter, row.vectors, row.length) for row in report.rows]
        [('layers/0/kernel', 512, 784)]
        >>> model.layers[0].kernel.get_metadata("constraint")
        MaxNorm(max_value=2, axis='unit')
    """
    check_choice("constrain", "layout", layout, ("keras", "native"))
    check_choice("constrain", "tangent", tangent, ("auto", True, False))
    weights = _weights(model, nnx.Param)
    leaves = [leaf for weight in weights for leaf in weight.leaves]
    matches = selected_leaves(as_rules(rules, roles), leaves)
    chosen = [(weights[leaf.place], constraint) for leaf, constraint in matches.chosen]
    bounds = {
        weight.path: _at_first(with_rule(_bind(weight, constraint, layout, warn=True), rule))
        for (weight, constraint), rule in zip(chosen, matches.rules, strict=True)
    }
    for one in bounds.values():
        if is_whole_call(one.constraint):
            project_leaf(
                one, one.leaf.parameter
            )  # which raises for what it cannot put in its place
    # Measured before anything is declared, because it calls what the user wrote.
    report = tree_report(list(bounds.values()), matches.notes)
    if dry_run:
        return report
    for weight, constraint in chosen:
        bound = bounds[weight.path]
        is_open = getattr(constraint, "needs_initial_weight", False)
        declaration = {
            _CONSTRAINT: bound.constraint if is_open else constraint,
            _LAYOUT: None if layout == "keras" else layout,
            _TIMING: bound.timing,
            _JOINT: bound.joint,
            _TANGENT: None if tangent == "auto" else tangent,
        }
        said = {name: value for name, value in declaration.items() if value is not None}
        _declare(weight.variable, **said)
    if project:
        moved = _project(model, bounds)
        report = tree_report(list(moved.values()), matches.notes)
    return report


def release(model: Any, *selectors: Selector) -> list[str]:
    """Release Params from their constraints.

    Args:
        model: The model.
        *selectors: Which ones, as in the rules of `constrain`; none means all.

    Returns:
        The paths of the Params released.

    Raises:
        InvalidArgumentError: If a selector is of no known form.
        ValueError: If one selects no constrained Param; none is released then.

    Example:
        >>> from feasible import NonNeg
        >>> model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
        >>> _ = constrain(model, kernel=NonNeg(), bias=NonNeg())
        >>> release(model, "bias")
        ['bias']
    """
    weights = _weights(model, nnx.Param)
    constrained = [
        leaf
        for weight in weights
        if weight.variable.get_metadata(_CONSTRAINT, None) is not None
        for leaf in weight.leaves
    ]
    wanted = [select(check_selector(selector), constrained) for selector in selectors]
    places = {leaf.place for some in (wanted if selectors else [constrained]) for leaf in some}
    for place in places:
        _declare(weights[place].variable)
    return [weights[place].leaves[0].name for place in sorted(places)]


def check(model: Any) -> Report:
    """Report how far each constrained Param of a model is from being feasible.

    Args:
        model: The model, with constraints declared on it.

    Returns:
        What was found, which prints as a table. Where a weight is not feasible, a note says in
        which optimizer constraints act: nothing tells of an `nnx.Optimizer` that ignores them.

    Raises:
        InvalidArgumentError: If metadata are no constraint, or no layout.
        ValueError: If a declared constraint cannot hold for its Param.

    Example:
        >>> from feasible import NonNeg
        >>> model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
        >>> _ = constrain(model, kernel=NonNeg())
        >>> check(model).ok
        False
    """
    report = tree_report(list(_declared(model, nnx.Param).values()))
    return report if report.ok else dataclasses.replace(report, notes=(*report.notes, _WHO_ACTS))


def project(model: Any) -> None:
    """Project every constrained Param of a model now, in place.

    `Optimizer` does so after each update. This is for the start, for weights that were loaded, and
    for other optimizers.

    Args:
        model: The model, with constraints declared on it.

    Raises:
        InvalidArgumentError: If metadata are no constraint, or no layout.
        ValueError: If a declared constraint cannot hold for its Param, or returns another shape or
            dtype.

    Example:
        >>> from feasible import NonNeg
        >>> model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
        >>> _ = constrain(model, kernel=NonNeg())
        >>> project(model)
        >>> bool((model.kernel[...] >= 0).all())
        True
    """
    _project(model, _declared(model, nnx.Param))


def _project(model: Any, bounds: Mapping[_Path, BoundLeaf]) -> dict[_Path, BoundLeaf]:
    """Project Params in place, and return them as they are then."""
    # As it is declared: what changes over time does so in an optimizer.
    moved = _projected({path: one._replace(timing=None) for path, one in bounds.items()}, None)
    _replace(model, moved)
    return {
        path: one._replace(leaf=replace(one.leaf, parameter=moved[path]))
        for path, one in bounds.items()
    }


def _projected(bounds: Mapping[_Path, BoundLeaf], step: Any) -> dict[_Path, Any]:
    """Return the arrays of Variables projected."""
    arrays = {one.leaf.place: one.leaf.parameter for one in bounds.values()}
    found = project_leaves(list(bounds.values()), arrays, step=step)
    return {path: found[one.leaf.place] for path, one in bounds.items()}


def _along(model: Any, wrt: Any, grads: Any) -> Any:
    """Return gradients along which Variables stay feasible, of those that ask for it."""
    with_tangents = [
        (path, one)
        for path, one in _declared(model, wrt).items()
        if _asks_for_tangents(model, path, one)
    ]
    if not with_tangents:
        return grads
    values = dict(nnx.to_flat_state(grads))
    for path, one in with_tangents:
        if path in values:
            held = values[path]
            array = held[...] if isinstance(held, nnx.Variable) else held
            found = tangent_leaf(one, one.leaf.parameter, array)
            values[path] = held.replace(found) if isinstance(held, nnx.Variable) else found
    return nnx.from_flat_state(list(values.items()))


def _asks_for_tangents(model: Any, path: _Path, bound: BoundLeaf) -> bool:
    *_, variable = _nodes(model, path)
    default = getattr(bound.constraint, "tangent_by_default", False)
    return bool(variable.get_metadata(_TANGENT, default))


def _at_first(bound: BoundLeaf) -> BoundLeaf:
    """Return a leaf with a constraint that no longer depends on what the Param is now."""
    w = bound.leaf.parameter
    is_open = getattr(bound.constraint, "needs_initial_weight", False)
    if not is_open or isinstance(w, jax.ShapeDtypeStruct):
        return bound
    seen = bound.seen(jax.device_get(w))
    return bound._replace(constraint=bound.constraint.declared_for(seen))


def _replace(model: Any, values: Mapping[_Path, Any]) -> None:
    nnx.update(model, nnx.from_flat_state(list(values.items())))


def _may_hold_back(state: Any) -> bool:
    """Say whether an optimizer's state is that of one that does not change every Variable."""

    def holds(node: Any) -> bool:
        return isinstance(node, _HOLDING_BACK)

    return any(map(holds, jax.tree.leaves(state, is_leaf=holds)))


def _declare(variable: nnx.Variable[Any], **declaration: Any) -> None:
    """Put a declaration in the place of the one a Variable has, if it has one."""
    others = {
        name: value for name, value in variable.get_metadata().items() if name not in _METADATA
    }
    variable.set_metadata({**others, **declaration})


def _declared(model: Any, wrt: Any, *, warn: bool = False) -> dict[_Path, BoundLeaf]:
    """Return, by their paths, the trained Variables that have a constraint."""
    found = {}
    for weight in _weights(model, wrt):
        constraint = weight.variable.get_metadata(_CONSTRAINT, None)
        if constraint is None:
            continue
        layout = weight.variable.get_metadata(_LAYOUT, "keras")
        check_choice("nnx.Variable", _LAYOUT, layout, ("keras", "native"))
        as_rules([(weight.leaves[0].name, constraint)])  # which raises if it cannot be one
        if not weight.leaves[0].usable:
            raise ValueError(
                f"{weight.leaves[0].name} has the constraint {constraint!r}, and is "
                f"{leaf_description(weight.leaves[0])}: a constraint acts on floating arrays. "
                "Leave out its metadata."
            )
        variable = weight.variable
        found[weight.path] = _bind(weight, constraint, layout, warn=warn)._replace(
            timing=variable.get_metadata(_TIMING, None), joint=variable.get_metadata(_JOINT, None)
        )
    return found


def _bind(weight: _Weight, constraint: AnyConstraint, layout: Layout, *, warn: bool) -> BoundLeaf:
    """Fit a constraint to a Variable, by what is known of it under any of its names."""
    known = [leaf for leaf in weight.leaves if leaf.layout] or weight.leaves[:1]
    first, *others = [bound(leaf, constraint, layout, warn=warn) for leaf in known]
    for other in others:
        if (other.constraint, other.order) != (first.constraint, first.order):
            raise ValueError(
                f"{first.leaf.name} and {other.leaf.name} are one Variable, and {constraint!r} "
                f"means {first.constraint!r} on axes {first.order} of the one and "
                f"{other.constraint!r} on axes {other.order} of the other. Give the axes as "
                'integers, with layout="native".'
            )
    return first


def _weights(model: Any, wrt: Any) -> list[_Weight]:
    """Return the Variables of a model that a filter selects."""
    duplicates = nnx.find_duplicates(model)
    weights = []
    for place, (path, _) in enumerate(nnx.to_flat_state(nnx.state(model, wrt))):
        leaves = []
        for name in _names(path, duplicates):
            *owners, variable = _nodes(model, name)
            leaves.append(leaf_at([*map(str, name)], owners, place, nnx.as_pure(variable)))
        weights.append(_Weight(variable, path, leaves))
    return weights


def _names(path: _Path, duplicates: Sequence[Sequence[_Path]]) -> list[_Path]:
    """Return all the paths to what is at a path, given which paths lead to the same nodes."""
    found = [path]
    for known in found:  # which grows
        for first, *others in duplicates:
            if known[: len(first)] == first:
                # A path that leads back to where it began would go on for ever.
                ends = [
                    (*one, *known[len(first) :]) for one in others if one[: len(first)] != first
                ]
                found += [one for one in ends if one not in found]
    return found


def _nodes(model: Any, path: _Path) -> Iterator[Any]:
    """Return the nodes along a path, from the model to what is at its end."""
    node = model
    yield node
    for key in path:
        indexed = isinstance(key, int) or isinstance(node, Mapping)
        node = node[key] if indexed else getattr(node, str(key))
        yield node
