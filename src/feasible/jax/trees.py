"""Finds the arrays of a tree that rules select: their names, roles and layouts."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from feasible.arguments import check_choice
from feasible.binding import Layout, resolve_constraint
from feasible.constraints import Constraint
from feasible.constraints.parts import refuse_complex
from feasible.known_layouts import layouts_of
from feasible.layouts import ParameterLayout
from feasible.rules import AnyConstraint, Matches, Rule, Rules, as_rules, match
from feasible.selectors import Target, describe, selects
from feasible.timing import Timing

# Nodes that hold one array, and are no part of its name.
_BOXES = {"flax.nnx.variablelib.Variable", "flax.core.meta.AxisMetadata"}
# Nodes that hold arrays without being anything to them.
_CONTAINERS = (Mapping, list, tuple)


@dataclass(frozen=True, eq=False)
class Leaf(Target):
    """A leaf of a tree.

    Attributes:
        place: Its place among the leaves.
        layout: What it is to its module, and how its axes are counted; None where nothing is known.
    """

    place: int = field(kw_only=True)
    layout: ParameterLayout | None = field(kw_only=True)

    @property
    def identity(self) -> Hashable:
        """The place: an array that stands in two places is two leaves."""
        return self.place

    @property
    def seen(self) -> tuple[Any, ...]:
        """What a predicate is called with: path and leaf."""
        return self.name, self.parameter

    @property
    def usable(self) -> bool:
        """Whether it is a floating array, which a constraint can act on."""
        dtype = getattr(self.parameter, "dtype", None)
        return dtype is not None and bool(jnp.issubdtype(dtype, jnp.inexact))


class BoundLeaf(NamedTuple):
    """A leaf and the constraint that holds for it.

    Attributes:
        leaf: The leaf.
        constraint: The constraint, ``"unit"`` replaced.
        order: Which stored axis each axis is that the constraint counts. The stored axes before
            these count modules that are stacked.
        timing: At which steps it acts, and with which bounds; None for always the same.
        joint: What it shares with leaves that are constrained together; None if alone.
    """

    leaf: Leaf
    constraint: Any
    order: tuple[int, ...]
    timing: Timing | None = None
    joint: Hashable | None = None

    @property
    def stacked(self) -> int:
        """How many leading axes count modules that are stacked."""
        return len(self.leaf.parameter.shape) - len(self.order)

    def seen(self, w: Any) -> Any:
        """Return an array as the constraint sees it.

        Args:
            w: An array of the leaf's shape, as it is stored.

        Returns:
            The array, its axes in the order in which they are counted.
        """
        return w.transpose(self._to_keras)

    def stored(self, w: Any) -> Any:
        """Return what `seen` returned as it is stored.

        Args:
            w: An array, its axes in the order in which they are counted.

        Returns:
            The array as it is stored.
        """
        return w.transpose(tuple(map(self._to_keras.index, range(w.ndim))))

    @property
    def _to_keras(self) -> tuple[int, ...]:
        return (*range(self.stacked), *self.order)


class Flat(NamedTuple):
    """A tree taken apart.

    Attributes:
        leaves: Its leaves, None among them.
        structure: What puts them together again.
    """

    leaves: list[Leaf]
    structure: Any

    def matching(self, other: Any) -> list[Any]:
        """Return the leaves of another tree of this structure, in the order of this one's.

        Args:
            other: The tree, such as of updates; it may have None for any leaf.

        Returns:
            Its leaves.
        """
        return self.structure.flatten_up_to(other)  # type: ignore[no-any-return]

    def rebuilt(self, replaced: dict[int, Any]) -> Any:
        """Return the tree with some of its leaves replaced.

        Args:
            replaced: New leaves, by their places.

        Returns:
            A tree of the same structure.
        """
        return self.structure.unflatten(
            [replaced.get(leaf.place, leaf.parameter) for leaf in self.leaves]
        )


def flat(tree: Any) -> Flat:
    """Take a tree apart, and find out what its leaves are.

    Args:
        tree: Any tree: nested containers, a state, a module.

    Returns:
        Its leaves and its structure.

    Example:
        >>> [leaf.name for leaf in flat({"dense": {"kernel": jnp.ones((2, 3))}}).leaves]
        ['dense/kernel']
    """
    entries, structure = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda one: one is None)
    leaves = [_leaf(tree, place, *entry) for place, entry in enumerate(entries)]
    return Flat(leaves, structure)


def _leaf(tree: Any, place: int, path: tuple[Any, ...], parameter: Any) -> Leaf:
    owners = list(_owners(tree, path))
    if owners and is_box(owners[-1]):
        owners.pop()
        path = (*path[: len(owners)], *path[len(owners) + 1 :])
    parts = [jax.tree_util.keystr((key,), simple=True) for key in path]
    return leaf_at(parts, owners, place, parameter)


def leaf_at(parts: Sequence[str], owners: Sequence[Any], place: int, parameter: Any) -> Leaf:
    """Find out what one leaf is.

    Args:
        parts: The parts of its path.
        owners: The nodes above it, from the root on.
        place: Its place among the leaves.
        parameter: The leaf itself.

    Returns:
        The leaf, with its role and layout.
    """
    name = "/".join(parts)
    # A module that knows what is inside its modules, as an LSTM's cell does, has the first say.
    for depth, owner in enumerate(owners):
        below = "/".join(parts[depth:])
        for layout in layouts_of(owner):
            if layout.parameter == below:
                return Leaf(name, owner, layout.role, parameter, place=place, layout=layout)
    # What a module calls its own array is no role.
    owner = owners[-1] if owners else None
    return Leaf(name, owner, None, parameter, place=place, layout=None)


def _owners(tree: Any, path: tuple[Any, ...]) -> Iterator[Any]:
    """Return the nodes above a leaf, down to a box, as far as the path's keys say which."""
    node = tree
    for key in path:
        yield node
        if is_box(node):
            return
        match key:
            case jax.tree_util.GetAttrKey(name=name) if hasattr(node, name):
                node = getattr(node, name)
            case jax.tree_util.DictKey(key=item) | jax.tree_util.SequenceKey(idx=item):
                node = node[item]
            case _:
                return


