"""LSTM and its cell, beside Keras's and PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from feasible import layers

SLOW = {"activation": "relu", "recurrent_activation": "hard_sigmoid"}
# Save with other activations, PyTorch takes all steps at once.
ARGUMENTS = {
    "usual": {},
    "no bias": {"use_bias": False},
    "no ones": {"unit_forget_bias": False, "bias_initializer": "ones"},
    "other activations": SLOW,
    "other activations, no bias": {**SLOW, "use_bias": False},
    "one other activation": {"recurrent_activation": None},
    "dropout, in evaluation": {"dropout": 0.5, "recurrent_dropout": 0.3, "seed": 1},
    "constraints": {"kernel_constraint": "max_norm", "bias_constraint": "non_neg"},
    "sequences": {"return_sequences": True},
    "sequences, step by step": {"return_sequences": True, **SLOW},
    "backwards": {"go_backwards": True, "return_sequences": True},
    "states": {"return_state": True, "unroll": True},
    "all": {"return_state": True, "return_sequences": True, "go_backwards": True},
    "all, step by step": {"return_state": True, "go_backwards": True, **SLOW},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_is_keras_own(same_as_keras, name):
    same_as_keras("LSTM", {"units": 4, **ARGUMENTS[name]}, (3, 6, 5))


def test_a_step_of_the_cell_is_keras_own(same_cell_as_keras):
    same_cell_as_keras("LSTMCell", {"units": 4}, states=2)
    same_cell_as_keras("LSTMCell", {"units": 4, "use_bias": False, **SLOW}, states=2)


def test_the_weights_are_those_of_pytorch():
    ours, theirs = layers.LSTM(4, return_sequences=True), nn.LSTM(3, 4, batch_first=True)
    x = torch.randn(2, 6, 3)
    ours(x)
    state = ours.state_dict()
    assert list(state) == ["cell.weight", "cell.recurrent_weight", "cell.bias"]
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    values = dict(zip(names, state.values(), strict=True))
    theirs.load_state_dict({**values, "bias_hh_l0": torch.zeros(16)})
    torch.testing.assert_close(ours(x), theirs(x)[0])


@pytest.mark.parametrize("initializer", ["zeros", "ones", lambda shape, dtype: np.full(shape, 2.0)])
def test_the_forget_gate_begins_with_ones(initializer):
    layer = layers.LSTM(3, bias_initializer=initializer)
    layer(np.ones((2, 6, 3)))
    others = layer.cell.bias[0].item()
    assert layer.cell.bias.tolist() == [others] * 3 + [1] * 3 + [others] * 6
    assert others != 1 or initializer == "ones"


def test_pytorchs_function_is_used_where_it_computes_the_same():
    for arguments in ({}, {"use_bias": False}, {"recurrent_dropout": 0.5}):
        assert layers.LSTM(3, **arguments).cell.kernel_of_pytorch is torch.lstm
    for arguments in ({"activation": "relu"}, {"recurrent_activation": "relu"}):
        assert layers.LSTM(3, **arguments).cell.kernel_of_pytorch is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_it_takes_half_precision(name, dtype):
    layer = getattr(layers, name)(4, dtype=dtype)
    whole = getattr(layers, name)(4)
    x = torch.randn(2, 6, 3)
    layer(x)
    whole(x)
    whole.set_weights(layer.get_weights())
    torch.testing.assert_close(layer(x).float(), whole(x), rtol=0, atol=2e-2)


@pytest.mark.parametrize("activation", ["tanh", "elu"])
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_it_computes_under_autocast(name, activation):
    layer = getattr(layers, name)(4, activation=activation)
    x = torch.randn(2, 6, 3)
    wanted = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
        # As another layer would give it, there.
        torch.testing.assert_close(layer(x.bfloat16()).float(), wanted, rtol=0, atol=5e-2)
    torch.testing.assert_close(found.float(), wanted, rtol=0, atol=5e-2)
    found.float().sum().backward()
    assert layer.cell.weight.grad.dtype == torch.float32
