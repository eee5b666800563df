"""The cell of four gates, by its definition."""

from __future__ import annotations

import torch

from feasible.layers import LSTMCell


def test_a_step_is_its_definition():
    cell = LSTMCell(3, activation="elu", recurrent_activation="hard_sigmoid")
    x, output, carry = torch.randn(2, 5), torch.randn(2, 3), torch.randn(2, 3)
    cell(x, [output, carry])
    cell.bias.data.normal_()
    sums = x @ cell.kernel + output @ cell.recurrent_kernel + cell.bias
    enter, keep, candidate, leave = sums.split(3, 1)
    gate, function = torch.nn.functional.hardsigmoid, torch.nn.functional.elu
    new_carry = gate(keep) * carry + gate(enter) * function(candidate)
    new_output = gate(leave) * function(new_carry)
    found, states = cell(x, [output, carry])
    torch.testing.assert_close(found, new_output)
    torch.testing.assert_close(states, [new_output, new_carry])
