"""The table of Equinox: every array has a role, and a unit's weights are those that reach it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest
from equinox import nn

from feasible import MaxNorm, UnitNorm
from feasible.jax import apply_updates, check, project
from feasible.jax.trees import flat

KEY = jax.random.key(0)
Row = tuple[str, tuple[int, ...], tuple[int, ...], int]


def normal(*shape: int) -> Any:
    """An input that is nowhere zero."""
    return jax.random.normal(jax.random.key(1), shape) + 0.1


def on(*shape: int) -> Callable[[Any], Any]:
    """A call of a module on an input of some shape."""
    return lambda module: module(normal(*shape))


def lstm(module: Any) -> Any:
    return module(normal(3), (normal(5), normal(5) + 1))[0]


def gru(module: Any) -> Any:
    return module(normal(3), normal(5))


# Module, how it is called, and for its arrays: role, Keras layout, axes of one unit, and how many
# sets of outputs the units reach: gates of one unit reach the same.
MODULES: dict[str, tuple[Any, Any, dict[str, Row]]] = {
    "Linear": (
        nn.Linear(3, 5, key=KEY),
        on(3),
        {"weight": ("kernel", (3, 5), (0,), 5), "bias": ("bias", (5,), (), 5)},
    ),
    "Conv1d": (
        nn.Conv1d(3, 5, 2, key=KEY),
        on(3, 6),
        {"weight": ("kernel", (2, 3, 5), (0, 1), 5), "bias": ("bias", (5, 1), (), 5)},
    ),
    "Conv2d in groups": (
        nn.Conv2d(4, 6, (3, 2), groups=2, key=KEY),
        on(4, 6, 6),
        {"weight": ("kernel", (3, 2, 2, 6), (0, 1, 2), 6)},
    ),
    "ConvTranspose2d": (
        nn.ConvTranspose2d(3, 5, (2, 4), key=KEY),
        on(3, 6, 6),
        {"weight": ("kernel", (2, 4, 5, 3), (0, 1, 3), 5), "bias": ("bias", (5, 1, 1), (), 5)},
    ),
    "Embedding": (
        nn.Embedding(7, 5, key=KEY),
        lambda module: jax.vmap(module)(jnp.arange(7)),
        {"weight": ("embeddings", (7, 5), (1,), 7)},
    ),
    "LSTMCell": (
        nn.LSTMCell(3, 5, key=KEY),
        lstm,
        {
            "weight_ih": ("kernel", (3, 20), (0,), 5),
            "weight_hh": ("recurrent_kernel", (5, 20), (0,), 5),
            "bias": ("bias", (20,), (), 5),
        },
    ),
    "GRUCell": (
        nn.GRUCell(3, 5, key=KEY),
        gru,
        {
            "weight_ih": ("kernel", (3, 15), (0,), 5),
            "weight_hh": ("recurrent_kernel", (5, 15), (0,), 5),
            "bias": ("bias", (15,), (), 5),
            "bias_n": ("bias", (5,), (), 5),
        },
    ),
    "LayerNorm": (
        nn.LayerNorm((2, 3)),
        on(2, 3),
        {"weight": ("gamma", (2, 3), (), 6), "bias": ("beta", (2, 3), (), 6)},
    ),
    "GroupNorm": (
        nn.GroupNorm(2, 6),
        on(6, 4),
        {"weight": ("gamma", (6,), (), 6), "bias": ("beta", (6,), (), 6)},
    ),
    "RMSNorm": (nn.RMSNorm(5), on(5), {"weight": ("gamma", (5,), (), 5)}),
    "PReLU": (
        nn.PReLU(0.2),
        lambda one: one(-jnp.ones(3)),
        {"negative_slope": ("alpha", (), (), 1)},
    ),
    "MultiheadAttention": (
        nn.MultiheadAttention(2, 4, key=KEY),
        lambda module: module(normal(3, 4), normal(3, 4), normal(3, 4)),
        {"output_proj/weight": ("kernel", (4, 4), (0,), 4)},
    ),
    "MultiheadAttention's query": (
        nn.MultiheadAttention(2, 4, key=KEY),
        lambda module: module.query_proj(normal(4)),
        {"query_proj/weight": ("kernel", (4, 4), (0,), 4)},
    ),
}
ARRAYS = [
    pytest.param(module, name, call, *row, id=f"{title}-{name}")
    for title, (module, call, rows) in MODULES.items()
    for name, row in rows.items()
]


@pytest.mark.parametrize(("module", "name", "call", "role", "shape", "axes", "outputs"), ARRAYS)
def test_an_array_has_its_role_layout_and_units(
    assert_units: Any,
    module: Any,
    name: str,
    call: Any,
    role: str,
    shape: Any,
    axes: Any,
    outputs: int,
) -> None:
    assert_units(module, name, call, role, shape, axes, outputs)


def test_batch_normalization() -> None:
    model = nn.BatchNorm(5, axis_name="batch", mode="batch")
    roles = {leaf.name: leaf.role for leaf in flat(model).leaves if leaf.layout}
    assert roles == {"weight": "gamma", "bias": "beta"}


@pytest.mark.parametrize("title", MODULES)
def test_no_array_is_missing_from_the_table(title: str) -> None:
    assert all(leaf.layout for leaf in flat(MODULES[title][0]).leaves if leaf.usable)


def test_an_ensemble_is_projected_member_by_member() -> None:
    def make(key: Any) -> Any:
        return nn.Linear(3, 5, key=key)

    keys = jax.random.split(KEY, 2)
    rules = {"weight": MaxNorm(0.5, axis=0)}
    models = [eqx.filter_vmap(make)(keys), *map(make, keys)]
    moved, *alone = jax.jit(lambda models: [project(rules, one) for one in models])(models)
    for k, one in enumerate(alone):
        assert jnp.allclose(moved.weight[k], one.weight, rtol=1e-6)
    (row,) = check(rules, moved).rows
    assert (row.vectors, row.length, row.violating, row.stored) == (10, 3, 0, (2, 5, 3))


def test_a_training_loop() -> None:
    model = nn.MLP(3, 2, 8, 1, key=KEY)
    rules = [((nn.Linear, "kernel"), UnitNorm(axis="unit"))]
    optimizer = optax.adam(0.1)
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model: Any, state: Any) -> Any:
        gradients = eqx.filter_grad(lambda model: jnp.square(model(normal(3))).sum())(model)
        updates, state = optimizer.update(gradients, state)
        return apply_updates(model, updates, rules), state

    for _ in range(2):
        model, state = step(model, state)
    assert [row.parameter for row in check(rules, model).rows] == [
        "layers/0/weight",
        "layers/1/weight",
    ]
    assert check(rules, model).ok
    for layer in model.layers:
        assert jnp.allclose(jnp.linalg.norm(layer.weight, axis=1), 1, atol=1e-6)
