"""What the leaves of a tree are called, what they are, and which of them a rule selects."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict

from feasible import InvalidArgumentError, MaxNorm, NonNeg, RadialConstraint, UnitNorm
from feasible.jax import ParameterLayout, check, layouts_of, project, register_layouts
from feasible.jax.trees import bound_leaves, flat


class Pair(NamedTuple):
    first: Any
    second: Any


@jax.tree_util.register_dataclass
@dataclass
class Layer:
    kernel: Any
    rate: float = 0.5


@partial(jax.tree_util.register_dataclass, data_fields=["weight", "bias"], meta_fields=["size"])
@dataclass
class Stored:
    """A module that stores (out, in, *spatial)."""

    weight: Any
    bias: Any = None
    size: int = 3


class Wider(Stored):
    pass


jax.tree_util.register_dataclass(Wider, data_fields=["weight", "bias"], meta_fields=["size"])
KERNEL_OUT_FIRST = ParameterLayout("weight", "kernel", "out in *spatial", "*spatial in out", "out")
BIAS = ParameterLayout("bias", "bias", "*unit", unit="*unit")
register_layouts(Stored, KERNEL_OUT_FIRST, BIAS)

ONES = jnp.ones((2, 3))
TREES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "array": (lambda leaf: leaf, ""),
    "dict": (lambda leaf: {"dense": {"kernel": leaf}}, "dense/kernel"),
    "ordered dict": (lambda leaf: OrderedDict(kernel=leaf), "kernel"),
    "numbered": (lambda leaf: {0: leaf}, "0"),
    "list": (lambda leaf: [None, (leaf,)], "1/0"),
    "namedtuple": (lambda leaf: Pair({"a": leaf}, None), "first/a"),
    "dataclass": (lambda leaf: [Layer(leaf)], "0/kernel"),
    "frozen dict": (lambda leaf: FrozenDict({"dense": {"kernel": leaf}}), "dense/kernel"),
    "of all": (
        lambda leaf: {"a": [Pair(3, FrozenDict({"b": Layer(leaf)}))]},
        "a/0/second/b/kernel",
    ),
}
each_tree = pytest.mark.parametrize(("make", "name"), TREES.values(), ids=list(TREES))


@each_tree
def test_names_are_those_of_keystr(make: Callable[[Any], Any], name: str) -> None:
    tree = make(ONES)
    assert [leaf.name for leaf in flat(tree).leaves if leaf.usable] == [name]
    paths = [path for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if leaf is ONES]
    assert [jax.tree_util.keystr(path, simple=True, separator="/") for path in paths] == [name]


@each_tree
@pytest.mark.parametrize("compiled", [False, True], ids=["eagerly", "jit"])
def test_the_same_tree_comes_out(make: Callable[[Any], Any], name: str, compiled: bool) -> None:
    rules = {name: MaxNorm(1)}
    function = jax.jit(project) if compiled else project
    found = function(rules, make(ONES))
    expected = make(MaxNorm(1)(ONES))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def others() -> dict[str, Any]:
    """What a constraint cannot act on."""
    return {
        "none": None,
        "integers": jnp.arange(3),
        "key": jax.random.key(0),
        "old_key": jax.random.PRNGKey(0),
        "flag": jnp.array(True),
        "count": 3,
        "rate": 0.5,
        "name": "relu",
        "function": jnp.tanh,
        "structure": jax.tree.structure(0),
    }


def test_other_leaves_are_the_same_objects_after() -> None:
    tree = {**others(), "kernel": ONES}
    for selector in ("*", re.compile(".*"), (dict, "kernel"), lambda path, leaf: True):
        found = project({selector: MaxNorm(1)}, tree)
        assert {name: found[name] is tree[name] for name in others()} == dict.fromkeys(
            others(), True
        )
        assert found["kernel"] is not ONES


def test_other_leaves_pass_through_a_compiled_call() -> None:
    arrays = {
        name: leaf
        for name, leaf in others().items()
        if name not in ("name", "function", "structure")
    }
    found = jax.jit(project)({"kernel": MaxNorm(1)}, {**arrays, "kernel": ONES})
    for name, leaf in arrays.items():
        if leaf is None:
            assert found[name] is None
        else:
            assert found[name].dtype == jnp.asarray(leaf).dtype
            assert jnp.array_equal(found[name], leaf)


@pytest.mark.parametrize("name", others())
@pytest.mark.parametrize("compiled", [False, True], ids=["eagerly", "jit"])
def test_a_rule_that_names_another_leaf_is_an_error(name: str, compiled: bool) -> None:
    tree = {**others(), "kernel": ONES}

    def called(kernel: Any) -> Any:
        return project({name: MaxNorm(1)}, {**tree, "kernel": kernel})

    with pytest.raises(ValueError, match=rf"'{name}' selects {name}, which is .*acts on floating"):
        (jax.jit(called) if compiled else called)(ONES)
    with pytest.raises(ValueError, match=f"selects {name}, which is"):
        project({re.compile(name): MaxNorm(1)}, tree)
    with pytest.raises(ValueError, match=f"selects {name}, which is"):
        check({f"*{name[1:]}": MaxNorm(1)}, tree)


def test_the_error_says_what_the_leaf_is() -> None:
    for name, words in {
        "integers": r"an array of dtype int32 and shape \(3,\)",
        "key": r"an array of dtype key<fry> and shape \(\)",
        "none": "None",
        "rate": r"0\.5",
    }.items():
        with pytest.raises(ValueError, match=f"which is {words}: a constraint"):
            project({name: NonNeg()}, others())


UNMATCHED = {
    "glob": "kernels",
    "expression": re.compile("kern"),
    "role": (dict, "bias"),
    "type": (Stored, "kernel"),
    "predicate": lambda path, leaf: leaf.ndim == 3,
}


@pytest.mark.parametrize("selector", UNMATCHED.values(), ids=list(UNMATCHED))
def test_what_selects_nothing_is_an_error_when_traced(selector: Any) -> None:
    tree = {"dense": {"kernel": ONES}}
    with pytest.raises(ValueError, match="selects no parameter"):
        jax.jit(lambda params: project({selector: MaxNorm(1)}, params)).lower(tree)
    with pytest.raises(ValueError, match="selects no parameter"):
        jax.eval_shape(partial(project, {selector: MaxNorm(1)}), tree)
    with pytest.raises(ValueError, match=r"Did you mean 'dense/kernel'"):
        project({"dense/kernels": MaxNorm(1)}, tree)


def test_a_predicate_sees_path_and_leaf() -> None:
    seen = []

    def of_rank_two(path: str, leaf: Any) -> bool:
        seen.append((path, leaf.shape, leaf.dtype))
        return leaf.ndim == 2

    tree = {"a": {"kernel": ONES, "bias": jnp.ones(3, jnp.bfloat16)}, "count": 1}
    found = jax.jit(lambda params: project([(of_rank_two, NonNeg())], params))(tree)
    assert jnp.array_equal(found["a"]["kernel"], ONES)
    assert sorted(seen) == [("a/bias", (3,), jnp.bfloat16), ("a/kernel", (2, 3), jnp.float32)]


def test_two_rules_for_one_leaf_are_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"kernel can have one constraint, and two rules select it"
    ):
        project([("*", NonNeg()), ("k*", MaxNorm(1))], {"kernel": ONES})


def test_one_array_in_two_places_is_two_leaves() -> None:
    found = project({"a": MaxNorm(1), "b": UnitNorm(axis=1)}, {"a": ONES, "b": ONES, "c": ONES})
    assert jnp.array_equal(found["a"], MaxNorm(1)(ONES))
    assert jnp.array_equal(found["b"], UnitNorm(axis=1)(ONES))
    assert found["c"] is ONES
    assert [row.parameter for row in check({"*": NonNeg()}, [ONES, ONES]).rows] == ["0", "1"]


@pytest.mark.parametrize("rules", [{"*": 3}, {3: NonNeg()}, ["*"], [("a", "b", "c")]], ids=repr)
def test_no_rules(rules: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        project(rules, {"kernel": ONES})
    with pytest.raises(InvalidArgumentError, match=r"project: `layout` must be one of 'keras'"):
        project({"*": NonNeg()}, {"kernel": ONES}, layout="torch")


def units(tree: Any, layout: Any = "keras") -> list[tuple[str, Any, tuple[int, ...]]]:
    """Of each leaf: its name, the axes of one unit, and in which order they are counted."""
    bounds = bound_leaves({"*": MaxNorm(1, axis="unit")}, flat(tree), layout)
    return [(leaf.name, constraint.axis, order) for leaf, constraint, order, *_ in bounds]


def test_arrays_of_no_module_are_counted_as_they_are() -> None:
    for rank, axes in enumerate([(), (), (0,), (0, 1), (0, 1, 2)]):
        assert units(jnp.ones((2,) * rank)) == [("", axes, tuple(range(rank)))]


@pytest.mark.parametrize("tree", [[ONES], {"logits": {"w": ONES}}, {"kernel": jnp.ones(())}])
def test_units_are_not_guessed_of_names_that_are_not_known(tree: Any) -> None:
    with pytest.raises(ValueError, match=r"not known\. Of arrays in dicts, the names that Flax"):
        units(tree)


def test_names_of_flax_mean_the_same_in_any_dict() -> None:
    tree = {
        "embed": {"embedding": jnp.ones((7, 4))},
        "query": {"kernel": jnp.ones((4, 2, 3))},
        "conv": {"kernel": jnp.ones((3, 3, 2, 5)), "bias": jnp.ones(5)},
    }
    expected = [
        ("conv/bias", (), (0,)),
        ("conv/kernel", (0, 1, 2), (0, 1, 2, 3)),
        ("embed/embedding", (1,), (0, 1)),
        ("query/kernel", (0,), (0, 1, 2)),
    ]
    assert units(tree) == units(FrozenDict(tree)) == expected


@pytest.mark.parametrize("kind", [Stored, Wider])
def test_a_registered_layout_says_where_the_axes_are(kind: type[Stored]) -> None:
    module = kind(jnp.ones((5, 2, 3, 3)), jnp.ones(5))
    expected = [("weight", (0, 1, 2), (2, 3, 1, 0)), ("bias", (), (0,))]
    assert units(module) == units(module, "native") == expected
    assert units({"a": [module]})[0] == ("a/0/weight", (0, 1, 2), (2, 3, 1, 0))
    assert [leaf.role for leaf in flat(module).leaves] == ["kernel", "bias"]


@pytest.mark.parametrize(("axis", "native"), [(0, 1), (1, 0), (None, (0, 1)), ("unit", 1)])
def test_axes_are_counted_in_keras_layout(axis: Any, native: Any) -> None:
    weight = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)) * 3, "float32")
    found = jax.jit(project)({(Stored, "kernel"): MaxNorm(1, axis=axis)}, Stored(weight)).weight
    np.testing.assert_allclose(found, MaxNorm(1, axis=native)(np.asarray(weight)), rtol=1e-6)
    if axis != "unit":
        call = partial(project, {"weight": MaxNorm(1, axis=axis)}, layout="native")
        found = jax.jit(call)(Stored(weight)).weight
        np.testing.assert_allclose(found, MaxNorm(1, axis=axis)(np.asarray(weight)), rtol=1e-6)


def test_any_constraint_sees_keras_layout() -> None:
    weight = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2, 3, 3)), "float32")
    seen = []

    def centred(w: Any) -> Any:
        seen.append(w.shape)
        return w - w[:1, :1]

    keras = jnp.transpose(weight, (2, 3, 1, 0))
    for constraint in (RadialConstraint("mean"), centred):
        for function in (project, jax.jit(project, static_argnums=0)):
            found = function((("weight", constraint),), Stored(weight)).weight
            expected = jnp.transpose(constraint(keras), (3, 2, 0, 1))
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert {*seen} == {(3, 3, 2, 5)}
    native = project({"weight": centred}, Stored(weight), layout="native").weight
    np.testing.assert_array_equal(native, centred(weight))
    with pytest.raises(ValueError, match=r"weight: RadialConstraint.* shape \(5, 2, 3, 3\)"):
        project({"weight": RadialConstraint("mean")}, Stored(weight), layout="native")


def test_a_unit_of_an_unknown_module_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"kernel: .*not known\. .*say so by feasible\.jax\.register"
    ):
        project({"kernel": MaxNorm(1, axis="unit")}, Layer(ONES))
    np.testing.assert_array_equal(
        project({"kernel": MaxNorm(1, axis=1)}, Layer(ONES)).kernel, MaxNorm(1, axis=1)(ONES)
    )


def test_layouts_may_depend_on_the_module() -> None:
    class Made:
        flipped = False

    def rows(module: Any) -> tuple[ParameterLayout, ...]:
        return (KERNEL_OUT_FIRST,) if module.flipped else ()

    register_layouts(Made, rows)
    made = Made()
    assert layouts_of(made) == ()
    made.flipped = True
    assert layouts_of(made) == (KERNEL_OUT_FIRST,)
    with pytest.raises(InvalidArgumentError, match="`layouts` must be ParameterLayout rows"):
        register_layouts(Made, rows, rows)
    with pytest.raises(InvalidArgumentError, match="`layouts` must be"):
        register_layouts(Made, "kernel")


def test_axes_of_an_array_are_not_split() -> None:
    class Split(Stored):
        pass

    jax.tree_util.register_dataclass(Split, data_fields=["weight", "bias"], meta_fields=["size"])
    sizes = (("group", 2),)
    register_layouts(
        Split, ParameterLayout("weight", "kernel", "(group in) out", unit="out", sizes=sizes)
    )
    with pytest.raises(ValueError, match=r"weight: .*not split them"):
        project({"weight": MaxNorm(1, axis="unit")}, Split(ONES))


def test_an_axis_that_the_leaf_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match=r"dense/kernel: MaxNorm: `axis` .* shape \(2, 3\)"):
        project({"*": MaxNorm(1, axis=2)}, {"dense": {"kernel": ONES}})
