"""Stacked cells, beside Keras's."""

from __future__ import annotations

import keras
import pytest
import torch

from feasible import layers
from feasible.arguments import InvalidArgumentError


def cells(library):
    return [
        library.LSTMCell(3, kernel_constraint="max_norm"),
        library.GRUCell(2, bias_constraint="non_neg"),
        library.LSTMCell(4),
    ]


@pytest.mark.parametrize("flags", [{}, {"return_sequences": True, "return_state": True}], ids=str)
def test_they_are_keras_own(same_layer, flags):
    ours = layers.RNN(cells(layers), **flags)
    same_layer(ours, keras.layers.RNN(cells(keras.layers), **flags), (2, 5, 3))
    assert list(ours.cell.sublayers()) == [
        "cells/lstm_cell",
        "cells/gru_cell",
        "cells/lstm_cell_1",
    ]


def test_one_step_at_a_time():
    cell = layers.StackedRNNCells(cells(layers))
    x = torch.randn(2, 3)
    cell.build_once((None, 3))
    output, states = cell(x, cell.get_initial_state(2))
    torch.testing.assert_close(output, layers.RNN(cell)(x.unsqueeze(1)))
    assert cell.state_size == [[3, 3], 2, [4, 4]]
    assert [[one.shape for one in group] for group in states] == [
        [(2, 3), (2, 3)],
        [(2, 2)],
        [(2, 4), (2, 4)],
    ]


def test_a_frozen_stack_has_frozen_cells():
    layer = layers.RNN(layers.StackedRNNCells(cells(layers), trainable=False))
    layer(torch.randn(2, 5, 3))
    assert not any(parameter.requires_grad for parameter in layer.parameters())


@pytest.mark.parametrize("given", [[], [layers.Dense(2)]], ids=str)
def test_what_is_no_cell_is_refused(given):
    with pytest.raises(InvalidArgumentError, match="StackedRNNCells: `cells` must be"):
        layers.StackedRNNCells(given)
