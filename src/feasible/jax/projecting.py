"""Projects the arrays of a tree, as pure functions that compile into the caller's program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from feasible.binding import Layout
from feasible.constraints import Constraint
from feasible.constraints.base import is_whole_call
from feasible.constraints.gate import project_whole, projection_steps
from feasible.constraints.parts import Part, Sums, run_together
from feasible.jax.trees import BoundLeaf, bound_leaves, flat
from feasible.rules import Rules

AxisName = str | Sequence[str] | None


def project(
    rules: Rules,
    params: Any,
    *,
    layout: Layout = "keras",
    axis_name: AxisName = None,
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
    return flattened.rebuilt(
        {
            bound.leaf.place: project_leaf(bound, bound.leaf.parameter, axis_name)
            for bound in bound_leaves(rules, flattened, layout)
        }
    )


def project_leaf(bound: BoundLeaf, w: Any, axis_name: AxisName = None) -> Any:
    """Return one array projected.

    Args:
        bound: The leaf it stands for, and its constraint.
        w: The array, as it is stored.
        axis_name: The mesh axes over which its vectors are spread.

    Returns:
        An array of its shape, dtype and sharding.

    Raises:
        ValueError: If a callable returns another shape or dtype, or vectors are spread over devices
            and are no vectors of norms, or it is not said whether they are.
    """
    constraint, order = bound.constraint, bound.order
    if isinstance(w, jax.ShapeDtypeStruct):
        return w
    whole = is_whole_call(constraint)
    shape = tuple(w.shape[axis] for axis in order)
    axes = tuple(range(len(order))) if whole else constraint.vector_axes(shape)
    names = _spread_over(bound, w, axis_name) if axes or whole else ()
    if names and (whole or constraint.whole_blocks):
        raise ValueError(
            f"{bound.leaf.name}: the vectors of {constraint!r} must be whole, and cannot be put "
            f"together from parts. Received: axis_name={axis_name!r}. Project it in a call of its "
            "own: "
            "with axis_name=() if its vectors are not spread, or else outside of shard_map. A "
            "constraint of your own that overrides `project` can add up sums over devices."
        )
    stacked = w.ndim - len(order)
    to_keras = (*range(stacked), *order)
    seen = w.transpose(to_keras)
    if whole:
        for _ in range(stacked):
            constraint = jax.vmap(constraint)
        result = _checked(bound, seen, constraint(seen))
    else:
        result = _by_parts(constraint, seen, tuple(stacked + axis for axis in axes), stacked, names)
    return result.transpose(tuple(map(to_keras.index, range(w.ndim))))


def _by_parts(
    constraint: Constraint, w: Any, axes: tuple[int, ...], stacked: int, names: tuple[str, ...]
) -> Any:
    """Return an array projected, its sums added up over the devices of a mesh."""
    length = math.prod(w.shape[axis] for axis in axes)
    if not isinstance(w, jax.Array):
        return project_whole(constraint, Part(w, axes, type(constraint).__name__))
    if w.dtype.itemsize < 4:
        # What is measured must be what is stored: compilers keep more digits between operations.
        w = lax.optimization_barrier(w)
    part = Part(
        w,
        axes,
        type(constraint).__name__,
        length=length * math.prod(map(lax.axis_size, names)),
        stacked=stacked,
        near_bound=True,
    )

    def add(sums: dict[int, Sums]) -> dict[int, Sums]:
        if not names:
            return sums
        # Stacked, so that a round of sums is one message.
        return {place: tuple(lax.psum(jnp.stack(some), names)) for place, some in sums.items()}

    (result,) = run_together([projection_steps(constraint, part)], add)
    return result


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
