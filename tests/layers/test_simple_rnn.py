"""SimpleRNN and its cell, beside Keras's and PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from feasible import layers
from feasible.arguments import InvalidArgumentError

# With the first two activations, PyTorch takes all steps at once.
ARGUMENTS = {
    "tanh": {},
    "relu": {"activation": "relu"},
    "another activation": {"activation": "elu"},
    "no activation": {"activation": None},
    "no bias": {"use_bias": False},
    "no bias, another activation": {"activation": "softsign", "use_bias": False},
    "dropout, in evaluation": {"dropout": 0.5, "recurrent_dropout": 0.3},
    "constraints": {"kernel_constraint": "max_norm", "recurrent_constraint": "unit_norm"},
    "sequences": {"return_sequences": True},
    "sequences, step by step": {"return_sequences": True, "activation": "elu"},
    "backwards": {"go_backwards": True, "return_sequences": True},
    "states": {"return_state": True, "unroll": True},
    "all": {"return_state": True, "return_sequences": True, "go_backwards": True},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_is_keras_own(same_as_keras, name):
    same_as_keras("SimpleRNN", {"units": 4, **ARGUMENTS[name]}, (3, 6, 5))


def test_a_step_of_the_cell_is_keras_own(same_cell_as_keras):
    same_cell_as_keras("SimpleRNNCell", {"units": 4}, states=1)
    same_cell_as_keras("SimpleRNNCell", {"units": 4, "use_bias": False}, states=1)


def test_the_weights_are_those_of_pytorch():
    ours, theirs = layers.SimpleRNN(4, return_sequences=True), nn.RNN(3, 4, batch_first=True)
    x = torch.randn(2, 6, 3)
    ours(x)
    state = ours.state_dict()
    assert list(state) == ["cell.weight", "cell.recurrent_weight", "cell.bias"]
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    values = dict(zip(names, state.values(), strict=True))
    theirs.load_state_dict({**values, "bias_hh_l0": torch.zeros(4)})
    torch.testing.assert_close(ours(x), theirs(x)[0])


def test_kernels_are_seen_in_keras_layout():
    layer = layers.SimpleRNN(4)
    layer(np.ones((2, 6, 3)))
    for view, stored in (("kernel", "weight"), ("recurrent_kernel", "recurrent_weight")):
        assert getattr(layer.cell, view).data_ptr() == getattr(layer.cell, stored).data_ptr()
        assert getattr(layer.cell, view).shape == getattr(layer.cell, stored).shape[::-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "`units` must be an integer of at least 1"),
        ({"dropout": 2}, "`dropout` must be a finite number at least 0"),
        ({"recurrent_dropout": -1}, "`recurrent_dropout` must be a finite number at least 0"),
        ({"seed": "a"}, "`seed` must be an integer"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"SimpleRNNCell: {message}"):
        layers.SimpleRNN(**{"units": 2, **arguments})
