"""Runs the cell of a recurrent layer, which may be one of ours or a layer of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape


def scan(
    cell: Layer,
    inputs: Tensor,
    states: Any,
    return_sequences: bool,
    mask: Tensor | None = None,
    zeros: bool = False,
) -> tuple[Tensor, Any]:
    """Take one step after the other.

    Args:
        cell: The cell: one that has a `scan` of its own, or whose `call` takes one step.
        inputs: A tensor of shape (batch, steps, ...).
        states: The states before the first step.
        return_sequences: Whether the output of each step is wanted, and not the last alone.
        mask: Where steps count, of shape (batch, steps); None for everywhere. Elsewhere states stay
            as they are.
        zeros: Whether the output of a step that does not count is zeros, and not that of the one
            before it.

    Returns:
        The output, with an axis of steps after the batch if all are wanted, and the last states.
    """
    if hasattr(cell, "scan"):
        return cell.scan(inputs, states, return_sequences, mask, zeros)  # type: ignore[no-any-return]
    call: Callable[..., Any] = cell.call
    return step_by_step(call, inputs, states, return_sequences, mask, zeros)


def step_by_step(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]],
    inputs: Tensor,
    states: Any,
    return_sequences: bool,
    mask: Tensor | None,
    zeros: bool,
) -> tuple[Tensor, Any]:
    """Take one step after the other.

    Args:
        step: From a step's input and the states before it to its output and the states after it.
        inputs: A tensor of shape (batch, steps, ...).
        states: The states before the first step.
        return_sequences: Whether the output of each step is wanted, and not the last alone.
        mask: Where steps count, of shape (batch, steps); None for everywhere. Elsewhere states stay
            as they are.
        zeros: Whether the output of a step that does not count is zeros, and not that of the one
            before it.

    Returns:
        The output, with an axis of steps after the batch if all are wanted, and the last states.
    """
    outputs: list[Tensor] = []
    counts = [None] * inputs.shape[1] if mask is None else mask.to(torch.bool).unbind(1)
    before: Tensor | None = None
    for one, counted in zip(inputs.unbind(1), counts, strict=True):
        output, after = step(one, states)
        if counted is not None:
            other = torch.zeros_like(output) if zeros or before is None else before
            output = _where(counted, output, other)
            after = _kept(counted, after, states)
        states, before = after, output
        if return_sequences:
            outputs.append(output)
    return torch.stack(outputs, 1) if return_sequences else output, states


def _where(counted: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(counted.reshape(-1, *(1,) * (new.ndim - 1)), new, old)


def _kept(counted: Tensor, new: Any, old: Any) -> Any:
    if isinstance(new, Tensor):
        return _where(counted, new, old)
    return [_kept(counted, *pair) for pair in zip(new, old, strict=True)]


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
