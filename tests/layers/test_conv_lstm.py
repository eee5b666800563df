"""ConvLSTM1D, ConvLSTM2D and ConvLSTM3D, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import layers
from feasible.arguments import InvalidArgumentError

SIZES = (5, 6, 4)
ARGUMENTS = {
    "usual": {},
    "even kernel": {"kernel_size": 2, "return_sequences": True},
    "same": {"padding": "same", "return_sequences": True, "return_state": True},
    "strides": {"padding": "same", "strides": 2, "use_bias": False},
    "dilation": {"kernel_size": 2, "dilation_rate": 2, "return_state": True},
    "backwards": {"go_backwards": True, "return_sequences": True, "unit_forget_bias": False},
    "activations": {"activation": "elu", "recurrent_activation": "hard_sigmoid"},
    "constraints": {"kernel_constraint": "non_neg", "recurrent_constraint": "non_neg"},
    "dropout, in evaluation": {"dropout": 0.5, "recurrent_dropout": 0.3, "seed": 1},
}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_is_keras_own(same_as_keras, rank, name):
    arguments = {"filters": 2, "kernel_size": 3, **ARGUMENTS[name]}
    same_as_keras(f"ConvLSTM{rank}D", arguments, (2, 3, *SIZES[:rank], 3))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_first_is_keras_own(same_as_keras, rank):
    same_as_keras(
        f"ConvLSTM{rank}D",
        {
            "filters": 2,
            "kernel_size": (3, 2, 3)[:rank],
            "data_format": "channels_first",
            "return_sequences": True,
            "return_state": True,
        },
        (2, 3, 3, *SIZES[:rank]),
    )


@pytest.mark.parametrize(("dropout", "recurrent_dropout"), [(0.4, 0.0), (0.0, 0.3), (0.4, 0.3)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_dropout_masks_what_keras_masks(monkeypatch, data_format, dropout, recurrent_dropout):
    arguments = {
        "data_format": data_format,
        "dropout": dropout,
        "recurrent_dropout": recurrent_dropout,
    }
    ours = layers.ConvLSTM2D(2, 2, **arguments).train()
    theirs = keras.layers.ConvLSTM2D(2, 2, **arguments)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 3)).astype(np.float32)
    theirs.build(x.shape)
    ours(x)
    ours.set_weights(theirs.get_weights())
    drawn = []

    def draw(like, rate):
        if rate == 0:
            return None
        masks = torch.rand(4, *like.shape).gt(rate) / (1 - rate)
        drawn.append(masks)
        return masks

    def draw_keras(step, rate):
        # Ours have channels before the spatial axes, and those of inputs an axis of steps.
        masks = drawn.pop(0)
        masks = masks.squeeze(2) if masks.ndim == 6 else masks
        return [*(masks if data_format == "channels_first" else masks.movedim(2, -1))]

    monkeypatch.setattr(ours.cell, "draw_masks", draw)
    monkeypatch.setattr(theirs.cell, "_create_dropout_mask", draw_keras)
    output = ours(torch.as_tensor(x))
    assert len(drawn) == (dropout > 0) + (recurrent_dropout > 0)
    torch.testing.assert_close(output, theirs(x, training=True), rtol=0, atol=1e-5)
    assert not drawn


def test_each_gate_has_a_mask_of_its_own():
    cell = layers.ConvLSTM1D(2, 2, dropout=0.5).cell
    assert cell.draw_masks(torch.ones(2, 1, 3), 0.5).shape == (4, 2, 1, 3)


def test_weights_are_stored_as_a_convolution_stores_them():
    layer = layers.ConvLSTM2D(4, (3, 2))
    layer(np.ones((2, 3, 6, 6, 5)))
    shapes = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
    assert shapes == {
        "cell.weight": (16, 5, 3, 2),
        "cell.recurrent_weight": (16, 4, 3, 2),
        "cell.bias": (16,),
    }
    assert layer.cell.recurrent_kernel.shape == (3, 2, 4, 16)
    assert layer.cell.recurrent_kernel.data_ptr() == layer.cell.recurrent_weight.data_ptr()
    assert layer.cell.bias.tolist() == [0] * 4 + [1] * 4 + [0] * 8


def test_a_unit_is_a_filter_of_a_gate():
    layer = layers.ConvLSTM1D(
        2, 3, kernel_constraint={"class_name": "UnitNorm", "config": {"axis": "unit"}}
    )
    layer(torch.randn(2, 3, 6, 5)).sum().backward()
    torch.optim.SGD(layer.parameters(), 0.1).step()
    norms = layer.cell.kernel.norm(dim=(0, 1))
    torch.testing.assert_close(norms, torch.ones(8))


def test_stateful_goes_on_as_keras_does():
    ours = layers.ConvLSTM1D(2, 2, stateful=True)
    theirs = keras.layers.ConvLSTM1D(2, 2, stateful=True)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 6, 5)).astype(np.float32)
    theirs.build(x.shape[1:])
    ours.build_once(x.shape[1:])
    ours.set_weights(theirs.get_weights())
    for batch in x:
        torch.testing.assert_close(ours(batch), theirs(batch), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "`filters` must be an integer of at least 1"),
        ({"kernel_size": (2, 2, 2)}, "`kernel_size` must be an integer of at least 1"),
        ({"padding": "causal"}, "`padding` must be one of 'valid', 'same'"),
        ({"strides": 2, "dilation_rate": 2}, "`dilation_rate` must be 1 where strides are not"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"ConvLSTM2DCell: {message}"):
        layers.ConvLSTM2D(**{"filters": 2, "kernel_size": 3, **arguments})


def test_sizes_must_be_known_and_stay():
    layer = layers.ConvLSTM1D(2, 2)
    with pytest.raises(ValueError, match="must have known sizes"):
        layer.build_once((None, 3, None, 5))
    layer(torch.ones(2, 3, 6, 5))
    with pytest.raises(ValueError, match=r"always the same: \(6, 5\)\. Received: shape \(2, 7, 5"):
        layer(torch.ones(2, 3, 7, 5))
    with pytest.raises(ValueError, match="must have 3 axes"):
        layer(torch.ones(2, 3, 7, 5, 5))
