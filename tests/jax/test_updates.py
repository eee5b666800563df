"""Constraints in the training loops of optax: what is stored is P(p + u), with each wrapper."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.jax.test_trees import Stored

from feasible import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.jax import apply_updates, check, constrain_updates, project

RULES = {"*/kernel": MaxNorm(1, axis="unit"), "*/bias": NonNeg()}
HALFWAY = MinMaxNorm(0, 1, rate=0.5)


def network(dtype: Any = jnp.float32, scale: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def array(*shape: int) -> jax.Array:
        return jnp.asarray(scale * rng.normal(size=shape), dtype)

    return {
        "first": {"kernel": array(4, 8), "bias": array(8)},
        "last": {"kernel": array(8, 2), "bias": array(2)},
    }


def loss(params: Any, x: Any) -> Any:
    hidden = jnp.tanh(x @ params["first"]["kernel"] + params["first"]["bias"])
    return jnp.square(hidden @ params["last"]["kernel"] + params["last"]["bias"] - 3).mean()


def train(params: Any, optimizer: Any, rules: Any, *, steps: int = 5, direct: bool) -> Any:
    """Some steps, projected by `apply_updates` or by the optimizer itself."""

    @jax.jit
    def step(params: Any, state: Any, x: Any) -> Any:
        gradients = jax.grad(loss)(params, x)
        updates, state = optimizer.update(gradients, state, params)
        if direct:
            return apply_updates(params, updates, rules), state
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for x in np.random.default_rng(1).normal(size=(steps, 16, 4)).astype("float32"):
        params, state = step(params, state, jnp.asarray(x, params["first"]["kernel"].dtype))
    return params


def assert_close(found: Any, expected: Any, **tolerances: float) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(
            np.asarray(one, np.float64), np.asarray(other, np.float64), **tolerances
        )


@pytest.mark.parametrize(
    ("params", "updates"),
    [
        ("float32", "float32"),
        ("float32", "bfloat16"),
        ("bfloat16", "float32"),
        ("bfloat16", "bfloat16"),
        ("float16", "float32"),
    ],
)
def test_what_is_stored_is_the_projection(params: str, updates: str) -> None:
    function = jax.jit(lambda p, u: apply_updates(p, u, RULES))
    projected, added = jax.jit(project), jax.jit(optax.apply_updates)
    for scale in (0.01, 1e3):
        p, u = network(params, scale), network(updates, -0.5)
        found, expected = function(p, u), projected(RULES, added(p, u))
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert one.dtype == params
            assert one.tobytes() == other.tobytes()
        assert (
            projected(RULES, found)["last"]["kernel"].tolist() == found["last"]["kernel"].tolist()
        )


@pytest.mark.parametrize("constraint", [MaxNorm(1), UnitNorm()], ids=repr)
@pytest.mark.parametrize("updates", ["float32", "bfloat16"])
def test_what_is_measured_is_rounded_as_what_is_stored(constraint: Any, updates: str) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(16, 4096))
    p = {"w": jnp.asarray(w / np.linalg.norm(w, axis=0), "bfloat16")}
    u = {"w": jnp.asarray(0.02 * rng.normal(size=w.shape), updates)}
    rules = {"w": constraint}
    found = jax.jit(lambda p, u: apply_updates(p, u, rules))(p, u)
    assert check(rules, found).ok
    assert jnp.array_equal(jax.jit(project)(rules, found)["w"], found["w"])


@pytest.mark.parametrize("params", ["float32", "bfloat16"])
@pytest.mark.parametrize("updates", ["float32", "bfloat16"])
def test_updates_lead_to_the_projection(params: str, updates: str) -> None:
    p, u = network(params), network(updates, -0.5)
    transformation = constrain_updates(RULES)
    moves, state = jax.jit(transformation.update)(u, transformation.init(p), p)
    assert state == optax.EmptyState()
    assert {leaf.dtype.name for leaf in jax.tree.leaves(moves)} == {
        jnp.promote_types(params, updates).name
    }
    expected = apply_updates(p, u, RULES)
    # A rounding error of p and of the update, which are of the order of 1.
    spacing = max(float(jnp.finfo(one).eps) for one in (params, jnp.promote_types(params, updates)))
    assert_close(optax.apply_updates(p, moves), expected, atol=2 * spacing, rtol=0)


def test_updates_from_an_infeasible_start_are_as_exact_as_their_dtype() -> None:
    p = {"w": jnp.full((4, 2), 1e6)}
    transformation = constrain_updates({"w": MaxNorm(1)})
    for step in range(2):
        moves, _ = transformation.update({"w": jnp.zeros((4, 2))}, optax.EmptyState(), p)
        p = optax.apply_updates(p, moves)
        # Half a unit in the last place of 1e6, and then of 1.
        assert check({"w": MaxNorm(1)}, p).rows[0].worst <= (0.0625, 0)[step]


OPTIMIZERS = {
    "adam": lambda rate: optax.adam(rate),
    "clip": lambda rate: optax.chain(optax.clip_by_global_norm(1), optax.adamw(rate)),
    "inject_hyperparams": lambda rate: optax.inject_hyperparams(optax.adam)(learning_rate=rate),
    "apply_if_finite": lambda rate: optax.apply_if_finite(optax.adam(rate), 3),
    "schedule_free": lambda rate: optax.contrib.schedule_free_sgd(rate),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_each_optimizer_ends_feasible_both_ways(make: Any) -> None:
    direct = train(network(), make(0.1), RULES, direct=True)
    chain = train(network(), optax.chain(make(0.1), constrain_updates(RULES)), RULES, direct=False)
    assert check(RULES, direct).ok
    assert_close(chain, direct, atol=1e-5)


def test_without_rules_it_ends_elsewhere() -> None:
    assert not check(RULES, train(network(), optax.adam(0.1), {}, direct=True)).ok


def test_without_rules_it_is_apply_updates_of_optax() -> None:
    params, updates = network(jnp.bfloat16), network(scale=0.1)
    assert_close(apply_updates(params, updates, {}), optax.apply_updates(params, updates), rtol=0)


# Three micro-batches a step, under a constraint that goes half of the way: from norm 16 to 8.5.
START, HALVED = {"w": jnp.full((4, 2), 8.0)}, {"w": jnp.full((4, 2), 4.25)}
ZEROS = {"w": jnp.zeros((4, 2))}


def test_multi_steps_acts_once_a_step() -> None:
    inner = optax.chain(optax.sgd(1.0), constrain_updates({"w": HALFWAY}))
    optimizer = optax.MultiSteps(inner, every_k_schedule=3)
    params, state = START, optimizer.init(START)
    step = jax.jit(optimizer.update)
    for expected in (START, START, HALVED):
        updates, state = step(ZEROS, state, params)
        params = optax.apply_updates(params, updates)
        assert_close(params, expected, rtol=1e-6)


def test_apply_updates_may_be_told_that_there_was_no_step() -> None:
    optimizer = optax.MultiSteps(optax.sgd(1.0), every_k_schedule=3)

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        updates, state = optimizer.update(ZEROS, state, params)
        has_updated = optimizer.has_updated(state)
        return apply_updates(params, updates, {"w": HALFWAY}, has_updated=has_updated), state

    params, state = START, optimizer.init(START)
    for expected in (START, START, HALVED):
        params, state = step(params, state)
        assert_close(params, expected, rtol=1e-6)
    for has_updated, expected in ((False, START), (True, HALVED)):
        found = apply_updates(START, ZEROS, {"w": HALFWAY}, has_updated=has_updated)
        assert_close(found, expected, rtol=1e-6)


def test_apply_if_finite_skips_a_step_as_a_whole() -> None:
    inner = optax.chain(optax.sgd(1.0), constrain_updates({"w": HALFWAY}))
    optimizer = optax.apply_if_finite(inner, max_consecutive_errors=5)
    params, state = START, optimizer.init(START)
    for gradient, expected in (
        ({"w": jnp.full((4, 2), jnp.nan)}, START),
        (ZEROS, HALVED),
    ):
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        assert_close(params, expected, rtol=1e-6)


def test_parts_of_a_model_have_their_own_optimizers() -> None:
    labels = {"first": "a", "last": "b"}
    optimizer = optax.multi_transform(
        {
            "a": optax.chain(
                optax.adam(0.1), constrain_updates({"first/kernel": UnitNorm(axis="unit")})
            ),
            "b": optax.chain(optax.sgd(0.1), constrain_updates({"last/*": NonNeg()})),
        },
        labels,
    )
    found = train(network(), optimizer, {}, direct=False)
    assert check({"first/kernel": UnitNorm(axis="unit"), "last/*": NonNeg()}, found).ok
    assert not check({"first/bias": NonNeg()}, found).ok


def test_masked() -> None:
    mask = {"first": {"kernel": True, "bias": False}, "last": False}
    rules = {"first/kernel": MaxNorm(0.5, axis="unit")}
    optimizer = optax.chain(optax.adam(0.1), optax.masked(constrain_updates(rules), mask))
    assert check(rules, train(network(), optimizer, {}, direct=False)).ok
    wrong = optax.masked(constrain_updates({"last/kernel": NonNeg()}), mask)
    with pytest.raises(ValueError, match="'last/kernel' selects no parameter"):
        wrong.init(network())


def test_what_has_no_update_stays_as_it_is() -> None:
    start = network(scale=3)
    updates = {**network(scale=0.1), "last": {"kernel": None, "bias": None}}
    found = apply_updates(start, updates, RULES)
    assert found["last"]["kernel"] is start["last"]["kernel"]
    assert check({name.replace("*", "first"): rule for name, rule in RULES.items()}, found).ok
    transformation = constrain_updates(RULES)
    moves, _ = transformation.update(updates, transformation.init(start), start)
    assert moves["last"] == {"kernel": None, "bias": None}
    assert_close(start["first"]["bias"] + moves["first"]["bias"], found["first"]["bias"], atol=1e-6)


def test_parameters_that_are_none_or_no_floats() -> None:
    params = {"w": jnp.ones(3), "nothing": None, "count": jnp.arange(2), "key": jax.random.key(0)}
    updates = {"w": -2 * jnp.ones(3), "nothing": None, "count": jnp.ones(2, int), "key": None}
    found = apply_updates(params, updates, {"w": NonNeg()})
    assert found["w"].tolist() == [0, 0, 0]
    assert found["count"].tolist() == [1, 2]
    assert found["nothing"] is None
    assert found["key"] is params["key"]
    with pytest.raises(ValueError, match="selects count, which is an array of dtype int32"):
        apply_updates(params, updates, {"count": NonNeg()})


def test_modules_are_trees_too() -> None:
    module, updates = Stored(jnp.full((3, 4), 2.0)), Stored(jnp.full((3, 4), -1.0))
    for rules, layout, norm in (
        ({(Stored, "kernel"): MaxNorm(1, axis="unit")}, "keras", 4),
        ({"*": MaxNorm(1, axis=0)}, "native", 3),
    ):
        call = partial(apply_updates, rules=rules, layout=layout)
        found = jax.jit(call)(module, updates)
        np.testing.assert_allclose(found.weight, np.full((3, 4), norm**-0.5), rtol=1e-6)


def test_updates_of_another_structure_are_an_error() -> None:
    for call in (
        lambda p, u: apply_updates(p, u, RULES),
        lambda p, u: constrain_updates(RULES).update(u, optax.EmptyState(), p),
    ):
        with pytest.raises(ValueError, match="mismatch"):
            call(network(), {"first": network()["first"]})


def test_rules_are_checked_when_the_state_is_made() -> None:
    with pytest.raises(ValueError, match=r"'\*/kernels' selects no parameter"):
        constrain_updates({"*/kernels": NonNeg()}).init(network())
    with pytest.raises(ValueError, match="selects no parameter"):
        jax.eval_shape(constrain_updates({"*/kernels": NonNeg()}).init, network())
    shapes = jax.eval_shape(network)
    assert constrain_updates(RULES).init(shapes) == optax.EmptyState()


def test_the_parameters_are_needed() -> None:
    transformation = constrain_updates(RULES)
    with pytest.raises(ValueError, match=r"constrain_updates: `params` must be given to `update`"):
        transformation.update(network(), optax.EmptyState())


def test_it_takes_what_others_in_a_chain_are_told() -> None:
    optimizer = optax.chain(optax.sgd(0.1), constrain_updates(RULES))
    params = network()
    state = optimizer.init(params)
    updates, _ = optimizer.update(params, state, params, value=1.0, grad=None)
    assert check(RULES, optax.apply_updates(params, updates)).ok


def test_fast_and_slow_parameters_of_lookahead() -> None:
    rules = {"*/first/kernel": UnitNorm(axis="unit")}
    optimizer = optax.lookahead(optax.sgd(0.3), sync_period=2, slow_step_size=0.5)
    params = optax.LookaheadParams.init_synced(project({"first/kernel": UnitNorm()}, network()))
    state = optimizer.init(params)
    for _ in range(3):
        gradients = jax.grad(loss)(params.fast, jnp.ones((3, 4)))
        updates, state = optimizer.update(gradients, state, params)
        params = apply_updates(params, updates, rules)
        assert check(rules, params).ok


def test_averages_are_projected_by_project() -> None:
    rules = {"first/kernel": UnitNorm(axis="unit")}
    params = project(rules, network())
    turned = project(rules, {**network(), "first": network(scale=-1)["first"]})
    turned["first"]["kernel"] = turned["first"]["kernel"][::-1]
    average = optax.incremental_update(turned, params, 0.3)
    assert not check(rules, average).ok
    assert check(rules, project(rules, average)).ok


@pytest.mark.parametrize("constraint", [MaxNorm(2, axis=0), MaxNorm(2, axis=1), NonNeg()], ids=repr)
@pytest.mark.parametrize("always", [True, False], ids=["each step", "some steps"])
def test_no_other_copy_of_the_parameters(constraint: Any, always: bool) -> None:
    optimizer = optax.adam(1e-3)
    params = {"w": jax.ShapeDtypeStruct((1024, 1024), jnp.float32)}
    given = (params, jax.eval_shape(optimizer.init, params), params)

    def temporary(rules: Any) -> int:
        """The bytes beside parameters, gradients and state, which may be overwritten."""

        def step(params: Any, state: Any, gradients: Any, has_updated: Any) -> Any:
            updates, state = optimizer.update(gradients, state, params)
            has_updated = always or has_updated
            return apply_updates(params, updates, rules, has_updated=has_updated), state

        lowered = jax.jit(step, donate_argnums=(0, 1)).lower(*given, jnp.array(True))
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert temporary({"w": constraint}) - temporary({}) < params["w"].size / 16
