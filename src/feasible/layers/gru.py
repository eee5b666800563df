"""The gated recurrent layer, and its cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from feasible.layers import activations
from feasible.layers.cell_layer import CellLayer
from feasible.layers.recurrent_cell import States
from feasible.layers.roles import OfPart
from feasible.layers.units_cell import UnitsCell


class GRUCell(UnitsCell):
    """One step of a `GRU`.

    It stores `weight` of shape (3 * units, in), `recurrent_weight` of shape (3 * units, units), and
    `bias`. Gates are in Keras's order: update, reset, candidate.

    Args:
        units: How many units there are.
        activation: The candidate's function, by name or itself; None for none.
        recurrent_activation: The gates' function, likewise.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape (in, 3 * units).
        recurrent_initializer: Initial values of the recurrent kernel, of shape (units, 3 * units).
        bias_initializer: Initial values of the bias, of shape (2, 3 * units), or (3 * units,) with
            ``reset_after=False``.
        kernel_constraint: The kernel's constraint.
        recurrent_constraint: The recurrent kernel's constraint.
        bias_constraint: The bias's constraint.
        dropout: The share of the inputs' entries that is set to 0 in training.
        recurrent_dropout: The share of the output's entries that is, where it is fed back.
        reset_after: Whether the reset gate acts after the recurrent kernel, which then has a bias
            of its own, and not before it.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Source:
        Cho and others: Learning Phrase Representations using RNN Encoder-Decoder, 2014; with
        ``reset_after=True``, its first version.

    Example:
        >>> cell = GRUCell(4)
        >>> output, states = cell(torch.ones(2, 3), [torch.zeros(2, 4)])
        >>> output.shape, cell.bias.shape
        (torch.Size([2, 4]), torch.Size([2, 12]))
    """

    gates: ClassVar[int] = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = bool(reset_after)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        size = self.gates * self.units
        return (2, size) if self.reset_after else (size,)

    @property
    def input_bias(self) -> Tensor | None:
        """The bias that is added to what the kernel makes of the input."""
        return self.bias[0] if self.bias is not None and self.reset_after else self.bias

    @property
    def kernel_of_pytorch(self) -> Callable[..., Any] | None:
        """PyTorch's function for all steps at once; None if it has none for these activations."""
        usual = self.activation is torch.tanh and self.recurrent_activation is torch.sigmoid
        return torch.gru if usual and self.reset_after else None

    def kernel_weights(self) -> list[Tensor]:
        """Return the weights as PyTorch's function takes them, with the reset gate first.

        Returns:
            Copies, which cost less than they save: both kernels, and a bias for each if there is
            one.
        """
        biases = () if self.bias is None else self.bias.unbind()
        stored = (self.weight, self.recurrent_weight, *biases)
        gates = (weight.chunk(3) for weight in stored)
        return [torch.cat((reset, update, candidate)) for update, reset, candidate in gates]

    def step(self, projected: Tensor, states: States, masks: Tensor | None) -> list[Tensor]:
        """Compute the output after a step.

        Args:
            projected: What the kernel and the bias make of the step's input.
            states: The output before it.
            masks: What the output is multiplied by in training: for each gate, for all, or None.

        Returns:
            The new output.
        """
        last = states[0]
        *of_gates, of_candidate = projected.chunk(3, 1)
        if self.reset_after:
            bias = None if self.bias is None else self.bias[1]
            mapped = self.masked(self.map_state, last, self.recurrent_weight, bias, masks, 1)
            *recurrent, candidate = mapped.chunk(3, 1)
        else:
            weight, candidate_weight = self.recurrent_weight.tensor_split((2 * self.units,))
            both = None if masks is None else masks[:2]
            recurrent = [*self.masked(self.map_state, last, weight, None, both, 1).chunk(2, 1)]
        update, reset = (
            self.recurrent_activation(one + other)
            for one, other in zip(of_gates, recurrent, strict=True)
        )
        if self.reset_after:
            candidate = reset * candidate
        else:
            seen = last if masks is None else last * masks[-1]
            candidate = self.map_state(reset * seen, candidate_weight, None)
        return [update * last + (1 - update) * self.activation(of_candidate + candidate)]


class GRU(CellLayer):
    """A gated recurrent layer.

    The weights are those of its `cell`, a `GRUCell`. With the usual activations and
    ``reset_after=True``, all steps are one call of PyTorch's `torch.gru`, save in training with
    recurrent dropout.

    Args:
        units: How many units there are.
        activation: The candidate's function, by name or itself; None for none.
        recurrent_activation: The gates' function, likewise.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape (in, 3 * units).
        recurrent_initializer: Initial values of the recurrent kernel, of shape (units, 3 * units).
        bias_initializer: Initial values of the bias, of shape (2, 3 * units), or (3 * units,) with
            ``reset_after=False``.
        kernel_constraint: The kernel's constraint.
        recurrent_constraint: The recurrent kernel's constraint.
        bias_constraint: The bias's constraint.
        dropout: The share of the inputs' entries that is set to 0 in training, the same ones in
            each step.
        recurrent_dropout: The share of the output's entries that is, where it is fed back.
        seed: What dropout draws from; None for PyTorch's generator.
        return_sequences: Whether the output of each step is returned, and not the last alone.
        return_state: Whether the last output is returned too, as the state.
        go_backwards: Whether the last step is taken first.
        stateful: Whether a batch begins with the states that the one before it ended with.
        unroll: What Keras unrolls on other backends; no difference here.
        reset_after: Whether the reset gate acts after the recurrent kernel, which then has a bias
            of its own, and not before it.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = GRU(4, kernel_constraint="max_norm", return_sequences=True)
        >>> layer(np.ones((2, 7, 3))).shape
        torch.Size([2, 7, 4])
        >>> layer.cell.kernel.shape, layer.cell.weight.shape
        (torch.Size([3, 12]), torch.Size([12, 3]))
    """

    units = OfPart("cell")
    recurrent_activation = OfPart("cell")
    reset_after = OfPart("cell")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            reset_after,
            seed,
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs
        )
