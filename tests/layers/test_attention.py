"""Attention and AdditiveAttention, beside Keras's."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch

from feasible import layers
from feasible.arguments import InvalidArgumentError
from feasible.layers import AdditiveAttention, Attention

RNG = np.random.default_rng(0)
QUERY, VALUE, KEY = (
    torch.tensor(RNG.normal(size=size).astype(np.float32))
    for size in ((2, 5, 6), (2, 7, 4), (2, 7, 6))
)
SEEN = [torch.tensor(RNG.random(size) > 0.3) for size in ((2, 5), (2, 7))]
SEEN[1][:, 0] = True  # Keras's result is another one for a query that sees nothing.

KINDS = [
    ("Attention", {}),
    ("Attention", {"use_scale": True, "dropout": 0.3, "seed": 1}),
    ("Attention", {"score_mode": "concat"}),
    ("Attention", {"score_mode": "concat", "use_scale": True}),
    ("AdditiveAttention", {}),
    ("AdditiveAttention", {"use_scale": False, "dropout": 0.3}),
]
CALLS: list[dict[str, Any]] = [
    {},
    {"use_causal_mask": True},
    {"mask": SEEN},
    {"mask": [SEEN[0], None]},
    {"mask": [None, SEEN[1]], "use_causal_mask": True},
]


@pytest.mark.parametrize(("name", "arguments"), KINDS)
@pytest.mark.parametrize("inputs", [[QUERY, VALUE, KEY], [QUERY, KEY]], ids=len)
def test_it_is_keras_own(same_config, name, arguments, inputs):
    theirs = getattr(keras.layers, name)(**arguments)
    ours = getattr(layers, name)(**arguments).eval()
    same_config(ours, theirs)
    shapes = [tuple(one.shape) for one in inputs]
    theirs.build(shapes)
    ours(inputs)
    weights = [RNG.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    for call in CALLS:
        torch.testing.assert_close(ours(inputs, **call), theirs(inputs, **call))
        call = {**call, "return_attention_scores": True}
        for own, expected in zip(ours(inputs, **call), theirs(inputs, **call), strict=True):
            torch.testing.assert_close(own, expected)
    assert ours.compute_output_shape(shapes) == tuple(theirs.compute_output_shape(shapes))
    assert ours.count_params() == theirs.count_params()


def test_arrays_are_taken():
    layer = Attention(use_scale=True, dtype="float64")
    inputs = [QUERY.numpy(), VALUE.numpy(), KEY.numpy()]
    expected = layer([QUERY, VALUE, KEY])
    assert expected.dtype == torch.float64
    assert torch.equal(layer(inputs), expected)
    plain = Attention()
    assert plain([np.ones((1, 2, 3)), np.ones((1, 2, 3))]).dtype == torch.float32


def test_a_query_that_sees_nothing_finds_zeros():
    outputs = Attention()([QUERY, KEY], mask=[None, torch.zeros(2, 7)])
    assert not outputs.any()


@pytest.mark.parametrize(
    "inputs", [QUERY, [QUERY], [QUERY] * 4, None], ids=["tensor", 1, 4, "none"]
)
def test_inputs_are_a_list(inputs):
    with pytest.raises(InvalidArgumentError, match="attention: `inputs` must be a list of 2 or 3"):
        Attention()(inputs)
    with pytest.raises(InvalidArgumentError, match="attention: `mask` must be a list of 2 or 3"):
        Attention()([QUERY, KEY], mask=QUERY)


@pytest.mark.parametrize(
    "inputs", [[QUERY, VALUE], [QUERY, VALUE[:, 1:], KEY], [QUERY[0], KEY[0]]], ids=str
)
def test_shapes_that_do_not_fit_are_refused(inputs):
    with pytest.raises(
        ValueError, match=r"attention: the query must have shape .*Received: shapes"
    ):
        Attention()(inputs)


def test_another_size_than_the_scales_is_refused():
    layer = AdditiveAttention()
    layer([QUERY, KEY])
    message = r"additive_attention: .* must have size 6\. Received: shape \(2, 7, 4\)"
    with pytest.raises(ValueError, match=message):
        layer([VALUE, VALUE])


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [({"score_mode": "sum"}, "score_mode"), ({"dropout": 2}, "dropout"), ({"seed": 0.5}, "seed")],
)
def test_arguments_are_checked(arguments, argument):
    with pytest.raises(InvalidArgumentError, match=f"`{argument}` must be"):
        Attention(**arguments)
