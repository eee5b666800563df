"""MultiHeadAttention and GroupQueryAttention, beside Keras's and PyTorch's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import feasible
from feasible import layers
from feasible.arguments import InvalidArgumentError
from feasible.layers import EinsumDense, GroupQueryAttention, Layer, MultiHeadAttention

RNG = np.random.default_rng(0)
UNITS = feasible.MaxNorm(0.3, axis="unit")


def tensor(*sizes: int) -> torch.Tensor:
    return torch.tensor(RNG.normal(size=sizes).astype(np.float32))


QUERY, VALUE, KEY = tensor(2, 5, 6), tensor(2, 7, 6), tensor(2, 7, 3)
MASK = torch.tensor(RNG.random((2, 5, 7)) > 0.5)
MASK[..., 0] = True  # Keras's result is another one for a query that sees nothing.

HEADS = {"num_heads": 2, "key_dim": 3}
GROUPS = {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2}
KINDS = [
    ("MultiHeadAttention", HEADS),
    ("MultiHeadAttention", {**HEADS, "value_dim": 5, "use_gate": True}),
    ("MultiHeadAttention", {**HEADS, "use_bias": False, "output_shape": 4, "dropout": 0.3}),
    ("MultiHeadAttention", {**HEADS, "output_shape": (4, 3), "sliding_window": 2}),
    ("GroupQueryAttention", GROUPS),
    ("GroupQueryAttention", {**GROUPS, "use_bias": False, "use_gate": True}),
    ("GroupQueryAttention", {**GROUPS, "num_key_value_heads": 1, "sliding_window": 3}),
    ("GroupQueryAttention", {**GROUPS, "num_key_value_heads": 4, "dropout": 0.3, "seed": 1}),
]
CALLS: list[dict[str, Any]] = [
    {},
    {"use_causal_mask": True},
    {"attention_mask": MASK},
    {"attention_mask": MASK[:, None].float(), "use_causal_mask": True},
]


def pair(name: str, arguments: dict[str, Any], *inputs: torch.Tensor) -> tuple[Any, Any]:
    """A layer and Keras's, of the same weights."""
    theirs = getattr(keras.layers, name)(**arguments)
    ours = getattr(layers, name)(**arguments).eval()
    theirs.build(*(tuple(one.shape) for one in inputs))
    ours(*inputs)
    weights = [RNG.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    return ours, theirs


@pytest.mark.parametrize(("name", "arguments"), KINDS)
@pytest.mark.parametrize("inputs", [(QUERY, VALUE, KEY), (QUERY, VALUE)], ids=len)
def test_it_is_keras_own(same_config, name, arguments, inputs):
    constrained = {**arguments, "kernel_constraint": "max_norm", "bias_constraint": "non_neg"}
    same_config(getattr(layers, name)(**constrained), getattr(keras.layers, name)(**constrained))
    ours, theirs = pair(name, arguments, *inputs)
    for call in CALLS:
        torch.testing.assert_close(
            ours(*inputs, **call), theirs(*inputs, **call), rtol=0, atol=1e-5
        )
        call = {**call, "return_attention_scores": True}
        for own, expected in zip(ours(*inputs, **call), theirs(*inputs, **call), strict=True):
            torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
    shape = tuple(QUERY.shape)
    assert ours.compute_output_shape(shape) == tuple(theirs.compute_output_shape(shape, shape))
    assert ours.count_params() == theirs.count_params()
    for own, given in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(own, given)


@pytest.mark.parametrize("axes", [None, 1, 2, (2,), (-2,), (1, 2)], ids=str)
def test_other_axes_than_the_middle_one_are_attended_to(axes):
    arguments = {**HEADS, "attention_axes": axes, "use_gate": True}
    value = tensor(2, 3, 5, 6) if axes in (2, (2,), (-2,)) else tensor(2, 3, 4, 6)
    query = tensor(2, 3, 4, 6)
    call = {"return_attention_scores": True}
    ours, theirs = pair("MultiHeadAttention", arguments, query, value)
    for own, expected in zip(ours(query, value, **call), theirs(query, value, **call), strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours(query, value), theirs(query, value), rtol=0, atol=1e-5)


def test_masks_over_two_axes_are_keras_own():
    x = tensor(2, 3, 4, 6)
    mask = torch.tensor(RNG.random((2, 3, 4, 3, 4)) > 0.3)
    mask[..., 0, 0] = True
    ours, theirs = pair("MultiHeadAttention", HEADS, x, x)
    expected = theirs(x, x, attention_mask=mask)
    torch.testing.assert_close(ours(x, x, attention_mask=mask), expected, rtol=0, atol=1e-5)


def test_a_causal_mask_acts_along_the_axis_that_is_attended_to():
    x = tensor(2, 3, 4, 6)
    layer = MultiHeadAttention(2, 3, attention_axes=2)
    _, scores = layer(x, x, return_attention_scores=True, use_causal_mask=True)
    assert torch.equal(scores != 0, torch.ones(2, 3, 2, 4, 4, dtype=torch.bool).tril())


def test_it_computes_what_pytorch_computes():
    ours, theirs = MultiHeadAttention(2, 3), nn.MultiheadAttention(6, 2, batch_first=True)
    x = tensor(2, 5, 6)
    ours(x, x)
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    parts = (ours.query_dense, ours.key_dense, ours.value_dense)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([part.weight.flatten(0, 1) for part in parts]),
            "in_proj_bias": torch.cat([part.bias.flatten() for part in parts]),
            "out_proj.weight": ours.output_dense.weight.flatten(1),
            "out_proj.bias": ours.output_dense.bias,
        }
    )
    torch.testing.assert_close(ours(x, x), theirs(x, x, x)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "arguments"), KINDS)
