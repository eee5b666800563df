"""The convolutional cell, by its definition."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from feasible.layers.conv_lstm_cell import ConvLSTM2DCell

USUAL = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "recurrent_initializer": "orthogonal",
    "bias_initializer": "zeros",
    "unit_forget_bias": True,
    "kernel_constraint": None,
    "recurrent_constraint": None,
    "bias_constraint": None,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_step_is_its_definition(data_format):
    cell = ConvLSTM2DCell(2, 3, 1, "same", data_format, 1, **USUAL)
    x, output, carry = torch.randn(2, 3, 5, 4), torch.randn(2, 2, 5, 4), torch.randn(2, 2, 5, 4)

    def given(tensor):
        return tensor if data_format == "channels_first" else tensor.movedim(1, -1)

    found, states = cell(given(x), [given(output), given(carry)])
    sums = functional.conv2d(x, cell.weight, cell.bias, padding=1)
    sums = sums + functional.conv2d(output, cell.recurrent_weight, padding=1)
    enter, keep, candidate, leave = sums.split(2, 1)
    carry = keep.sigmoid() * carry + enter.sigmoid() * candidate.tanh()
    output = leave.sigmoid() * carry.tanh()
    torch.testing.assert_close(found, given(output))
    torch.testing.assert_close(states, [given(output), given(carry)])
    assert cell.state_size == [2, 2]
    assert [one.shape for one in cell.get_initial_state(7)] == [(7, *found.shape[1:])] * 2
