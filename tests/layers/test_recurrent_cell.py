"""What the cells share: dropout, beside Keras's with the same masks, and one step at a time."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import layers

# Layers, and how many masks Keras draws: one for each gate with recurrent dropout, else one.
DROPOUT = [
    ("SimpleRNN", {}, 1),
    ("SimpleRNN", {"activation": "elu"}, 1),
    ("LSTM", {}, 4),
    ("LSTM", {"use_bias": False, "activation": "elu"}, 4),
    ("GRU", {}, 3),
    ("GRU", {"reset_after": False}, 3),
    ("GRU", {"use_bias": False}, 3),
]


@pytest.mark.parametrize(("dropout", "recurrent_dropout"), [(0.4, 0.0), (0.0, 0.3), (0.4, 0.3)])
@pytest.mark.parametrize(("name", "arguments", "gates"), DROPOUT)
def test_dropout_masks_what_keras_masks(
    monkeypatch, name, arguments, gates, dropout, recurrent_dropout
):
    arguments = {**arguments, "dropout": dropout, "recurrent_dropout": recurrent_dropout}
    ours = getattr(layers, name)(4, **arguments).train()
    theirs = getattr(keras.layers, name)(4, **arguments)
    x = np.random.default_rng(0).normal(size=(3, 6, 5)).astype(np.float32)
    theirs.build(x.shape)
    ours(x)
    ours.set_weights(theirs.get_weights())
    drawn = []

    def draw(like, rate):
        if rate == 0:
            return None
        count = gates if recurrent_dropout else 1
        masks = torch.rand(count, *like.shape).gt(rate) / (1 - rate)
        drawn.append((masks, rate))
        return masks

    def draw_keras(step, rate):
        masks, own = drawn.pop(0)
        assert own == rate
        masks = masks.reshape(-1, *step.shape)
        return [*masks] if recurrent_dropout and gates > 1 else masks[0]

    monkeypatch.setattr(ours.cell, "draw_masks", draw)
    monkeypatch.setattr(theirs.cell, "_create_dropout_mask", draw_keras)
    output = ours(torch.as_tensor(x))
    assert len(drawn) == (dropout > 0) + (recurrent_dropout > 0)
    torch.testing.assert_close(output, theirs(x, training=True), rtol=0, atol=1e-5)
    assert not drawn


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_dropout_draws_from_its_seed(name):
    def two_batches():
        layer = getattr(layers, name)(
            8, dropout=0.5, recurrent_dropout=0.5, seed=3, kernel_initializer="ones"
        )
        layer.train()
        layer.cell.recurrent_initializer = layer.cell.bias_initializer
        return layer(torch.ones(2, 4, 3)), layer(torch.ones(2, 4, 3)), layer

    first, second, layer = two_batches()
    again, _, _ = two_batches()
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, second)
    assert int(layer.state_dict()["cell.drawn"]) == 4
    assert torch.equal(layer.eval()(torch.ones(2, 4, 3)), layer(torch.ones(2, 4, 3)))


def test_masks_keep_the_mean_and_are_drawn_in_training_only():
    cell = layers.LSTM(4, dropout=0.25, recurrent_dropout=0.1).cell
    like = torch.zeros(100, 1, 100)
    masks = cell.draw_masks(like, 0.25)
    assert masks.shape == (4, 100, 1, 100)
    assert abs(float(masks.mean()) - 1) < 0.02
    torch.testing.assert_close(masks.unique(), torch.tensor([0, 1 / 0.75]))
    assert cell.draw_masks(like, 0.0) is None
    assert not cell.draw_masks(like, 1.0).any()
    assert cell.eval().draw_masks(like, 0.25) is None
    assert layers.LSTM(4, dropout=0.25).cell.draw_masks(like, 0.25).shape == (1, 100, 1, 100)


def test_a_state_alone_comes_back_alone():
    cell = layers.GRUCell(4)
    x, state = torch.randn(2, 3), torch.randn(2, 4)
    output, alone = cell(x, state)
    same, (listed,) = cell(x, [state])
    for found in (alone, same, listed):
        torch.testing.assert_close(found, output)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4)])
def test_a_step_has_a_batch_and_features(shape):
    with pytest.raises(ValueError, match="the input of a step must have 2 axes"):
        layers.GRUCell(4)(torch.ones(shape), [torch.zeros(2, 4)])


def test_other_features_than_those_of_the_kernel_are_refused():
    layer = layers.LSTM(4)
    layer(torch.ones(2, 6, 3))
    with pytest.raises(ValueError, match=r"the last of size 3\. Received: shape \(2, 5\)"):
        layer(torch.ones(2, 6, 5))
