"""Runs the cell of a recurrent layer, which may be one of ours or a layer of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape


def scan(cell: Layer, inputs: Tensor, states: Any, return_sequences: bool) -> tuple[Tensor, Any]:
    """Take one step after the other.

    Args:
        cell: The cell: one that has a `scan` of its own, or whose `call` takes one step.
        inputs: A tensor of shape (batch, steps, ...).
        states: The states before the first step.
        return_sequences: Whether the output of each step is wanted, and not the last alone.

    Returns:
        The output, with an axis of steps after the batch if all are wanted, and the last states.
    """
    if hasattr(cell, "scan"):
        return cell.scan(inputs, states, return_sequences)  # type: ignore[no-any-return]
    outputs = []
    call: Callable[..., Any] = cell.call
    for one in inputs.unbind(1):
        output, states = call(one, states)
        if return_sequences:
            outputs.append(output)
    return torch.stack(outputs, 1) if return_sequences else output, states


def initial_state(cell: Any, batch_size: int) -> list[Any]:
    """Return the states before the first step.

    Args:
        cell: The cell: one that has a `get_initial_state` of its own, or a `state_size`.
        batch_size: How many examples there are.

    Returns:
        The cell's own, or zeros.
    """
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size)  # type: ignore[no-any-return]
    return [torch.zeros(batch_size, size) for size in _sizes(cell)]


def output_shapes(cell: Any, input_shape: Shape) -> tuple[Shape, list[Any]]:
    """Return the sizes of what a step returns.

    Args:
        cell: The cell.
        input_shape: The sizes of the step's input, the batch first.

    Returns:
        The output's sizes, and those of each state.
    """
    if hasattr(cell, "scan"):
        return cell.compute_output_shape(input_shape)  # type: ignore[no-any-return]
    batch, sizes = input_shape[0], _sizes(cell)
    return (batch, getattr(cell, "output_size", sizes[0])), [(batch, size) for size in sizes]


def _sizes(cell: Any) -> list[int]:
    sizes = cell.state_size
    return [sizes] if isinstance(sizes, int) else list(sizes)


def map_states(function: Callable[[Any], Tensor], states: Any) -> Any:
    """Return what a function makes of each state.

    Args:
        function: From a state to another.
        states: The states, which may be nested in lists.

    Returns:
        The new states, nested likewise.
    """
    if isinstance(states, list | tuple):
        return [map_states(function, one) for one in states]
    return function(states)
