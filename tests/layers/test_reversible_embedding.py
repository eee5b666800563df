"""ReversibleEmbedding, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
import torch
from torch import nn

from feasible import constraints
from feasible.arguments import InvalidArgumentError
from feasible.layers import ReversibleEmbedding

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 7, size=(2, 5))
VECTORS = RNG.normal(size=(2, 5, 4)).astype(np.float32)


@pytest.mark.parametrize("tie_weights", [True, False])
def test_it_is_keras_own(same_as_keras, tie_weights):
    for dtype, cap, constraint in product((None, "bfloat16"), (None, 0.5), (None, "unit_norm")):
        arguments = {
            "input_dim": 7,
            "output_dim": 4,
            "tie_weights": tie_weights,
            "embeddings_constraint": constraint,
            "reverse_dtype": dtype,
            "logit_soft_cap": cap,
        }
        ours, theirs = same_as_keras("ReversibleEmbedding", arguments, (2, 5), inputs=IDS)
        own, expected = ours(VECTORS, reverse=True), theirs(VECTORS, reverse=True)
        assert own.dtype == expected.dtype
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-1 if dtype else 1e-5)
        shape = (None, 5, 4)
        of_keras = tuple(theirs.compute_output_shape(shape, reverse=True))
        assert ours.compute_output_shape(shape, reverse=True) == of_keras


def test_the_first_call_may_be_in_reverse():
    theirs = keras.layers.ReversibleEmbedding(7, 4)
    ours = ReversibleEmbedding(7, 4)
    assert ours(VECTORS, reverse=True).shape == theirs(VECTORS, reverse=True).shape == (2, 5, 7)
    ours.set_weights(theirs.get_weights())
    torch.testing.assert_close(ours(IDS), theirs(IDS))


def test_tied_weights_are_constrained_once_for_both():
    layer = ReversibleEmbedding(7, 4, embeddings_constraint=constraints.UnitNorm(axis="unit"))
    layer(IDS)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(layer(IDS), reverse=True).sum().backward()
    optimizer.step()
    norms = layer.embeddings.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(7))


def test_the_reverse_is_stored_as_that_of_a_linear_layer():
    layer, linear = ReversibleEmbedding(7, 4, tie_weights=False), nn.Linear(4, 7, bias=False)
    layer(IDS)
    linear.load_state_dict({"weight": layer.state_dict()["reverse_weight"]})
    x = torch.tensor(VECTORS)
    assert torch.equal(layer(x, reverse=True), linear(x))
    assert layer.reverse_embeddings.shape == (4, 7)


def test_other_vectors_than_the_tables_are_refused():
    layer = ReversibleEmbedding(7, 4, name="words")
    with pytest.raises(ValueError, match=r"words: .* size output_dim=4\. .*shape \(2, 3\)"):
        layer(torch.ones(2, 3), reverse=True)


@pytest.mark.parametrize("cap", [0, -1.0, "1"], ids=str)
def test_the_cap_must_be_above_zero(cap):
    with pytest.raises(InvalidArgumentError, match="ReversibleEmbedding: `logit_soft_cap` must be"):
        ReversibleEmbedding(7, 4, logit_soft_cap=cap)
