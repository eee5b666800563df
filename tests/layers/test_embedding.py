"""Embedding, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.layers import Embedding, initializers

DTYPES = ("int32", "int64", "uint8", "int16", "bool", "float32", "float64")


@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 3, 4)], ids=str)
def test_it_is_keras_own(same_as_keras, shape):
    ids = np.random.default_rng(0).integers(0, 7, size=shape)
    options = product((7, 20), (1, 4), ("uniform", "zeros"), (None, "unit_norm"))
    for input_dim, output_dim, initializer, constraint in options:
        arguments = {
            "input_dim": input_dim,
            "output_dim": output_dim,
            "embeddings_initializer": initializer,
            "embeddings_constraint": constraint,
        }
        same_as_keras("Embedding", arguments, shape, inputs=ids)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ids_may_be_of_any_dtype(same_as_keras, dtype):
    ids = np.array([[0, 1], [1, 0]]) + 0.75 if "float" in dtype else np.array([[0, 1], [1, 0]])
    ours, theirs = same_as_keras("Embedding", {"input_dim": 3, "output_dim": 2}, (2, 2), inputs=ids)
    ids = ids.astype(dtype)
    expected = theirs(ids)
    assert torch.equal(ours(ids), expected)
    assert torch.equal(ours(torch.tensor(ids)), expected)


def test_large_ids_of_floating_dtype_are_not_rounded():
    layer = Embedding(2**24 + 2, 1)
    layer.build_once((None, 1))
    with torch.no_grad():
        layer.weight[-1] = 5.0
    assert layer(np.array([[2.0**24 + 1]])).item() == 5.0


def test_the_first_ids_may_be_of_floating_dtype():
    assert Embedding(3, 2)(np.array([[2.0]])).shape == (1, 1, 2)


def test_the_state_is_that_of_pytorch():
    ours, theirs = Embedding(5, 3), nn.Embedding(5, 3)
    ids = torch.tensor([[1, 4]])
    ours(ids)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(ids), theirs(ids))


def test_vectors_may_be_given():
    vectors = np.arange(6.0).reshape(3, 2)
    layer = Embedding(3, 2, embeddings_initializer=initializers.Constant(vectors))
    assert layer([2]).tolist() == [[4.0, 5.0]]


@pytest.mark.parametrize("ids", [[-1, 2], [0, 3]])
def test_an_id_out_of_range_is_refused(ids):
    layer = Embedding(3, 2, name="words")
    message = f"words: ids must be from 0 to 2. Received: ids from {min(ids)} to {max(ids)}"
    with pytest.raises(IndexError, match=message):
        layer(ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_dim": 0, "output_dim": 2}, "`input_dim` must be .*at least 1"),
        ({"input_dim": 2, "output_dim": 2.0}, "`output_dim` must be .*at least 1"),
    ],
    ids=str,
)
def test_sizes_must_be_positive_integers(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"Embedding: {message}"):
        Embedding(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [np.ones((2, 2))]}, "no argument `weights`. Pass .*`embeddings_initializer`"),
        ({"lora_rank": 2}, "no argument `lora_rank`"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_keras_has_beyond_is_refused(arguments, message):
    with pytest.raises(TypeError, match=f"Embedding: there is {message}"):
        Embedding(2, 2, **arguments)
