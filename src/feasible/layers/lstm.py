"""The long short-term memory layer, and its cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from feasible.layers.cell_layer import CellLayer
from feasible.layers.long_short_term import LongShortTermCell
from feasible.layers.roles import OfPart
from feasible.layers.units_cell import UnitsCell


class LSTMCell(LongShortTermCell, UnitsCell):
    """One step of an `LSTM`.

    It stores what `torch.nn.LSTMCell` stores, but one bias: `weight` of shape (4 * units, in),
    `recurrent_weight` of shape (4 * units, units), and `bias`. Gates are in Keras's order, which is
    PyTorch's: input, forget, candidate, output.

    Args:
        units: How many units there are.
        activation: The candidate's and the output's function, by name or itself; None for none.
        recurrent_activation: The gates' function, likewise.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape (in, 4 * units).
        recurrent_initializer: Initial values of the recurrent kernel, of shape (units, 4 * units).
        bias_initializer: Initial values of the bias, of shape (4 * units,).
        unit_forget_bias: Whether the forget gate's bias begins with ones.
        kernel_constraint: The kernel's constraint.
        recurrent_constraint: The recurrent kernel's constraint.
        bias_constraint: The bias's constraint.
        dropout: The share of the inputs' entries that is set to 0 in training.
        recurrent_dropout: The share of the output's entries that is, where it is fed back.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> cell = LSTMCell(4)
        >>> output, states = cell(torch.ones(2, 3), [torch.zeros(2, 4), torch.zeros(2, 4)])
        >>> output.shape, len(states)
        (torch.Size([2, 4]), 2)
    """

    states: ClassVar[int] = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
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
        """PyTorch's function for all steps at once; None if it has none for these activations."""
        usual = self.activation is torch.tanh and self.recurrent_activation is torch.sigmoid
        return torch.lstm if usual else None


class LSTM(CellLayer):
    """A long short-term memory layer.

    The weights are those of its `cell`, an `LSTMCell`. With the usual activations, all steps are
    one call of PyTorch's `torch.lstm`, save in training with recurrent dropout.

    Args:
        units: How many units there are.
        activation: The candidate's and the output's function, by name or itself; None for none.
        recurrent_activation: The gates' function, likewise.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape (in, 4 * units).
        recurrent_initializer: Initial values of the recurrent kernel, of shape (units, 4 * units).
        bias_initializer: Initial values of the bias, of shape (4 * units,).
        unit_forget_bias: Whether the forget gate's bias begins with ones.
        kernel_constraint: The kernel's constraint.
        recurrent_constraint: The recurrent kernel's constraint.
        bias_constraint: The bias's constraint.
        dropout: The share of the inputs' entries that is set to 0 in training, the same ones in
            each step.
        recurrent_dropout: The share of the output's entries that is, where it is fed back.
        seed: What dropout draws from; None for PyTorch's generator.
        return_sequences: Whether the output of each step is returned, and not the last alone.
        return_state: Whether the last output and carry are returned too.
        go_backwards: Whether the last step is taken first.
        stateful: Whether a batch begins with the states that the one before it ended with.
        unroll: What Keras unrolls on other backends; no difference here.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = LSTM(4, kernel_constraint="max_norm", return_sequences=True)
        >>> layer(np.ones((2, 7, 3))).shape
        torch.Size([2, 7, 4])
        >>> layer.cell.kernel.shape, layer.cell.weight.shape
        (torch.Size([3, 16]), torch.Size([16, 3]))
    """

    units = OfPart("cell")
    recurrent_activation = OfPart("cell")
    unit_forget_bias = OfPart("cell")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
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
