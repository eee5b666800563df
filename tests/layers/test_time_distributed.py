"""TimeDistributed, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import layers
from feasible.arguments import InvalidArgumentError

CASES = {
    "Dense": (lambda of: of.Dense(4, kernel_constraint="max_norm"), (3, 6, 5)),
    "frames": (lambda of: of.Conv2D(2, 3, padding="same"), (2, 3, 5, 4, 3)),
    "Flatten": (lambda of: of.Flatten(), (2, 3, 5, 4)),
    "nested": (lambda of: of.TimeDistributed(of.Dense(2)), (2, 3, 5, 4)),
    "recurrent": (lambda of: of.LSTM(2), (2, 3, 5, 4)),
    "normalized": (lambda of: of.BatchNormalization(), (4, 3, 5)),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_it_is_keras_own(same_layer, name, training):
    make, shape = CASES[name]
    ours = layers.TimeDistributed(make(layers))
    theirs = keras.layers.TimeDistributed(make(keras.layers))
    same_layer(ours, theirs, shape, training=training)
    # Statistics, too, are those of each step after the other.
    for own, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, their, rtol=0, atol=1e-5)


def test_ids_stay_integers():
    layer = layers.TimeDistributed(layers.Embedding(10, 4))
    assert layer(np.array([[[1, 2], [3, 9]]])).shape == (1, 2, 2, 4)


def test_states_are_kept_from_step_to_step():
    inner = layers.GRU(3, stateful=True)
    x = torch.randn(2, 3, 5, 4)
    found = layers.TimeDistributed(inner)(x)
    inner.reset_state()
    torch.testing.assert_close(found, torch.stack([inner(one) for one in x.unbind(1)], 1))


def test_frozen_the_layer_is_frozen():
    layer = layers.TimeDistributed(layers.Dense(2), trainable=False)
    layer(torch.randn(2, 3, 4))
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    inside = layers.TimeDistributed(layers.Dense(2, trainable=False))
    inside(torch.randn(2, 3, 4))
    assert not any(parameter.requires_grad for parameter in inside.parameters())


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InvalidArgumentError, match="TimeDistributed: `layer` must be a layer"):
        layers.TimeDistributed(torch.nn.Linear(2, 3))
    with pytest.raises(ValueError, match="the first two of which are the batch and the steps"):
        layers.TimeDistributed(layers.Dense(2))(torch.ones(2, 3))
    with pytest.raises(ValueError, match="must have 4 axes"):
        layers.TimeDistributed(layers.Conv2D(2, 3))(torch.ones(2, 3, 4, 5))