def is_box(node: Any) -> bool:
    """Say whether a node only holds an array.

    Args:
        node: A node of a tree.

    Returns:
        Whether it is one of those of Flax.
    """
    return any(f"{kind.__module__}.{kind.__qualname__}" in _BOXES for kind in type(node).__mro__)


def bound_leaves(rules: Rules, flattened: Flat, layout: Layout = "keras") -> list[BoundLeaf]:
    """Return which leaves get which constraint.

    Args:
        rules: A mapping or pairs of (selector, constraint).
        flattened: The tree, taken apart.
        layout: The layout in which axes are counted.

    Returns:
        Each selected leaf, with the constraint fitted to it.

    Raises:
        InvalidArgumentError: If a rule is of no known form.
        ValueError: If a rule selects nothing, or what is not a floating array; if two rules select
            one leaf; if a leaf does not have a constraint's axes.
    """
    check_choice("project", "layout", layout, ("keras", "native"))
    selected = selected_leaves(as_rules(rules), flattened.leaves)
    return [
        with_rule(bound(leaf, constraint, layout), rule)
        for (leaf, constraint), rule in zip(selected.chosen, selected.rules, strict=True)
    ]


def with_rule(bound: BoundLeaf, rule: Rule) -> BoundLeaf:
    """Return a leaf with what else its rule says: when it acts, and whether together with others.

    Args:
        bound: The leaf.
        rule: The rule.

    Returns:
        The leaf with that.
    """
    timing = None if rule.timing.is_always else rule.timing
    return bound._replace(timing=timing, joint=str(rule) if rule.joint else None)


def selected_leaves(rules: Sequence[Rule], leaves: Sequence[Leaf]) -> Matches[Leaf]:
    """Return which leaves rules select.

    Args:
        rules: The rules.
        leaves: The leaves there are.

    Returns:
        Each selected leaf with its constraint, and notes.

    Raises:
        ValueError: If a rule selects nothing, or what is not a floating array; if two rules select
            one leaf.
    """
    usable = [leaf for leaf in leaves if leaf.usable]
    _refuse_others(rules, leaves, usable)
    return match(rules, usable)


