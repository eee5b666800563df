"""GRU and its cell, beside Keras's and PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from feasible import layers

# Save with other activations and with reset_after=False, PyTorch takes all steps at once.
SLOW = {"activation": "elu", "recurrent_activation": "hard_sigmoid"}
BEFORE = {"reset_after": False}
ARGUMENTS = {
    "usual": {},
    "no bias": {"use_bias": False},
    "other activations": SLOW,
    "other activations, no bias": {**SLOW, "use_bias": False},
    "reset before": BEFORE,
    "reset before, no bias": {**BEFORE, "use_bias": False},
    "reset before, other activations": {**BEFORE, **SLOW},
    "dropout, in evaluation": {"dropout": 0.5, "recurrent_dropout": 0.3, "seed": 1},
    "constraints": {"recurrent_constraint": "max_norm", "bias_constraint": "non_neg"},
    "sequences": {"return_sequences": True},
    "sequences, step by step": {"return_sequences": True, **BEFORE},
    "backwards": {"go_backwards": True, "return_sequences": True},
    "states": {"return_state": True, "unroll": True},
    "all": {"return_state": True, "return_sequences": True, "go_backwards": True},
    "all, step by step": {"return_state": True, "go_backwards": True, **SLOW},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_is_keras_own(same_as_keras, name):
    same_as_keras("GRU", {"units": 4, **ARGUMENTS[name]}, (3, 6, 5))


@pytest.mark.parametrize("arguments", [{}, BEFORE, {**SLOW, "use_bias": False}], ids=str)
def test_a_step_of_the_cell_is_keras_own(same_cell_as_keras, arguments):
    same_cell_as_keras("GRUCell", {"units": 4, **arguments}, states=1)


def test_the_bias_is_keras_own_variable():
    after, before = layers.GRU(4), layers.GRU(4, reset_after=False)
    for layer, shape in ((after, (2, 12)), (before, (12,))):
        layer(torch.randn(2, 6, 3))
        assert layer.cell.bias.shape == shape
        assert len(list(layer.parameters())) == 3


def test_it_is_pytorchs_with_the_gates_in_keras_order():
    ours, theirs = layers.GRU(4, return_sequences=True), nn.GRU(3, 4, batch_first=True)
    x = torch.randn(2, 6, 3)
    ours(x)
    ours.cell.bias.data.normal_()
    swapped = [
        torch.cat([gates[1], gates[0], gates[2]])
        for gates in (
            tensor.chunk(3)
            for tensor in (ours.cell.weight, ours.cell.recurrent_weight, *ours.cell.bias)
        )
    ]
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    theirs.load_state_dict(dict(zip(names, swapped, strict=True)))
    torch.testing.assert_close(ours(x), theirs(x)[0])


def test_pytorchs_function_is_used_where_it_computes_the_same():
    assert layers.GRU(3).cell.kernel_of_pytorch is torch.gru
    for arguments in ({"activation": "relu"}, {"recurrent_activation": "relu"}, BEFORE):
        assert layers.GRU(3, **arguments).cell.kernel_of_pytorch is None
