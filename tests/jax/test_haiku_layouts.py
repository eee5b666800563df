"""Params of Haiku, whose modules are known by the names that it gives them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from feasible import MaxNorm, NonNeg
from feasible.jax import check, project
from feasible.jax.trees import bound_leaves, flat


def of_shape(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


# What Haiku makes: path of the module, array, shape; role, axes of one unit.
MADE: list[tuple[str, str, tuple[int, ...], str, tuple[int, ...]]] = [
    ("mlp/~/linear_0", "w", (3, 5), "kernel", (0,)),
    ("mlp/~/linear_0", "b", (5,), "bias", ()),
    ("conv1_d", "w", (3, 2, 4), "kernel", (0, 1)),
    ("net/conv2_d_1", "w", (3, 3, 2, 4), "kernel", (0, 1, 2)),
    ("net/conv2_d_1", "b", (4, 1, 1), "bias", ()),
    ("conv2_d_transpose", "w", (3, 3, 4, 2), "kernel", (0, 1, 3)),
    ("conv_nd_transpose_2", "w", (3, 4, 2), "kernel", (0, 2)),
    ("depthwise_conv2_d", "w", (3, 3, 1, 6), "depthwise_kernel", (0, 1, 2)),
    ("embed", "embeddings", (9, 4), "embeddings", (1,)),
    ("lstm/linear", "w", (7, 16), "kernel", (0,)),
    ("gru", "w_i", (3, 12), "kernel", (0,)),
    ("gru", "w_h", (4, 12), "recurrent_kernel", (0,)),
    ("vanilla_rnn/hidden_to_hidden", "w", (4, 4), "recurrent_kernel", (0,)),
    ("multi_head_attention/query", "w", (4, 8), "kernel", (0,)),
    ("layer_norm", "scale", (4,), "gamma", ()),
    ("batch_norm", "offset", (1, 1, 4), "beta", ()),
]


@pytest.mark.parametrize(("path", "name", "shape", "role", "axes"), MADE)
@pytest.mark.parametrize("is_inside", [False, True])
def test_an_array_has_its_role_and_units(
    path: str, name: str, shape: tuple[int, ...], role: str, axes: tuple[int, ...], is_inside: bool
) -> None:
    params: Any = {path: {name: of_shape(*shape)}}
    flattened = flat({"params": params} if is_inside else params)
    (one,) = bound_leaves({"*": MaxNorm(1, axis="unit")}, flattened)
    assert (one.leaf.role, one.constraint.axis) == (role, axes)
    assert one.order == tuple(range(len(shape)))


def test_a_transposed_convolution_has_a_vector_a_unit() -> None:
    weight = of_shape(3, 3, 4, 7)
    params = {"conv2_d_transpose": {"w": weight}}
    rules = {("conv2_d_transpose", "kernel"): MaxNorm(0.5, axis="unit")}
    (row,) = check(rules, params).rows
    assert (row.vectors, row.length) == (4, 63)
    found = project(rules, params)["conv2_d_transpose"]["w"]
    norms = np.sqrt(np.square(np.asarray(weight)).sum((0, 1, 3), keepdims=True))
    np.testing.assert_allclose(found, weight * (0.5 / norms), rtol=1e-5)


def test_a_module_of_another_name_is_not_known() -> None:
    params = {"logits": {"w": of_shape(3, 5)}, "linear_x": {"w": of_shape(3, 5)}}
    with pytest.raises(ValueError, match=r"logits/w: .*not known\. Of arrays in dicts, the names"):
        project({"logits/w": MaxNorm(1, axis="unit")}, params)
    with pytest.raises(ValueError, match="linear_x/w: "):
        project({"linear_x/w": MaxNorm(1, axis="unit")}, params)


def test_rules_leave_out_in_trees_too() -> None:
    params = {"linear": {"w": of_shape(3, 5), "b": of_shape(5)}, "head": {"w": of_shape(5, 2)}}
    rules = {"*/w": MaxNorm(0.1, axis=0), "head/w": None, "linear/b": NonNeg()}
    report = check(rules, params)
    assert [row.parameter for row in report.rows] == ["linear/w", "linear/b"]
    assert report.notes == ("'head/w': None leaves out head/w",)
    found = project(rules, params)
    assert found["head"]["w"] is params["head"]["w"]
    assert check(rules, found).ok
    special = check({"*/w": NonNeg(), "head/w": MaxNorm(2)}, params)
    assert [row.constraint for row in special.rows] == ["MaxNorm(max_value=2, axis=0)", "NonNeg()"]


def test_the_table_says_what_a_callable_is_called_with() -> None:
    (row,) = check({"linear/w": jnp.abs}, {"linear": {"w": of_shape(3, 5)}}).rows
    assert row.note == "called with (3, 5), as stored"
