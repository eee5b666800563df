"""The simple recurrent layer, and its cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from feasible.layers import activations
from feasible.layers.cell_layer import CellLayer
from feasible.layers.recurrent_cell import States
from feasible.layers.roles import OfPart
from feasible.layers.units_cell import UnitsCell

_KERNELS = {torch.tanh: torch.rnn_tanh, activations.relu: torch.rnn_relu}


class SimpleRNNCell(UnitsCell):
    """One step of a `SimpleRNN`: ``activation(inputs @ kernel + bias + state @ recurrent_kernel)``.

    It stores `weight` of shape (units, in), `recurrent_weight` of shape (units, units), and `bias`.

    Args:
        units: How many units there are.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape (in, units).
        recurrent_initializer: Initial values of the recurrent kernel, of shape (units, units).
        bias_initializer: Initial values of the bias, of shape (units,).
        kernel_constraint: The kernel's constraint.
        recurrent_constraint: The recurrent kernel's constraint.
        bias_constraint: The bias's constraint.
        dropout: The share of the inputs' entries that is set to 0 in training.
        recurrent_dropout: The share of the state's entries that is.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> cell = SimpleRNNCell(4)
        >>> output, states = cell(torch.ones(2, 3), [torch.zeros(2, 4)])
        >>> output.shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )

    @property
    def kernel_of_pytorch(self) -> Callable[..., Any] | None:
        """PyTorch's function for all steps at once; None if it has none for this activation."""
        return _KERNELS.get(self.activation)

    def step(self, projected: Tensor, states: States, masks: Tensor | None) -> list[Tensor]:
        """Compute the state after a step.

        Args:
            projected: What the kernel and the bias make of the step's input.
            states: The state before it.
            masks: What the state is multiplied by in training, or None.

        Returns:
            The new state, which is the output.
        """
        recurrent = self.masked(self.map_state, states[0], self.recurrent_weight, None, masks, 1)
        return [self.activation(projected + recurrent)]


class SimpleRNN(CellLayer):
    """A recurrent layer whose output is fed back to it.

    Each step computes ``activation(inputs @ kernel + bias + output @ recurrent_kernel)``. The
    weights are those of its `cell`, a `SimpleRNNCell`.

    Args:
        units: How many units there are.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape (in, units).
        recurrent_initializer: Initial values of the recurrent kernel, of shape (units, units).
        bias_initializer: Initial values of the bias, of shape (units,).
        kernel_constraint: The kernel's constraint.
        recurrent_constraint: The recurrent kernel's constraint.
        bias_constraint: The bias's constraint.
        dropout: The share of the inputs' entries that is set to 0 in training, the same ones in
            each step.
        recurrent_dropout: The share of the state's entries that is.
        return_sequences: Whether the output of each step is returned, and not the last alone.
        return_state: Whether the last state is returned too.
        go_backwards: Whether the last step is taken first.
        stateful: Whether a batch begins with the states that the one before it ended with.
        unroll: What Keras unrolls on other backends; no difference here.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = SimpleRNN(4, recurrent_constraint="unit_norm", return_sequences=True)
        >>> layer(np.ones((2, 7, 3))).shape
        torch.Size([2, 7, 4])
        >>> layer.cell.recurrent_kernel.shape
        torch.Size([4, 4])
    """

    units = OfPart("cell")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs
        )