def _refuse_others(rules: Sequence[Rule], leaves: Sequence[Leaf], usable: Sequence[Leaf]) -> None:
    """Raise if a rule names a leaf that no constraint can act on: if it selects only such."""
    for rule in rules:
        if not isinstance(rule.selector, str | re.Pattern) or rule.constraint is None:
            continue
        others = [one for one in leaves if not one.usable and selects(rule.selector, one)]
        if others and not any(selects(rule.selector, one) for one in usable):
            raise ValueError(
                f"{describe(rule.selector)} selects {others[0].name}, which is "
                f"{leaf_description(others[0])}: a constraint acts on floating arrays. Narrow the "
                "selector, or leave it out."
            )


def leaf_description(leaf: Leaf) -> str:
    """Say what a leaf is that no constraint can act on.

    Args:
        leaf: The leaf.

    Returns:
        Text for messages.
    """
    dtype = getattr(leaf.parameter, "dtype", None)
    if dtype is None:
        return repr(leaf.parameter)
    return f"an array of dtype {dtype} and shape {tuple(leaf.parameter.shape)}"


def bound(
    leaf: Leaf, constraint: AnyConstraint, layout: str = "keras", *, warn: bool = True
) -> BoundLeaf:
    """Fit a constraint to a leaf.

    Args:
        leaf: The leaf.
        constraint: The constraint, or any callable from array to array.
        layout: The layout in which its axes are counted; ``"unit"`` means the same in both.
        warn: Whether to warn of doubtful axes.

    Returns:
        The leaf, the constraint without ``"unit"``, and the order of the axes that it counts.

    Raises:
        ValueError: If the leaf does not have the constraint's axes, or its module's; or if
            ``"unit"`` is asked for in a module of which nothing is known.
    """
    shape = tuple(leaf.parameter.shape)
    native = layout == "native" and not getattr(constraint, "in_units", False)
    known = leaf.layout
    if native or known is None or (known.stacked(len(shape)) < 0 and _goes_by_name(leaf)):
        known = _layout_of_unknown(leaf)
    stacked = _stacked(leaf, known)
    place = known.placement(shape[stacked:])
    if known.part or not place.is_permutation:
        raise ValueError(
            f"{leaf.name}: the layout of an array can put its axes in another order, and not split "
            f"them or take a part. Received: {known}. Register one without."
        )
    order = tuple(stacked + axis for axis in place.order)
    unit_axes = known.unit_axes(len(order))
    counted = tuple(shape[axis] for axis in order)
    unknown = (
        "Of arrays in dicts, the names that Flax and Haiku give are known; of a module of your own "
        "say so by feasible.jax.register_layouts"
    )
    if isinstance(constraint, Constraint):
        refuse_complex(constraint, leaf.parameter)
    rule = resolve_constraint(leaf.name, constraint, counted, unit_axes, unknown, warn=warn)
    return BoundLeaf(leaf, rule, order)


def _stacked(leaf: Leaf, layout: ParameterLayout) -> int:
    """Return how many leading axes of a leaf count modules that are stacked."""
    shape = tuple(leaf.parameter.shape)
    stacked = layout.stacked(len(shape))
    if stacked < 0:
        raise ValueError(
            f"{leaf.name}: the {layout.role} of {type(leaf.module).__name__} must have "
            f"{len(shape) - stacked} axes, or more where modules are stacked. "
            f"Received: shape {shape}."
        )
    return stacked


def _layout_of_unknown(leaf: Leaf) -> ParameterLayout:
    """Return a layout as stored; of an array in a tree it is not known what counts units."""
    role = leaf.role or leaf.name
    if leaf.module is not None:
        return ParameterLayout(leaf.name, role)
    # An array alone is counted as a constraint counts it that is called with it.
    if len(leaf.parameter.shape) == 0:
        return ParameterLayout(leaf.name, role, unit="*axes")
    return ParameterLayout(leaf.name, role, "*in out", unit="out")


def _goes_by_name(leaf: Leaf) -> bool:
    """Return whether a leaf is in no module, so that its name is all that is known of it."""
    return leaf.module is None or isinstance(leaf.module, _CONTAINERS)
