"""The tables of Flax: every array has a role, and a unit's weights are those that reach it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen, nnx

from feasible import MaxNorm, NonNeg, RadialConstraint, UnitNorm
from feasible.jax import check, project
from feasible.jax.trees import flat

RNGS = nnx.Rngs(params=0, carry=0)


def normal(*shape: int) -> Any:
    """An input that is nowhere zero."""
    return jax.random.normal(jax.random.key(1), shape) + 0.1


def on(*shape: int) -> Callable[[Any], Any]:
    """A call of a module on an input of some shape."""
    return lambda module: module(normal(*shape))


def cell(features: int) -> Callable[[Any], Any]:
    """One step of a recurrent cell."""

    def call(module: Any) -> Any:
        carry = jax.tree.map(
            lambda zeros: normal(*zeros.shape), module.initialize_carry((3,), rngs=RNGS)
        )
        return module(carry, normal(features))[1]

    return call


def every_row(module: Any) -> Any:
    return module(jnp.arange(7))


def filled(module: Any) -> Any:
    """A module without weights that are 0, behind which nothing shows."""
    leaves, structure = jax.tree.flatten(module)
    moved = [leaf + 0.1 if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf for leaf in leaves]
    return jax.tree.unflatten(structure, moved)


# Module, how it is called, and for its arrays: role, Keras layout, axes of one unit, and how many
# sets of outputs the units reach: gates of one unit reach the same.
Row = tuple[str, tuple[int, ...], tuple[int, ...], int]
NNX: dict[str, tuple[Any, Any, dict[str, Row]]] = {
    "Linear": (
        nnx.Linear(3, 5, rngs=RNGS),
        on(2, 3),
        {"kernel": ("kernel", (3, 5), (0,), 5), "bias": ("bias", (5,), (), 5)},
    ),
    "LinearGeneral": (
        nnx.LinearGeneral((3, 2), (4, 5), axis=(1, -1), rngs=RNGS),
        on(2, 3, 2),
        {"kernel": ("kernel", (3, 2, 4, 5), (0, 1), 20), "bias": ("bias", (4, 5), (), 20)},
    ),
    "LinearGeneral with batch axes": (
        nnx.LinearGeneral(3, 4, batch_axis={0: 2}, rngs=RNGS),
        on(2, 6, 3),
        {"kernel": ("kernel", (2, 3, 4), (1,), 8), "bias": ("bias", (2, 4), (), 8)},
    ),
    "Einsum": (
        nnx.Einsum("nta,hab->nthb", (2, 3, 4), (2, 4), rngs=RNGS),
        on(2, 6, 3),
        {"kernel": ("kernel", (2, 3, 4), (1,), 8), "bias": ("bias", (2, 4), (), 8)},
    ),
    "Einsum with an ellipsis": (
        nnx.Einsum("...i,...ji->...j", (2, 4, 3), rngs=RNGS),
        on(2, 3),
        {"kernel": ("kernel", (2, 4, 3), (2,), 8)},
    ),
    "Conv 1D": (
        nnx.Conv(3, 5, 2, rngs=RNGS),
        on(1, 6, 3),
        {"kernel": ("kernel", (2, 3, 5), (0, 1), 5), "bias": ("bias", (5,), (), 5)},
    ),
    "Conv 2D in groups": (
        nnx.Conv(4, 6, (3, 3), feature_group_count=2, rngs=RNGS),
        on(1, 6, 6, 4),
        {"kernel": ("kernel", (3, 3, 2, 6), (0, 1, 2), 6)},
    ),
    "ConvTranspose": (
        nnx.ConvTranspose(3, 5, (2, 4), rngs=RNGS),
        on(1, 6, 6, 3),
        {"kernel": ("kernel", (2, 4, 5, 3), (0, 1, 3), 5), "bias": ("bias", (5,), (), 5)},
    ),
    "ConvTranspose stored in the other order": (
        nnx.ConvTranspose(3, 5, (2, 4), transpose_kernel=True, rngs=RNGS),
        on(1, 6, 6, 3),
        {"kernel": ("kernel", (2, 4, 5, 3), (0, 1, 3), 5)},
    ),
    "Embed": (
        nnx.Embed(7, 5, rngs=RNGS),
        every_row,
        {"embedding": ("embeddings", (7, 5), (1,), 7)},
    ),
    "BatchNorm": (
        nnx.BatchNorm(5, use_running_average=True, rngs=RNGS),
        on(2, 5),
        {"scale": ("gamma", (5,), (), 5), "bias": ("beta", (5,), (), 5)},
    ),
    "LayerNorm": (
        nnx.LayerNorm(5, rngs=RNGS),
        on(2, 5),
        {"scale": ("gamma", (5,), (), 5), "bias": ("beta", (5,), (), 5)},
    ),
    "GroupNorm": (
        nnx.GroupNorm(6, 2, rngs=RNGS),
        on(2, 6),
        {"scale": ("gamma", (6,), (), 6), "bias": ("beta", (6,), (), 6)},
    ),
    "InstanceNorm": (
        nnx.InstanceNorm(5, rngs=RNGS),
        on(2, 4, 5),
        {"scale": ("gamma", (5,), (), 5), "bias": ("beta", (5,), (), 5)},
    ),
    "RMSNorm": (nnx.RMSNorm(5, rngs=RNGS), on(2, 5), {"scale": ("gamma", (5,), (), 5)}),
    "PReLU": (
        nnx.PReLU(),
        lambda module: module(-jnp.ones(3)),
        {"negative_slope": ("alpha", (), (), 1)},
    ),
    "LoRA": (
        filled(nnx.LoRA(3, 2, 5, rngs=RNGS)),
        lambda module: jnp.concatenate(
            [normal(2, 3) @ module.lora_a, normal(2, 2) @ module.lora_b], 1
        ),
        {
            "lora_a": ("lora_kernel_a", (3, 2), (0,), 2),
            "lora_b": ("lora_kernel_b", (2, 5), (0,), 5),
        },
    ),
    "SimpleCell": (
        nnx.SimpleCell(3, 5, rngs=RNGS),
        cell(3),
        {
            "dense_i/kernel": ("kernel", (3, 5), (0,), 5),
            "dense_h/kernel": ("recurrent_kernel", (5, 5), (0,), 5),
            "dense_i/bias": ("bias", (5,), (), 5),
        },
    ),
    "LSTMCell": (
        nnx.LSTMCell(3, 5, rngs=RNGS),
        cell(3),
        {
            **{f"{one}/kernel": ("kernel", (3, 5), (0,), 5) for one in ("ii", "if_", "ig", "io")},
            **{
                f"{one}/kernel": ("recurrent_kernel", (5, 5), (0,), 5)
                for one in ("hi", "hf", "hg", "ho")
            },
            "hf/bias": ("bias", (5,), (), 5),
        },
    ),
    "OptimizedLSTMCell": (
        nnx.OptimizedLSTMCell(3, 5, rngs=RNGS),
        cell(3),
        {
            "dense_i/kernel": ("kernel", (3, 20), (0,), 5),
            "dense_h/kernel": ("recurrent_kernel", (5, 20), (0,), 5),
            "dense_h/bias": ("bias", (20,), (), 5),
        },
    ),
    "GRUCell": (
        nnx.GRUCell(3, 5, rngs=RNGS),
        cell(3),
        {
            "dense_i/kernel": ("kernel", (3, 15), (0,), 5),
            "dense_h/kernel": ("recurrent_kernel", (5, 15), (0,), 5),
            "dense_i/bias": ("bias", (15,), (), 5),
        },
    ),
    "RNN": (
        nnx.RNN(nnx.SimpleCell(3, 5, rngs=RNGS), rngs=RNGS),
        # One step from a state of zeros: what goes on reaches every unit.
        on(1, 1, 3),
        {"cell/dense_i/kernel": ("kernel", (3, 5), (0,), 5)},
    ),
    "MultiHeadAttention": (
        nnx.MultiHeadAttention(2, 4, qkv_features=6, decode=False, rngs=RNGS),
        lambda module: jnp.stack([one(normal(2, 4)) for one in (module.query, module.value)]),
        {
            "query/kernel": ("kernel", (4, 2, 3), (0,), 6),
            "value/kernel": ("kernel", (4, 2, 3), (0,), 6),
            "query/bias": ("bias", (2, 3), (), 6),
        },
    ),
    "MultiHeadAttention's output": (
        nnx.MultiHeadAttention(2, 4, qkv_features=6, decode=False, rngs=RNGS),
        on(1, 3, 4),
        {"out/kernel": ("kernel", (2, 3, 4), (0, 1), 4), "out/bias": ("bias", (4,), (), 4)},
    ),
}
NNX_ARRAYS = [
    pytest.param(module, name, call, *row, id=f"{title}-{name}")
    for title, (module, call, rows) in NNX.items()
    for name, row in rows.items()
]


@pytest.mark.parametrize(("module", "name", "call", "role", "shape", "axes", "outputs"), NNX_ARRAYS)
def test_a_param_has_its_role_layout_and_units(
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


@pytest.mark.parametrize("title", NNX)
def test_no_param_is_missing_from_the_table(title: str) -> None:
    known = {leaf.name for leaf in flat(NNX[title][0]).leaves if leaf.layout}
    params = nnx.to_flat_state(nnx.state(NNX[title][0], nnx.Param))
    assert {"/".join(map(str, path)) for path, _ in params} <= known


def test_a_kernel_that_lacks_axes_is_an_error() -> None:
    model = nnx.Linear(3, 5, rngs=nnx.Rngs(0))
    model.kernel = nnx.Param(jnp.ones(3))
    with pytest.raises(ValueError, match=r"kernel of Linear must have 2 axes.*\(3,\)"):
        project({"kernel": NonNeg()}, model)


@pytest.mark.parametrize(
    ("title", "constraint"),
    [
        ("Linear", MaxNorm(0.5, axis=0)),
        ("Linear", UnitNorm(axis=None)),
        ("Conv 2D in groups", MaxNorm(0.5, axis="unit")),
        ("Conv 2D in groups", RadialConstraint(rings="mean")),
        ("ConvTranspose", MaxNorm(0.5, axis="unit")),
        ("Embed", UnitNorm(axis=-1)),
    ],
    ids=str,
)
def test_each_of_stacked_modules_is_projected_as_if_alone(title: str, constraint: Any) -> None:
    rules = {next(iter(NNX[title][2])): constraint}
    graphdef, first = nnx.split(NNX[title][0])
    parts = [first, jax.tree.map(lambda leaf: leaf + 1, first)]
    many = nnx.merge(graphdef, jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts))
    models = [nnx.merge(graphdef, part) for part in parts]
    moved, *alone = jax.jit(lambda *models: [project(rules, one) for one in models])(many, *models)
    for k, one in enumerate(alone):
        taken = jax.tree.map(lambda leaf, k=k: leaf[k], nnx.state(moved))
        for mine, wanted in zip(jax.tree.leaves(taken), jax.tree.leaves(one), strict=True):
            assert jnp.allclose(mine, wanted, rtol=1e-6)
    (row,), (of_one,) = check(rules, many).rows, check(rules, models[0]).rows
    assert row.vectors == 2 * of_one.vectors
    assert (row.length, row.shape, row.stored) == (
        of_one.length,
        of_one.shape,
        (2, *of_one.stored),
    )
    assert not check(rules, many).ok
    assert check(rules, moved).ok


def params_of(module: Any, *inputs: Any) -> Any:
    return module.init(jax.random.key(0), *inputs)["params"]


def apply(module: Any, *inputs: Any) -> Callable[[Any], Any]:
    return lambda params: module.apply({"params": params}, *inputs)


def linen_cell(module: Any, features: int) -> tuple[Any, Any]:
    carry = jax.tree.map(
        lambda zeros: normal(*zeros.shape), module.initialize_carry(jax.random.key(0), (features,))
    )
    params = params_of(module, carry, normal(features))
    return params, lambda params: apply(module, carry, normal(features))(params)[1]


def linen_module(module: Any, *shape: int) -> tuple[Any, Any]:
    return params_of(module, normal(*shape)), apply(module, normal(*shape))


EMBED = linen.Embed(7, 5)
LINEN: dict[str, tuple[Any, dict[str, Row]]] = {
    "Dense": (
        linen_module(linen.Dense(5), 2, 3),
        {"kernel": ("kernel", (3, 5), (0,), 5), "bias": ("bias", (5,), (), 5)},
    ),
    "Conv": (
        linen_module(linen.Conv(5, (2, 3)), 1, 6, 6, 3),
        {"kernel": ("kernel", (2, 3, 3, 5), (0, 1, 2), 5)},
    ),
    # Without the module, axes are counted as they are stored.
    "ConvTranspose": (
        linen_module(linen.ConvTranspose(5, (2, 3)), 1, 6, 6, 3),
        {"kernel": ("kernel", (2, 3, 3, 5), (0, 1, 2), 5)},
    ),
    "Embed": (
        (params_of(EMBED, jnp.arange(7)), apply(EMBED, jnp.arange(7))),
        {"embedding": ("embeddings", (7, 5), (1,), 7)},
    ),
    "LayerNorm": (
        linen_module(linen.LayerNorm(), 2, 5),
        {"scale": ("gamma", (5,), (), 5), "bias": ("beta", (5,), (), 5)},
    ),
    "PReLU": (
        linen_module(linen.PReLU(), 6),
        {"negative_slope": ("alpha", (), (), 1)},
    ),
    "SimpleCell": (
        linen_cell(linen.SimpleCell(5), 3),
        {
            "i/kernel": ("kernel", (3, 5), (0,), 5),
            "h/kernel": ("recurrent_kernel", (5, 5), (0,), 5),
        },
    ),
    "LSTMCell": (
        linen_cell(linen.LSTMCell(5), 3),
        {
            "if/kernel": ("kernel", (3, 5), (0,), 5),
            **{
                f"{one}/kernel": ("recurrent_kernel", (5, 5), (0,), 5)
                for one in ("hi", "hf", "hg", "ho")
            },
            "ho/bias": ("bias", (5,), (), 5),
        },
    ),
    "OptimizedLSTMCell": (
        linen_cell(linen.OptimizedLSTMCell(5), 3),
        {
            "ii/kernel": ("kernel", (3, 5), (0,), 5),
            "hg/kernel": ("recurrent_kernel", (5, 5), (0,), 5),
        },
    ),
    "GRUCell": (
        linen_cell(linen.GRUCell(5), 3),
        {
            "in/kernel": ("kernel", (3, 5), (0,), 5),
            **{
                f"{one}/kernel": ("recurrent_kernel", (5, 5), (0,), 5) for one in ("hr", "hz", "hn")
            },
        },
    ),
    "MultiHeadDotProductAttention": (
        linen_module(linen.MultiHeadDotProductAttention(2, qkv_features=6), 1, 3, 4),
        {"out/kernel": ("kernel", (2, 3, 4), (0, 1), 4), "out/bias": ("bias", (4,), (), 4)},
    ),
}
LINEN_ARRAYS = [
    pytest.param(params, name, call, *row, id=f"{title}-{name}")
    for title, ((params, call), rows) in LINEN.items()
    for name, row in rows.items()
]


@pytest.mark.parametrize(
    ("params", "name", "call", "role", "shape", "axes", "outputs"), LINEN_ARRAYS
)
def test_linen_params_are_known_by_their_names(
    assert_units: Any,
    params: Any,
    name: str,
    call: Any,
    role: str,
    shape: Any,
    axes: Any,
    outputs: int,
) -> None:
    assert_units(params, name, call, role, shape, axes, outputs)


@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_a_head_of_linen_attention_is_made_of_units(assert_units: Any, name: str) -> None:
    params = LINEN["MultiHeadDotProductAttention"][0][0]

    def projection(params: Any) -> Any:
        return jnp.einsum("ba,ahd->bhd", normal(2, 4), params[name]["kernel"])

    row = ("kernel", (4, 2, 3), (0,), 6)
    assert_units(params, f"{name}/kernel", projection, *row)


def test_linen_boxes_are_no_part_of_a_name() -> None:
    init = linen.with_partitioning(linen.initializers.ones, (None, "model"))
    params = params_of(linen.Dense(5, kernel_init=init), normal(2, 3))
    moved = project({"kernel": MaxNorm(1, axis="unit")}, params)
    assert isinstance(moved["kernel"], linen.Partitioned)
    assert jnp.allclose(jnp.linalg.norm(moved["kernel"].value, axis=0), 1)


def test_linen_params_by_roles() -> None:
    class Model(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return linen.LayerNorm()(linen.Dense(5)(x))

    params = params_of(Model(), normal(2, 3))
    rules = [(("Dense_0", "kernel"), MaxNorm(0.5, axis="unit")), (("*", "beta"), NonNeg())]
    report = check(rules, params)
    assert [row.parameter for row in report.rows] == ["Dense_0/kernel", "LayerNorm_0/bias"]
    assert check(rules, jax.jit(lambda params: project(rules, params))(params)).ok
