"""Convolutional long short-term memory layers over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from feasible.layers.cell_layer import CellLayer
from feasible.layers.conv_lstm_cell import (
    ConvLSTM1DCell,
    ConvLSTM2DCell,
    ConvLSTM3DCell,
    ConvLSTMCell,
)
from feasible.layers.roles import OfPart


class ConvLSTM(CellLayer):
    """What `ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`, which say what they take, share."""

    cell_type: ClassVar[type[ConvLSTMCell]]

    filters = OfPart("cell")
    kernel_size = OfPart("cell")
    strides = OfPart("cell")
    padding = OfPart("cell")
    data_format = OfPart("cell")
    dilation_rate = OfPart("cell")
    recurrent_activation = OfPart("cell")
    unit_forget_bias = OfPart("cell")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        cell = self.cell_type(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
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
            name="conv_lstm_cell",
            dtype=kwargs.get("dtype"),
        )
        super().__init__(
            cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs
        )


class ConvLSTM1D(ConvLSTM):
    """A convolutional long short-term memory layer over one spatial axis.

    The weights are those of its `cell`: `weight` of shape ``(4 * filters, in, *kernel_size)``,
    `recurrent_weight` of shape ``(4 * filters, filters, *kernel_size)``, and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The size of both kernels.
        strides: The step of the input's kernel.
            The recurrent kernel's is 1.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends of the input, so many
            that the output's size is the input's divided by the strides, rounded up. The output,
            where it is fed back, is padded so that its size stays.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, size, channels) or (batch,
            steps, channels, size).
        dilation_rate: The distance of the entries of the input's kernel. Above 1, the strides must
            be 1.
        activation: The candidate's and the output's function, by name or itself; None for none.
        recurrent_activation: The gates' function, likewise.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, in, 4 *
            filters)``.
        recurrent_initializer: Initial values of the recurrent kernel, of shape ``(*kernel_size,
            filters, 4 * filters)``.
        bias_initializer: Initial values of the bias, of shape (4 * filters,).
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

    Source:
        Shi and others: Convolutional LSTM Network, 2015; without the terms of the carry in the
        gates, as in Keras.

    Example:
        >>> import numpy as np
        >>> layer = ConvLSTM1D(4, 3)
        >>> layer(np.ones((2, 5, 10, 3))).shape
        torch.Size([2, 8, 4])
        >>> layer.cell.kernel.shape, layer.cell.weight.shape
        (torch.Size([3, 3, 16]), torch.Size([16, 3, 3]))
    """

    cell_type: ClassVar[type[ConvLSTMCell]] = ConvLSTM1DCell


class ConvLSTM2D(ConvLSTM):
    """A convolutional long short-term memory layer over two spatial axes, such as those of a film.

    The weights are those of its `cell`: `weight` of shape ``(4 * filters, in, *kernel_size)``,
    `recurrent_weight` of shape ``(4 * filters, filters, *kernel_size)``, and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The size of both kernels: an integer for all axes, or one for each.
        strides: The step of the input's kernel: an integer for all axes, or one for each.
            The recurrent kernel's is 1.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends of the input, so many
            that the output's size is the input's divided by the strides, rounded up. The output,
            where it is fed back, is padded so that its size stays.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, rows, columns, channels) or
            (batch, steps, channels, rows, columns).
        dilation_rate: The distance of the entries of the input's kernel. Above 1, the strides must
            be 1.
        activation: The candidate's and the output's function, by name or itself; None for none.
        recurrent_activation: The gates' function, likewise.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, in, 4 *
            filters)``.
        recurrent_initializer: Initial values of the recurrent kernel, of shape ``(*kernel_size,
            filters, 4 * filters)``.
        bias_initializer: Initial values of the bias, of shape (4 * filters,).
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

    Source:
        Shi and others: Convolutional LSTM Network, 2015; without the terms of the carry in the
        gates, as in Keras.

    Example:
        >>> import numpy as np
        >>> layer = ConvLSTM2D(4, 3)
        >>> layer(np.ones((2, 5, 10, 10, 3))).shape
        torch.Size([2, 8, 8, 4])
        >>> layer.cell.kernel.shape, layer.cell.weight.shape
        (torch.Size([3, 3, 3, 16]), torch.Size([16, 3, 3, 3]))
    """

    cell_type: ClassVar[type[ConvLSTMCell]] = ConvLSTM2DCell


class ConvLSTM3D(ConvLSTM):
    """A convolutional long short-term memory layer over three spatial axes.

    The weights are those of its `cell`: `weight` of shape ``(4 * filters, in, *kernel_size)``,
    `recurrent_weight` of shape ``(4 * filters, filters, *kernel_size)``, and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The size of both kernels: an integer for all axes, or one for each.
        strides: The step of the input's kernel: an integer for all axes, or one for each.
            The recurrent kernel's is 1.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends of the input, so many
            that the output's size is the input's divided by the strides, rounded up. The output,
            where it is fed back, is padded so that its size stays.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, depth, rows, columns,
            channels) or (batch, steps, channels, depth, rows, columns).
        dilation_rate: The distance of the entries of the input's kernel. Above 1, the strides must
            be 1.
        activation: The candidate's and the output's function, by name or itself; None for none.
        recurrent_activation: The gates' function, likewise.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, in, 4 *
            filters)``.
        recurrent_initializer: Initial values of the recurrent kernel, of shape ``(*kernel_size,
            filters, 4 * filters)``.
        bias_initializer: Initial values of the bias, of shape (4 * filters,).
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

    Source:
        Shi and others: Convolutional LSTM Network, 2015; without the terms of the carry in the
        gates, as in Keras.

    Example:
        >>> import numpy as np
        >>> layer = ConvLSTM3D(4, 3)
        >>> layer(np.ones((2, 3, 5, 5, 5, 3))).shape
        torch.Size([2, 3, 3, 3, 4])
        >>> layer.cell.kernel.shape, layer.cell.weight.shape
        (torch.Size([3, 3, 3, 3, 16]), torch.Size([16, 3, 3, 3, 3]))
    """

    cell_type: ClassVar[type[ConvLSTMCell]] = ConvLSTM3DCell
