"""Projects the arrays of a tree, as pure functions that compile into the caller's program."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from feasible.binding import Layout
from feasible.constraints.base import is_whole_call
from feasible.constraints.gate import project_whole, projection_steps, tangent_steps
from feasible.constraints.joint import joint_parts
from feasible.constraints.parts import Part, Sums, added_together, run_together
from feasible.jax.trees import BoundLeaf, bound_leaves, flat
from feasible.rules import Rules

AxisName = str | Sequence[str] | None


def project(
    rules: Rules,
    params: Any,
    *,
    layout: Layout = "keras",
    axis_name: AxisName = None,
    step: Any = None,
) -> Any:
    """Return a tree with the arrays that rules select projected.

    It is pure, and compiles into the program of whoever calls it; rules are looked up when that is
    traced. Arrays that are sharded over devices keep their sharding, and where vectors go on in
    other devices, a few numbers a vector are added up.

    Without x64, norms are accumulated in float32, in one pass. `MaxNorm(c)` is then exact for norms
    up to 1e31 times c; vectors beyond that are left as they are, and `check` tells of them.

    Args:
        rules: A mapping or pairs of (selector, constraint). A selector is a glob over the paths of
            leaves, as `jax.tree_util.keystr` writes them with ``simple=True, separator="/"``, such
            as ``"encoder/*/kernel"``; a compiled regular expression that matches whole paths; a
            pair of a module type and a role such as ``(nnx.Conv, "kernel")``; or a predicate of
            path and leaf.
        params: Any tree: nested containers, a state, an Equinox or NNX module. Leaves that are
            None, static, integers or random keys stay as they are; of arrays without values, as
            `jax.eval_shape` returns them, only the rules are checked.
        layout: The layout in which a constraint's axes are counted, for arrays of known modules:
            Keras's, or the one in which they are stored. ``"unit"`` means the same in both.
        axis_name: Inside `jax.shard_map` or a named `jax.vmap`, the axis or axes over which the
            vectors of the selected arrays are spread, so that their sums of squares are added up;
            ``()`` if none of the vectors is spread. It is for all selected arrays but those that
            `jax.shard_map` knows to be the same along it; for others that are spread differently,
            call once more. Not needed elsewhere.
        step: How many steps there were, this one included, for rules that change over time: an int
            or a traced one. Rules that do not, need none.

    Returns:
        A tree of the same structure.

    Raises:
        InvalidArgumentError: If a rule is of no known form.
        ValueError: If a rule selects nothing, or what is not a floating array; if two rules select
            one leaf; if a leaf does not have a constraint's axes; if the result of a callable is of
            another shape or dtype; inside `jax.shard_map`, if it is not said whether vectors are
            spread.

    Example:
        >>> import jax.numpy as jnp
        >>> from feasible import MaxNorm, NonNeg
        >>> params = {"kernel": jnp.array([[3.0, 0.0], [4.0, 1.0]]), "bias": jnp.array([-1.0, 1.0])}
        >>> params = project({"kernel": MaxNorm(2.5, axis="unit"), "bias": NonNeg()}, params)
        >>> print(jnp.linalg.norm(params["kernel"], axis=0).round(3), params["bias"])
        [2.5 1. ] [0. 1.]
    """
    flattened = flat(params)
    bounds = bound_leaves(rules, flattened, layout)
    arrays = {bound.leaf.place: bound.leaf.parameter for bound in bounds}
    return flattened.rebuilt(project_leaves(bounds, arrays, axis_name, step))


def project_leaves(
    bounds: Sequence[BoundLeaf],
    arrays: Mapping[int, Any],
    axis_name: AxisName = None,
    step: Any = None,
) -> dict[int, Any]:
    """Return arrays projected, those that are constrained together at once.

    Args:
        bounds: The leaves they stand for, and their constraints.
        arrays: The arrays, as they are stored, by the leaves' places.
        axis_name: The mesh axes over which vectors are spread.
        step: How many steps there were, if a rule needs it.

    Returns:
        Arrays of their shapes, dtypes and shardings, by the leaves' places.

    Raises:
        ValueError: If one cannot be projected, or a rule needs the step, and it is not given.
    """
    found = {}
    together: dict[Hashable, list[BoundLeaf]] = defaultdict(list)
    for one in bounds:
        w = arrays[one.leaf.place]
        if one.joint is not None:
            together[one.joint].append(one)
        else:
            found[one.leaf.place] = project_leaf(one, w, axis_name, step)
    for several in together.values():
        some = [arrays[one.leaf.place] for one in several]
        results = _project_joint(several, some, axis_name, step)
        found |= {one.leaf.place: w for one, w in zip(several, results, strict=True)}
    return found


def project_leaf(bound: BoundLeaf, w: Any, axis_name: AxisName = None, step: Any = None) -> Any:
    """Return one array projected.

    Args:
        bound: The leaf it stands for, and its constraint.
        w: The array, as it is stored.
        axis_name: The mesh axes over which its vectors are spread.
        step: How many steps there were, if its rule needs it.

    Returns:
        An array of its shape, dtype and sharding.

    Raises:
        ValueError: If a callable returns another shape or dtype, or vectors are spread over devices
            and are no vectors of norms, or it is not said whether they are; if its rule needs the
            step, and it is not given.
    """
    if isinstance(w, jax.ShapeDtypeStruct):
        return w
    seen = bound.seen(w)

    def act(seen: Any) -> Any:
        return _projected(_at_step(bound, seen, step), seen, axis_name)

    timing = bound.timing
    if timing is None or (timing.every, timing.start) == (1, 0):
        return bound.stored(act(seen))
    due = timing.is_due(_known_step(bound, step))
    return bound.stored(lax.cond(due, act, lambda seen: seen, seen))


def tangent_leaf(bound: BoundLeaf, w: Any, gradient: Any, axis_name: AxisName = None) -> Any:
    """Return one gradient projected onto the tangent cone.

    Args:
        bound: The leaf it is for, and its constraint.
        w: The array, as it is stored.
        gradient: Its gradient.
        axis_name: The mesh axes over which its vectors are spread.

    Returns:
        An array of the gradient's shape and dtype.
    """
    constraint = bound.constraint
    if is_whole_call(constraint):
        return gradient
    seen = bound.seen(w)
    names = _names_for(bound, seen, axis_name)
    part = _part(bound, seen, names)
    (result,) = _run([tangent_steps(constraint, part, bound.seen(gradient))], names)
    return bound.stored(result)


def _projected(bound: BoundLeaf, seen: Any, axis_name: AxisName) -> Any:
    constraint = bound.constraint
    names = _names_for(bound, seen, axis_name)
    if is_whole_call(constraint):
        for _ in range(bound.stacked):
            constraint = jax.vmap(constraint)
        return _checked(bound, seen, constraint(seen))
    if not isinstance(seen, jax.Array):
        return project_whole(constraint, _part(bound, seen, names))
    if seen.dtype.itemsize < 4:
        # What is measured must be what is stored: compilers keep more digits between operations.
        seen = lax.optimization_barrier(seen)
    (result,) = _run([projection_steps(constraint, _part(bound, seen, names))], names)
    return result


def _project_joint(
    bounds: Sequence[BoundLeaf], arrays: Sequence[Any], axis_name: AxisName, step: Any
) -> list[Any]:
    """Return arrays projected whose vectors go through all of them."""
    seen = [one.seen(w) for one, w in zip(bounds, arrays, strict=True)]
    acting = [_at_step(one, w, step) for one, w in zip(bounds, seen, strict=True)]
    names = _names_for(acting[0], seen[0], axis_name)
    if any(one.stacked for one in bounds):
        listed = ", ".join(one.leaf.name for one in bounds)
        raise ValueError(
            f"{bounds[0].constraint!r} cannot go through arrays of stacked modules. Received: "
            f"{listed}. Narrow the rule's selector, or leave out joint=True."
        )
    parts = joint_parts(acting[0].constraint, seen, [w.shape for w in seen])
    for part in parts:
        part.length *= math.prod(map(lax.axis_size, names))
    results = _run(
        [projection_steps(acting[0].constraint, part) for part in parts], names, joint=True
    )
    timing = bounds[0].timing
    if timing is not None and (timing.every, timing.start) != (1, 0):
        due = timing.is_due(_known_step(bounds[0], step))
        results = [jnp.where(due, new, old) for new, old in zip(results, seen, strict=True)]
    return [one.stored(w) for one, w in zip(bounds, results, strict=True)]


def _known_step(bound: BoundLeaf, step: Any) -> Any:
    if step is None:
        raise ValueError(
            f"{bound.leaf.name}: its rule changes over time, and needs to know the step. Received: "
            "step=None. Pass how many steps there were, this one included."
        )
    return step


def _at_step(bound: BoundLeaf, seen: Any, step: Any) -> BoundLeaf:
    """Return a leaf with its constraint as it is now."""
    if bound.constraint is not None and getattr(bound.constraint, "needs_initial_weight", False):
        raise ValueError(
            f"{bound.leaf.name}: {bound.constraint!r} depends on what the array was at first, "
            "which a pure function does not know. Make rules that do once, by "
            "feasible.jax.initial_rules(rules, params)."
        )
    if bound.timing is None:
        return bound
    if bound.timing.schedule:
        step = _known_step(bound, step)
    return bound._replace(constraint=bound.timing.constraint_at(bound.constraint, step, seen))


def _names_for(bound: BoundLeaf, seen: Any, axis_name: AxisName) -> tuple[str, ...]:
    """Return the mesh axes over which sums are added up."""
    constraint, whole = bound.constraint, is_whole_call(bound.constraint)
    if not whole and not constraint.vector_axes(seen.shape[bound.stacked :]):
        return ()
    names = _spread_over(bound, seen, axis_name)
    if names and (whole or constraint.whole_blocks):
        raise ValueError(
            f"{bound.leaf.name}: the vectors of {constraint!r} must be whole, and cannot be put "
            f"together from parts. Received: axis_name={axis_name!r}. Project it in a call of its "
            "own: "
            "with axis_name=() if its vectors are not spread, or else outside of shard_map. A "
            "constraint of your own that overrides `project` can add up sums over devices."
        )
    return names


def _part(bound: BoundLeaf, seen: Any, names: tuple[str, ...]) -> Part:
    """Return an array as a set sees it."""
    stacked = bound.stacked
    axes = tuple(stacked + axis for axis in bound.constraint.vector_axes(seen.shape[stacked:]))
    length = math.prod(seen.shape[axis] for axis in axes) * math.prod(map(lax.axis_size, names))
    owner = type(bound.constraint).__name__
    return Part(seen, axes, owner, length=length, stacked=stacked, near_bound=True)


def _run(steps: list[Any], names: tuple[str, ...], *, joint: bool = False) -> list[Any]:
    """Run projections, their sums added up over the devices of a mesh, or together."""

    def add(sums: dict[int, Sums]) -> dict[int, Sums]:
        if names:
            # Stacked, so that a round of sums is one message.
            sums = {place: tuple(lax.psum(jnp.stack(some), names)) for place, some in sums.items()}
        return added_together(sums) if joint else sums

    return run_together(steps, add)


def _spread_over(bound: BoundLeaf, w: Any, axis_name: AxisName) -> tuple[str, ...]:
    """Return the mesh axes over which the vectors of an array are spread."""
    if not isinstance(w, jax.Array):
        return ()
    manual = jax.sharding.get_abstract_mesh().manual_axes
    varying = _varying(w)
    tracked = any(_varying(lax.axis_index(name)) for name in manual)
    if axis_name is None:
        if varying or (manual and not tracked):
            raise ValueError(
                f"{bound.leaf.name}: inside shard_map it must be said whether the vectors of "
                f"{bound.constraint!r} are spread over the mesh. Received: axis_name=None, with "
                f"the axes {', '.join(map(repr, manual))}. Pass the axes they are spread over, or "
                "() if each is whole on its device."
            )
        return ()
    names = (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)
    for name in names:
        lax.axis_size(name)  # raises if there is none of that name
    # An array that is the same everywhere has whole vectors everywhere.
    return tuple(name for name in names if name in varying or not tracked)


def _varying(w: jax.Array) -> frozenset[str]:
    """Return the mesh axes along which an array's parts differ, as far as that is tracked."""
    kind: Any = jax.typeof(w)
    return frozenset(kind.mat.varying if hasattr(kind, "mat") else kind.vma)


def _checked(bound: BoundLeaf, w: Any, result: Any) -> Any:
    for what in ("shape", "dtype"):
        received, wanted = getattr(result, what, None), getattr(w, what)
        if received != wanted:
            raise ValueError(
                f"{bound.leaf.name}: the constraint {bound.constraint!r} must return an array of "
                f"the leaf's {what}, {wanted}. Received: {received}."
            )
    return result
