"""Arrays sharded over four simulated devices: the same results, and next to no communication."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from tests.jax.test_trees import Stored

from feasible import MaxNorm, MinMaxNorm, NonNeg, RadialConstraint, UnitNorm
from feasible.constraints.function import name_of
from feasible.jax import apply_updates, check, constrain_updates, project

WEIGHT = np.random.default_rng(0).normal(size=(8, 16)).astype("float32") * 3
COLLECTIVES = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"


def communicated(compiled: Any) -> Counter[str]:
    """How often a compiled program does which collective operation."""
    found = re.findall(rf" ({COLLECTIVES})(?:-start)?\(", compiled.as_text())
    return Counter(found)


def added_up(compiled: Any) -> int:
    """How many numbers the all-reduces of a compiled program add up."""
    results = re.findall(r"= (.*) all-reduce(?:-start)?\(", compiled.as_text())
    shapes = re.findall(r"\[([\d,]*)\]", " ".join(results))
    return sum(math.prod(int(size) for size in shape.split(",") if size) for shape in shapes)


MODES = pytest.mark.parametrize("mode", [AxisType.Auto, AxisType.Explicit], ids=lambda m: m.name)


def mesh_of(mode: AxisType, **sizes: int) -> Mesh:
    return jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=(mode,) * len(sizes))


ONE, TWO = {"x": 4}, {"x": 2, "y": 2}
# A mesh, how a weight is sharded, and along how many mesh axes vectors along an axis of it go.
LAYOUTS: list[tuple[dict[str, int], Any, dict[Any, int]]] = [
    (ONE, P("x", None), {0: 1, 1: 0, None: 1, (): 0}),
    (ONE, P(None, "x"), {0: 0, 1: 1, None: 1, (): 0}),
    (TWO, P("x", "y"), {0: 1, 1: 1, None: 2, (): 0}),
    (TWO, P(None, ("x", "y")), {0: 0, 1: 1, None: 1, (): 0}),
    (TWO, P("y", None), {0: 1, 1: 0, None: 1, (): 0}),
]


@MODES
@pytest.mark.parametrize("within", [True, False], ids=["within devices", "across devices"])
@pytest.mark.parametrize(("sizes", "spec", "by_axis"), LAYOUTS, ids=lambda value: str(value))
def test_equal_to_unsharded(
    sizes: Any, spec: Any, by_axis: Any, within: bool, mode: AxisType
) -> None:
    axes = [axis for axis, crossed in by_axis.items() if (crossed == 0) == within]
    rules: dict[str, Any] = {
        f"{kind.__name__} {axis}": kind(axis=axis)
        for axis in axes
        for kind in (MaxNorm, UnitNorm, MinMaxNorm)
    }
    if within:
        rules["NonNeg"] = NonNeg()
    mesh = mesh_of(mode, **sizes)
    sharding = NamedSharding(mesh, spec)
    function = jax.jit(lambda params: project(rules, params), donate_argnums=0)
    with jax.set_mesh(mesh):
        params = {name: jax.device_put(WEIGHT, sharding) for name in rules}
        compiled = function.lower(params).compile()
        found = function(params)
    for name, constraint in rules.items():
        assert found[name].sharding == sharding
        assert params[name].is_deleted()
        expected = constraint(WEIGHT)
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, err_msg=name)
    # The compiler adds up all vectors at once, along each axis of the mesh.
    counted = communicated(compiled)
    assert counted.total() == counted["all-reduce"] <= len(sizes)
    assert (counted.total() == 0) == within
    # Three numbers a vector for UnitNorm, which has a smallest norm, and one for the others.
    vectors = sum(MaxNorm(1, axis=axis).vectors(WEIGHT.shape)[0] for axis in axes)
    assert added_up(compiled) <= 5 * vectors
    assert (added_up(compiled) == 0) == within


@MODES
def test_a_whole_step_of_adam(mode: AxisType) -> None:
    rules = {
        "*/rows": MaxNorm(1, axis=0),
        "*/columns": MaxNorm(1, axis=0),
        "*/unit": UnitNorm(axis=1),
        "*/bias": NonNeg(),
    }
    specs = {"rows": P("x", None), "columns": P(None, "x"), "unit": P(None, "x"), "bias": P("x")}
    optimizer = optax.adam(0.1)

    def step(params: Any, state: Any, gradients: Any) -> Any:
        updates, state = optimizer.update(gradients, state, params)
        return apply_updates(params, updates, rules), state

    whole = {"layer": {name: jnp.asarray(WEIGHT) for name in specs}}
    whole["layer"]["bias"] = jnp.asarray(WEIGHT[0])
    expected, _ = jax.jit(step)(whole, optimizer.init(whole), whole)

    mesh = mesh_of(mode, x=4)
    with jax.set_mesh(mesh):
        params = {
            "layer": {
                name: jax.device_put(whole["layer"][name], NamedSharding(mesh, spec))
                for name, spec in specs.items()
            }
        }
        gradients = jax.tree.map(jnp.copy, params)
        state = jax.jit(optimizer.init)(params)
        compiled = jax.jit(step, donate_argnums=(0, 1)).lower(params, state, gradients).compile()
        found, _ = compiled(params, state, gradients)
    for name, spec in specs.items():
        one = found["layer"][name]
        assert one.sharding.is_equivalent_to(NamedSharding(mesh, spec), one.ndim)
        np.testing.assert_allclose(one, expected["layer"][name], rtol=1e-5)
    counted = communicated(compiled)
    assert counted.total() == counted["all-reduce"] == 1
    assert added_up(compiled) == 16 + 3 * 8  # the vectors of the rows, and the unit vectors
    alone = jax.jit(optimizer.update, donate_argnums=1)
    with jax.set_mesh(mesh):
        assert not communicated(alone.lower(gradients, state, gradients).compile())


@MODES
def test_constraints_that_see_a_layout(mode: AxisType) -> None:
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(8, 4, 3, 3)), "float32")
    mesh = mesh_of(mode, x=2, y=2)
    sharding = NamedSharding(mesh, P("x", "y", None, None))
    for constraint in (RadialConstraint("mean"), MaxNorm(1, axis=(0, 1)), lambda w: w * 0.5):
        expected = project({"weight": constraint}, Stored(kernel)).weight
        function = jax.jit(partial(project, {"weight": constraint}))
        with jax.set_mesh(mesh):
            params = Stored(jax.device_put(kernel, sharding))
            assert not communicated(function.lower(params).compile())
            found = function(params).weight
        assert found.sharding.is_equivalent_to(sharding, 4)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_report_of_sharded_arrays() -> None:
    mesh = mesh_of(AxisType.Auto, x=4)
    params = {"kernel": jax.device_put(WEIGHT, NamedSharding(mesh, P("x", None)))}
    (row,) = check({"*": UnitNorm()}, params).rows
    np.testing.assert_allclose(row.measured, np.linalg.norm(WEIGHT, axis=0), rtol=1e-6)


@pytest.fixture(params=[True, False], ids=["tracked", "untracked"])
def checked(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether shard_map keeps track of what differs between devices."""
    return request.param


