"""`project`: what a constraint promises holds for the leaves of a tree, in compiled programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from tests.conftest import JAX, WIDE, Backend, read_only
from tests.constraints.test_promises import cases, check_promises
from tests.known_constraints import IN_EVERY_DTYPE, KNOWN, SHAPE, takes

from feasible import (
    Constraint,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    PositiveSemidefinite,
    RadialConstraint,
    UnitNorm,
    ops,
)
from feasible.constraints.function import name_of
from feasible.constraints.matrices import MatrixConstraint
from feasible.jax import project

WEIGHT = np.random.default_rng(0).normal(size=(5, 4)) * 3
FLAT = [one for one in KNOWN if takes(one, WEIGHT.shape)]


def alone(constraint: Any) -> Callable[[Any], Any]:
    """`project` on one leaf of a tree, compiled, with the rules as an argument."""
    compiled = jax.jit(project)
    return lambda w: compiled({"a/kernel": constraint}, {"a": {"kernel": w}})["a"]["kernel"]


PROJECT = Backend("project", JAX, jnp.asarray, alone)


@pytest.mark.parametrize("constraint", KNOWN, ids=repr)
def test_promises_on_a_table(constraint: Constraint) -> None:
    values = np.random.default_rng(0).normal(size=SHAPE)
    values[..., 0] *= 1e-3
    values[..., 1] *= 1e4
    values[..., 2] = 0
    values[0, 0, 0, 3:] = -0.0, np.nan, np.inf
    is_short = not isinstance(constraint, IN_EVERY_DTYPE)
    for dtype in ("float32",) if is_short else JAX:
        check_promises(PROJECT, constraint, values, dtype)
    with jax.enable_x64(True):
        for dtype in ("float64",) if is_short else ("float64", "bfloat16"):
            check_promises(PROJECT, constraint, values, dtype)


@settings(max_examples=20)
@given(cases(JAX))
def test_promises_of_norms_on_anything(case: Any) -> None:
    constraint, values, dtype = case
    if isinstance(constraint, MaxNorm):
        with np.errstate(over="ignore"):
            largest = np.linalg.norm(np.where(np.isfinite(values), values, 0))
        assume(largest < 1e31 * constraint.max_value or constraint.max_value == 0)
    assume(constraint.axis != 0 or values.ndim < 3)  # which warns
    assume(constraint.axis != "unit" or values.ndim)  # of a number under this name none is known
    check_promises(PROJECT, constraint, values, dtype)


@settings(max_examples=10)
@given(cases(WIDE))
def test_promises_of_norms_on_anything_with_x64(case: Any) -> None:
    assume(case.constraint.axis != 0 or case.values.ndim < 3)
    assume(case.constraint.axis != "unit" or case.values.ndim)
    with jax.enable_x64(True):
        check_promises(PROJECT, *case)


@pytest.mark.parametrize("shape", [(4096, 64), (64, 4096), (1 << 20,)])
@pytest.mark.parametrize("constraint", [MaxNorm(1), UnitNorm()], ids=repr)
def test_long_vectors_are_summed_up_exactly_enough(constraint: Any, shape: Any) -> None:
    function = alone(constraint)
    for w in (np.random.default_rng(0).random(shape, "float32"), np.full(shape, 0.37, "float32")):
        found = function(jnp.asarray(w))
        norms = np.linalg.norm(np.asarray(found, np.float64), axis=0)
        np.testing.assert_allclose(norms, 1, rtol=1e-6)
        assert jnp.array_equal(function(found), found)


def test_equal_rules_are_traced_once() -> None:
    traces = []

    @jax.jit
    def step(rules: Any, params: Any) -> Any:
        traces.append(rules)
        return project(rules, params)

    params = {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}
    for bound in (2, 2.0, 2):
        step({"kernel": MaxNorm(bound, axis="unit"), "bias": NonNeg()}, params)
    step({"bias": NonNeg(), "kernel": MaxNorm(2, axis="unit")}, params)
    assert len(traces) == 1
    step({"kernel": MaxNorm(3, axis="unit"), "bias": NonNeg()}, params)
    assert len(traces) == 2


@pytest.mark.parametrize("constraint", KNOWN, ids=repr)
def test_built_in_constraints_have_no_leaves(constraint: Constraint) -> None:
    leaves, structure = jax.tree.flatten({"kernel": constraint})
    assert leaves == []
    again = type(constraint).from_config(constraint.get_config())
    assert structure == jax.tree.structure({"kernel": again})
    assert jax.tree.unflatten(structure, [])["kernel"] is constraint


class Halved(Constraint):
    def __call__(self, w: Any) -> Any:
        return ops.minimum(w, 0.5)


def test_constraints_of_your_own_have_no_leaves_either() -> None:
    leaves, structure = jax.tree.flatten([Halved()])
    assert leaves == []
    assert jax.tree.unflatten(structure, []) == [Halved()]


def test_what_a_user_has_registered_stays_so() -> None:
    @jax.tree_util.register_pytree_node_class
    class WithLeaf(Constraint):
        def __init__(self, bound: Any) -> None:
            self.bound = bound

        def tree_flatten(self) -> tuple[tuple[Any], None]:
            return (self.bound,), None

        @classmethod
        def tree_unflatten(cls, _: None, leaves: tuple[Any]) -> WithLeaf:
            return cls(*leaves)

    assert jax.tree.leaves(WithLeaf(3)) == [3]


class Twice(MaxNorm):
    """A norm constraint that does something else."""

    def __call__(self, w: Any) -> Any:
        return super().__call__(w) * 2


@pytest.mark.parametrize("constraint", [Halved(), Twice(1), lambda w: w[::-1], jnp.tanh])
def test_constraints_of_your_own_in_a_closure(constraint: Any) -> None:
    w = jnp.asarray(WEIGHT, "float32")
    for wrapped in (lambda function: function, jax.jit):
        found = wrapped(lambda params: project({"kernel": constraint}, params))({"kernel": w})
        np.testing.assert_allclose(found["kernel"], constraint(w), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda w: w[0], r"the leaf's shape, \(5, 4\)\. Received: \(4,\)"),
        (lambda w: w.sum(), r"the leaf's shape, \(5, 4\)\. Received: \(\)"),
        (lambda w: w.astype(jnp.bfloat16), r"the leaf's dtype, float32\. Received: bfloat16"),
        (lambda w: None, r"the leaf's shape, \(5, 4\)\. Received: None"),
    ],
    ids=["row", "scalar", "dtype", "none"],
)
def test_a_callable_must_return_an_array_like_the_leaf(function: Any, message: str) -> None:
    for w in (jnp.asarray(WEIGHT, "float32"), WEIGHT.astype("float32")):
        with pytest.raises(ValueError, match=f"^kernel: the constraint <function.*{message}"):
            project({"kernel": function}, {"kernel": w})


@pytest.mark.parametrize("constraint", [*FLAT, np.abs], ids=repr)
@pytest.mark.parametrize("dtype", [*WIDE])
def test_numpy_stays_numpy(constraint: Any, dtype: str) -> None:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    for w in (WEIGHT.astype(kind), read_only(WEIGHT.astype(kind)), WEIGHT.astype(kind).T):
        before = w.copy()
        found = project({"kernel": constraint}, {"kernel": w})["kernel"]
        assert type(found) is np.ndarray
        assert found.dtype == w.dtype
        axis = getattr(constraint, "axis", None)
        whole = constraint.resolve((0,)) if axis == "unit" else constraint
        assert found.tobytes() == whole(w).tobytes()
        assert w.tobytes() == before.tobytes()


@pytest.mark.parametrize("size", [1e-30, 1e-14, 1e14, 1e30])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (1,), (2, 3)])
@pytest.mark.parametrize(
    "constraint", [MaxNorm(1), MinMaxNorm(1, 2), MinMaxNorm(1, 2, rate=0.5), UnitNorm()], ids=repr
)
def test_vectors_of_one_entry_and_more(constraint: Any, shape: Any, size: float) -> None:
    w = np.full(shape, size, "float32")
    expected = constraint(w)
    step = jax.jit(lambda w: project({"w": constraint}, {"w": w})["w"])
    scanned = jax.jit(lambda w: jax.lax.scan(lambda w, _: (constraint(w), None), w, length=1)[0])
    for function in (constraint, jax.jit(constraint), step, scanned):
        np.testing.assert_allclose(function(jnp.asarray(w)), expected, rtol=2e-6)
    mapped = jax.jit(jax.vmap(constraint))(jnp.asarray(w)[None])
    np.testing.assert_allclose(mapped[0], expected, rtol=2e-6)


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("constraint", [MaxNorm(2), MinMaxNorm(1, 2), UnitNorm()], ids=repr)
def test_float64_of_any_magnitude(constraint: Any, size: float) -> None:
    with jax.enable_x64(True):
        w = np.full((3, 2), size)
        step = jax.jit(lambda w: project({"w": constraint}, {"w": w})["w"])
        for function in (jax.jit(constraint), step):
            np.testing.assert_allclose(function(jnp.asarray(w)), constraint(w), rtol=1e-12)


def test_numbers_of_numpy() -> None:
    for w in (np.float32(-2), np.array(-2.0)):
        assert project({"w": MaxNorm(1, axis=None)}, {"w": w})["w"] == pytest.approx(-1)


def test_shapes_alone_are_checked_and_returned() -> None:
    shapes = {"kernel": jax.ShapeDtypeStruct((2, 3), jnp.bfloat16), "count": 1}
    assert project({"kernel": MaxNorm(1)}, shapes) == shapes
    assert (
        jax.eval_shape(lambda p: project({"kernel": MaxNorm(1)}, p), shapes)["kernel"]
        == shapes["kernel"]
    )
    with pytest.raises(ValueError, match="kernel: MaxNorm: `axis` must name distinct axes"):
        project({"kernel": MaxNorm(1, axis=2)}, shapes)
    with pytest.raises(ValueError, match="selects no parameter"):
        project({"bias": NonNeg()}, shapes)


@pytest.mark.parametrize("constraint", [one for one in KNOWN if takes(one, (3, 3, 2, 2))], ids=repr)
def test_vmap_is_a_loop(constraint: Any) -> None:
    stack = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 3, 2, 2)), "float32")
    function = jax.jit(lambda w: project({"kernel": constraint}, {"kernel": w})["kernel"])
    expected = np.stack([function(w) for w in stack])
    np.testing.assert_allclose(jax.jit(jax.vmap(function))(stack), expected, rtol=3e-7)


# Columns where a careless root, quotient or clip has no derivative, and ordinary ones.
COLUMNS = np.array(
    [[0, 1, 1.2, 0, 3, 0.3, -2, 1e-30, 1e18], [0, 0, 1.6, 2, 4, 0.4, 1, 2e-30, 1e18]]
)


@pytest.mark.parametrize(
    "constraint",
    [MaxNorm(2), MinMaxNorm(1, 2), MinMaxNorm(1, 2, rate=0.5), UnitNorm(), MaxNorm(0), NonNeg()],
    ids=repr,
)
def test_gradients_are_those_of_the_constraint(constraint: Any) -> None:
    direction = np.random.default_rng(0).normal(size=COLUMNS.shape).astype("float32")

    def gradient(function: Callable[[Any], Any], w: Any) -> Any:
        return jax.jit(jax.grad(lambda w: (function(w) * direction).sum()))(w)

    def projected(w: Any) -> Any:
        return project({"kernel": constraint}, {"kernel": w})["kernel"]

    found = gradient(projected, jnp.asarray(COLUMNS, "float32"))
    expected = gradient(constraint, jnp.asarray(COLUMNS, "float32"))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


SMALL = (3, 3, 2, 2)
FITTING = [one for one in KNOWN if takes(one, SMALL)]
# Matrices are decomposed by a library that the compiled program calls.
DECOMPOSED = (MatrixConstraint, PositiveSemidefinite)


@pytest.mark.parametrize(
    "constraint",
    [*(one for one in FITTING if not isinstance(one, DECOMPOSED)), jnp.tanh],
    ids=name_of,
)
def test_the_program_is_one_and_calls_nothing_outside(constraint: Any) -> None:
    def function(w: Any) -> Any:
        return project({"kernel": constraint}, {"kernel": w})["kernel"]

    w = jnp.ones(SMALL)
    lowered = jax.jit(function).lower(w)
    for text in (str(jax.make_jaxpr(function)(w)), lowered.as_text(), lowered.compile().as_text()):
        assert "callback" not in text
        assert "custom_call" not in text.replace("-", "_")


def test_the_axis_that_nobody_means_warns() -> None:
    kernel = jnp.ones((4, 4, 2, 3))
    with pytest.warns(
        UserWarning,
        match=r"kernel: MaxNorm.*axis 0 only: 24 vectors of 4\. axis=\"unit",
    ):
        project({"kernel": MaxNorm(1)}, {"kernel": kernel})
    with pytest.warns(UserWarning, match="kernel: RadialConstraint.* exchanges .* at each step"):
        project({"kernel": RadialConstraint()}, {"kernel": kernel})
    project({"kernel": MaxNorm(1, axis=(0,))}, {"kernel": kernel})