def test_weights_are_kept_where_keras_keeps_them(name, arguments, tmp_path):
    import h5py

    ours, theirs = pair(name, arguments, QUERY, VALUE)
    path = tmp_path / "model.weights.h5"
    block = keras.Sequential([keras.Input((5, 6)), Block(theirs)])
    block.save_weights(path)
    parts = ours.sublayers()
    with h5py.File(path) as file:
        group = file["layers/block/attention"]
        for part, layer in parts.items():
            stored = group[part]["vars"]
            views = [view for _, view in layer.weight_views()]
            assert len(stored) == len(views)
            for index, view in enumerate(views):
                np.testing.assert_array_equal(stored[str(index)], view)
        with_weights = {key for key in group if len(group[key].get("vars", ()))}
    assert with_weights == {key for key, layer in parts.items() if layer.weight_views()}


class Block(keras.layers.Layer):
    """A layer that holds another."""

    def __init__(self, attention: Any) -> None:
        super().__init__(name="block")
        self.attention = attention

    def call(self, x: Any) -> Any:
        return self.attention(x, x)


class OwnBlock(Layer):
    """A layer of a user's that holds one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = MultiHeadAttention(2, 3, kernel_constraint=UNITS, use_gate=True)

    def build(self, input_shape: Any) -> None:
        self.attention.build_once(input_shape)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs + self.attention(inputs, inputs)


def norms(attention: Any) -> torch.Tensor:
    """The norm of what leads to each number that a projection returns."""
    kernels = [part.weight for part in attention.children() if isinstance(part, EinsumDense)]
    kept = [kernel.flatten(0, 1) for kernel in kernels[:-1]] + [kernels[-1].flatten(1)]
    return torch.cat([kernel.norm(dim=1) for kernel in kept])


def test_constraints_hold_for_each_projection_in_a_layer_of_a_users_own(tmp_path):
    model = feasible.Sequential([layers.Input((5, 6)), OwnBlock(), layers.Dense(1)])
    assert (norms(model.layers[0].attention) > 0.4).any()
    model.compile("adam", "mse")
    model.fit(RNG.normal(size=(64, 5, 6)), RNG.normal(size=(64, 5, 1)), epochs=2, verbose=0)
    assert (norms(model.layers[0].attention) <= 0.3 + 1e-6).all()
    assert feasible.torch.check(model).ok

    x = RNG.normal(size=(3, 5, 6))
    path = tmp_path / "m.safetensors"
    model.save_weights(path)
    other = feasible.Sequential([layers.Input((5, 6)), OwnBlock(), layers.Dense(1)])
    other.load_weights(path)
    assert torch.equal(other(x), model(x))
    path = tmp_path / "m.keras"
    model.save(path)
    loaded = feasible.load_model(path, custom_objects={"OwnBlock": OwnBlock})
    assert torch.equal(loaded(x), model(x))
    assert loaded.layers[0].attention.kernel_constraint == UNITS


def test_it_serves_in_a_model_of_a_users_own():
    class Encoder(feasible.Model):
        def __init__(self) -> None:
            super().__init__()
            self.attention = GroupQueryAttention(4, 4, 2, kernel_constraint=UNITS)
            self.dense = layers.Dense(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.dense(self.attention(x, x, use_causal_mask=True))

    model = Encoder()
    model.compile("sgd", "mse")
    model.fit(RNG.normal(size=(64, 5, 6)), RNG.normal(size=(64, 5, 1)), verbose=0)
    assert (norms(model.attention) <= 0.3 + 1e-6).all()
    assert model.count_params() == sum(w.size for w in model.get_weights())
    assert "attention.query_dense.weight" in model.state_dict()
    lines: list[str] = []
    model.summary(lines.append)
    assert "query_dense.kernel: MaxNorm(max_value=0.3, axis='unit')" in lines[0]


def test_a_constraint_given_later_is_that_of_all_projections():
    layer = MultiHeadAttention(2, 3, kernel_constraint=UNITS)
    assert layer.kernel_constraint == layer.output_dense.kernel_constraint == UNITS
    layer.kernel_constraint = "non_neg"
    layer(QUERY, QUERY)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer(QUERY, QUERY).sum().backward()
    optimizer.step()
    for part in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        assert (part.weight >= 0).all()


def test_projections_of_different_constraints_show_them_all_and_have_no_config():
    layer = MultiHeadAttention(2, 3, kernel_constraint=UNITS)
    layer.value_dense.kernel_constraint = None
    assert layer.kernel_constraint == [UNITS, UNITS, None, UNITS]
    assert "num_heads=2" in repr(layer)
    with pytest.raises(ValueError, match="constraint"):
        layer.get_config()


def test_a_layer_that_is_not_trainable_has_projections_that_are_not():
    layer = MultiHeadAttention(2, 3, trainable=False)
    layer(QUERY, QUERY)
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    layer.trainable = True
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_a_seed_of_the_initializer_is_that_of_each_projection():
    layer = MultiHeadAttention(2, 3, kernel_initializer=layers.initializers.HeNormal(seed=1))
    layer(QUERY, QUERY)
    assert torch.equal(layer.query_dense.weight, layer.key_dense.weight)


def test_half_precision_under_autocast():
    layer = MultiHeadAttention(2, 3, use_gate=True)
    expected = layer(QUERY, VALUE)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(QUERY, VALUE)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


def test_arrays_are_taken():
    layer = MultiHeadAttention(2, 3)
    expected = layer(QUERY, VALUE, attention_mask=MASK)
    found = layer(QUERY.numpy(), VALUE.numpy(), attention_mask=MASK.numpy())
    assert torch.equal(found, expected)


WRONG = [
    ("MultiHeadAttention", {**HEADS, "num_heads": 0}, "num_heads"),
    ("MultiHeadAttention", {**HEADS, "key_dim": 1.5}, "key_dim"),
    ("MultiHeadAttention", {**HEADS, "value_dim": 0}, "value_dim"),
    ("MultiHeadAttention", {**HEADS, "output_shape": 0}, "output_shape"),
    ("MultiHeadAttention", {**HEADS, "attention_axes": "1"}, "attention_axes"),
    ("MultiHeadAttention", {**HEADS, "sliding_window": 0}, "sliding_window"),
    ("MultiHeadAttention", {**HEADS, "dropout": -1}, "dropout"),
    ("GroupQueryAttention", {**GROUPS, "num_key_value_heads": 3}, "num_key_value_heads"),
    ("GroupQueryAttention", {**GROUPS, "head_dim": 0}, "head_dim"),
]


@pytest.mark.parametrize(("name", "arguments", "argument"), WRONG)
def test_wrong_arguments_are_refused_by_name(name, arguments, argument):
    with pytest.raises(InvalidArgumentError, match=f"{name}: `{argument}` must be"):
        getattr(layers, name)(**arguments)


def test_flash_attention_is_taken_only_where_it_is_off():
    assert MultiHeadAttention(2, 3, flash_attention=None).num_heads == 2
    with pytest.raises(
        TypeError, match="MultiHeadAttention: there is no argument `flash_attention`"
    ):
        MultiHeadAttention(2, 3, flash_attention=True)


@pytest.mark.parametrize(
    ("axes", "shapes"),
    [
        (None, [(2, 6), (2, 6)]),
        (None, [(2, 5, 6), (2, 5, 5, 6)]),
        (None, [(2, 5, 6), (2, 7, 6), (2, 8, 6)]),
        (None, [(3, 5, 6), (2, 7, 6)]),
        (2, [(2, 3, 5, 6), (2, 4, 5, 6)]),
        (0, [(2, 5, 6), (2, 5, 6)]),
        (-1, [(2, 5, 6), (2, 5, 6)]),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_are_refused(axes, shapes):
    layer = MultiHeadAttention(2, 3, attention_axes=axes, name="heads")
    with pytest.raises(ValueError, match=r"heads: the query, the values and the keys must"):
        layer(*map(torch.ones, shapes))


def test_masks_that_do_not_fit_are_refused():
    layer = MultiHeadAttention(2, 3, name="heads")
    message = r"heads: `attention_mask` must be broadcast to .*queries \[5\] and the keys \[7\]"
    with pytest.raises(ValueError, match=message):
        layer(QUERY, VALUE, attention_mask=torch.ones(2, 5, 6))
    x = torch.ones(2, 3, 4, 6)
    with pytest.raises(ValueError, match="need one axis that is attended to"):
        MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)


def test_it_compiles_whole_and_for_any_batch():
    layer = MultiHeadAttention(2, 3, use_gate=True)
    layer(QUERY, VALUE)
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for size in (2, 5, 7):
        query, value = torch.randn(size, 5, 6), torch.randn(size, 7, 6)
        expected = layer(query, value, use_causal_mask=True)
        torch.testing.assert_close(compiled(query, value, use_causal_mask=True), expected)


@pytest.mark.parametrize(
    "go",
    [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["deepcopy", "pickle"],
)
def test_copies_keep_their_constraints(go):
    layer = MultiHeadAttention(2, 3, kernel_constraint=UNITS)
    layer(QUERY, VALUE)
    other = go(layer)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    other(QUERY, VALUE).sum().backward()
    optimizer.step()
    assert (norms(other) <= 0.3 + 1e-6).all()
    assert not (norms(layer) <= 0.3 + 1e-6).all()