def mapped(function: Any, specs: Any, mesh: Mesh, checked: bool) -> Any:
    return jax.jit(
        jax.shard_map(function, mesh=mesh, in_specs=(specs,), out_specs=specs, check_vma=checked)
    )


INSIDE = [
    (ONE, P("x", None), 0, "x"),
    (ONE, P("x", None), 0, ("x",)),
    (ONE, P("x", None), 1, ()),
    (ONE, P(None, "x"), None, "x"),
    (TWO, P("x", "y"), None, ("x", "y")),
    (TWO, P("x", "y"), 0, "x"),
    (TWO, P("x", "y"), 1, ["y"]),
]


@pytest.mark.parametrize("kind", [MaxNorm, UnitNorm])
@pytest.mark.parametrize(("sizes", "spec", "axis", "axis_name"), INSIDE)
def test_inside_shard_map(
    kind: Any, sizes: Any, spec: Any, axis: Any, axis_name: Any, checked: bool
) -> None:
    constraint = kind(axis=axis)

    def function(params: Any) -> Any:
        return project({"kernel": constraint}, params, axis_name=axis_name)

    one = mapped(function, {"kernel": spec}, mesh_of(AxisType.Auto, **sizes), checked)
    params = {"kernel": jnp.asarray(WEIGHT)}
    np.testing.assert_allclose(one(params)["kernel"], constraint(WEIGHT), rtol=1e-6)
    counted = communicated(one.lower(params).compile())
    assert counted.total() == counted["all-reduce"] == (0 if axis_name == () else 1)
    assert str(jax.make_jaxpr(one)(params)).count("psum") == (0 if axis_name == () else 1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("bound", [1, 1e-5])
def test_half_precision_inside_shard_map(dtype: str, bound: float, checked: bool) -> None:
    # Among float16's smallest numbers, how far a norm may be off depends on how long a vector is.
    w = np.random.default_rng(0).normal(size=(1024, 64)) * np.linspace(0.9, 1.3, 64) / 32
    constraint, params = MaxNorm(bound), {"kernel": jnp.asarray(bound * w, dtype)}

    def function(params: Any) -> Any:
        return project({"kernel": constraint}, params, axis_name="x")

    found = mapped(function, ROWS, mesh_of(AxisType.Auto, x=4), checked)(params)
    assert found["kernel"].dtype == dtype
    np.testing.assert_array_equal(found["kernel"], constraint(params["kernel"]))


UNSAID = r"kernel: inside shard_map it must be said whether .* with the axes 'x'\. Pass"
ROWS = {"kernel": P("x", None)}


@pytest.mark.parametrize("constraint", [MaxNorm(1), UnitNorm(axis=1), jnp.tanh], ids=name_of)
def test_it_must_be_said_whether_vectors_are_spread(constraint: Any, checked: bool) -> None:
    def direct(params: Any) -> Any:
        return project({"kernel": constraint}, params)

    def stepped(params: Any) -> Any:
        return apply_updates(params, params, {"kernel": constraint})

    for function in (direct, stepped):
        with pytest.raises(ValueError, match=UNSAID):
            mapped(function, ROWS, mesh_of(AxisType.Auto, x=4), checked).lower(
                {"kernel": jnp.asarray(WEIGHT)}
            )


def test_what_has_no_vectors_needs_no_word(checked: bool) -> None:
    params = {"kernel": jnp.asarray(WEIGHT), "bias": jnp.asarray(WEIGHT[:, 0])}
    rules = {"kernel": NonNeg(), "bias": MaxNorm(1, axis="unit")}
    specs = {**ROWS, "bias": P("x")}
    found = mapped(lambda p: project(rules, p), specs, mesh_of(AxisType.Auto, x=4), checked)(params)
    np.testing.assert_array_equal(found["kernel"], np.maximum(WEIGHT, 0))
    np.testing.assert_allclose(found["bias"], np.clip(WEIGHT[:, 0], -1, 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("rules", "axis_name"), [({"*": UnitNorm()}, "x"), ({"whole": UnitNorm()}, None)]
)
def test_what_is_the_same_everywhere_is_not_added_up(rules: Any, axis_name: Any) -> None:
    params = {"kernel": jnp.asarray(WEIGHT), "whole": jnp.asarray(WEIGHT)}
    specs = {**ROWS, "whole": P()}

    def function(params: Any) -> Any:
        return project(rules, params, axis_name=axis_name)

    found = mapped(function, specs, mesh_of(AxisType.Auto, x=4), checked=True)(params)
    expected = project(rules, params)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_an_axis_that_is_not_there(checked: bool) -> None:
    mesh, params = mesh_of(AxisType.Auto, x=4), {"kernel": jnp.asarray(WEIGHT)}
    function = mapped(
        lambda p: project({"kernel": MaxNorm(1)}, p, axis_name="y"),
        ROWS,
        mesh,
        checked,
    )
    with pytest.raises(NameError, match="y"):
        function(params)
    with pytest.raises(NameError, match="x"):
        project({"kernel": MaxNorm(1)}, params, axis_name="x")


def test_vectors_of_others_cannot_be_put_together(checked: bool) -> None:
    mesh, params = mesh_of(AxisType.Auto, x=4), {"kernel": jnp.asarray(WEIGHT)}

    def function(axis_name: Any) -> Any:
        return mapped(
            lambda p: project({"kernel": jnp.tanh}, p, axis_name=axis_name),
            ROWS,
            mesh,
            checked,
        )

    with pytest.raises(ValueError, match=r"kernel: .*cannot be put together .* axis_name='x'"):
        function("x")(params)
    np.testing.assert_allclose(function(())(params)["kernel"], jnp.tanh(WEIGHT), rtol=1e-6)


def test_a_step_inside_shard_map(checked: bool) -> None:
    mesh, rules = mesh_of(AxisType.Auto, x=4), {"kernel": MaxNorm(1)}
    params = {"kernel": jnp.asarray(WEIGHT)}
    updates = {"kernel": jnp.asarray(WEIGHT[::-1])}
    transformation = constrain_updates(rules, axis_name="x")

    def direct(both: Any) -> Any:
        return apply_updates(both[0], both[1], rules, axis_name="x"), both[1]

    def chained(both: Any) -> Any:
        moves, _ = transformation.update(both[1], optax.EmptyState(), both[0])
        return optax.apply_updates(both[0], moves), both[1]

    expected = MaxNorm(1)(params["kernel"] + updates["kernel"])
    for function in (direct, chained):
        found, _ = mapped(function, (ROWS, ROWS), mesh, checked)((params, updates))
        np.testing.assert_allclose(found["kernel"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("constraint", [MaxNorm(1), UnitNorm()], ids=repr)
def test_a_named_vmap_is_a_spread_too(constraint: Any) -> None:
    parts = jnp.asarray(WEIGHT).reshape(4, 2, 16)
    function = jax.vmap(
        lambda w: project({"w": constraint}, {"w": w}, axis_name="parts")["w"], axis_name="parts"
    )
    expected = constraint(jnp.asarray(WEIGHT))
    np.testing.assert_allclose(function(parts).reshape(8, 16), expected, rtol=1e-6)
