"""Running a cell of any kind."""

from __future__ import annotations

import pytest
import torch

from feasible.layers import GRUCell
from feasible.layers.cells import initial_state, map_states, output_shapes, scan


@pytest.mark.parametrize("return_sequences", [False, True])
def test_steps_one_by_one_are_all_steps(return_sequences):
    cell = GRUCell(4)
    x, states = torch.randn(2, 6, 3), [torch.randn(2, 4)]
    cell(x[:, 0], states)
    output, (last,) = scan(cell, x, states, return_sequences)
    outputs = []
    for one in x.unbind(1):
        step, states = cell(one, states)
        outputs.append(step)
    torch.testing.assert_close(output, torch.stack(outputs, 1) if return_sequences else outputs[-1])
    torch.testing.assert_close(last, outputs[-1])


def test_states_and_shapes_are_those_of_the_cell():
    cell = GRUCell(4)
    cell.build_once((None, 3))
    assert [one.shape for one in initial_state(cell, 2)] == [(2, 4)]
    assert output_shapes(cell, (None, 3)) == ((None, 4), [(None, 4)])


def test_states_are_mapped_where_they_are_nested():
    assert map_states(torch.neg, [torch.tensor(1), [torch.tensor(2)]]) == [-1, [-2]]
