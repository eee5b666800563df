"""The cells of convolutional long short-term memory layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from feasible.arguments import check_integer
from feasible.known_layouts.torch_layouts import BIAS, KERNEL
from feasible.layers.convolution_base import convolved
from feasible.layers.long_short_term import LongShortTermCell
from feasible.layers.recurrent_cell import RECURRENT_KERNEL, States
from feasible.layers.spatial import WindowedLayer, at_least_two, pad_windows
from feasible.layers.symbolic import Shape
from feasible.layers.windows import (
    Ends,
    check_sizes,
    check_strides_or_dilation,
    padding_ends,
    window_span,
)


class ConvLSTMCell(LongShortTermCell, WindowedLayer):
    """One step of a convolutional long short-term memory layer, for any number of spatial axes.

    It stores `weight` of shape ``(4 * filters, in, *kernel_size)``, `recurrent_weight` of shape
    ``(4 * filters, filters, *kernel_size)``, and `bias`. Gates are in Keras's order: input, forget,
    candidate, output.

    Args:
        filters: How many channels the output has.
        kernel_size: The size of both kernels along each axis.
        strides: The kernel's step along each axis.
        padding: ``"valid"`` or ``"same"``, for the input.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        dilation_rate: The distance of the kernel's entries along each axis.
        **kwargs: Arguments of every cell with four gates.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        dilation_rate: int | Sequence[int],
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        sizes = check_sizes(owner, "kernel_size", kernel_size, self.rank)
        dilation = check_sizes(owner, "dilation_rate", dilation_rate, self.rank)
        super().__init__(
            spans=tuple(map(window_span, sizes, dilation)),
            strides=strides,
            padding=padding,
            data_format=data_format,
            **kwargs,
        )
        self.filters = check_integer(owner, "filters", filters)
        self.kernel_size = sizes
        self.dilation_rate = dilation
        check_strides_or_dilation(owner, self.strides, dilation)

    @property
    def state_size(self) -> list[int]:
        """How many channels each state has."""
        return [self.filters, self.filters]

    @property
    def separate_masks(self) -> bool:
        """Whether dropout draws a mask for each gate, and not one for all."""
        return True

    def check_input(self, shape: Shape) -> None:
        """Raise if the input of a step has other axes or sizes than the layer can take.

        Args:
            shape: Its sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        super().check_input(shape)
        wanted = self.input_shape if self.built and self.input_shape else shape
        # The states have the sizes that the first input implies.
        if None in shape[1:] or shape[1:] != wanted[1:]:
            raise ValueError(
                f"{self.name}: the input of a step must have known sizes, always the same: "
                f"{'those of the first' if wanted is shape else wanted[1:]}. Received: shape "
                f"{shape}."
            )

    def build(self, input_shape: Shape) -> None:
        """Make both kernels and the bias.

        Args:
            input_shape: The sizes of a step's input, the batch first.
        """
        channels = check_integer(self.name, "channels", input_shape[self.channel_axis])
        count = self.gates * self.filters
        self.make_weight(KERNEL, (count, channels, *self.kernel_size), self.kernel_initializer)
        self.make_weight(
            RECURRENT_KERNEL,
            (count, self.filters, *self.kernel_size),
            self.recurrent_initializer,
        )
        if self.use_bias:
            self.make_weight(BIAS, (count,), self.initial_bias)
        else:
            self.register_parameter("bias", None)

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return states of zeros.

        Args:
            batch_size: How many examples there are.

        Returns:
            The output and the carry, in the layer's data format.
        """
        sizes = (self.input_shape or ())[1:]
        _, shapes = self.compute_output_shape((batch_size, *sizes))
        return [self.weight.new_zeros(shape) for shape in shapes]

    def map_inputs(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve the inputs of all steps.

        Args:
            inputs: A tensor of shape (batch, steps, in, *spatial), with at least 2 spatial axes.
            weight: The kernel of some gates, as it is stored.
            bias: Their bias, or None.

        Returns:
            A tensor of shape (batch, steps, gates * filters, *spatial).
        """
        flat, padding = self.pad(inputs.flatten(0, 1), "constant")
        outputs = convolved(flat, weight, bias, self.strides, padding, self.dilation_rate)
        return outputs.view(*inputs.shape[:2], *outputs.shape[1:])

    def map_state(self, state: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve a state, so padded that its size stays.

        Args:
            state: A tensor of shape (batch, filters, *spatial), with at least 2 spatial axes.
            weight: The recurrent kernel of some gates, as it is stored.
            bias: Their bias, or None.

        Returns:
            A tensor of shape (batch, gates * filters, *spatial).
        """
        axes = zip(state.shape[2:], at_least_two(self.kernel_size), strict=True)
        ends: list[Ends] = [padding_ends("same", size, span, 1) for size, span in axes]
        state, padding = pad_windows(state, ends, "constant")
        steps = (1,) * self.rank
        return convolved(state, weight, bias, steps, padding, dilation=steps)

    def scan(
        self,
        inputs: Tensor,
        states: States,
        return_sequences: bool,
        mask: Tensor | None = None,
        zeros: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Take one step after the other.

        Args:
            inputs: A tensor of shape (batch, steps, ...), in the layer's data format.
            states: The output and the carry before the first step, likewise.
            return_sequences: Whether the output of each step is wanted, and not the last alone.
            mask: Where steps count, of shape (batch, steps); None for everywhere. Elsewhere states
                stay as they are.
            zeros: Whether the output of a step that does not count is zeros, and not that of the
                one before it.

        Returns:
            The output, with an axis of steps after the batch if all are wanted, and the last
            output and carry.
        """
        output, states = super().scan(
            self._channels_first(inputs, 1),
            [self._channels_first(state, 0) for state in states],
            return_sequences,
            mask,
            zeros,
        )
        return self._as_given(output, int(return_sequences)), [
            self._as_given(state, 0) for state in states
        ]

    def _channels_first(self, tensor: Tensor, steps: int) -> Tensor:
        """Return a view with channels before at least 2 spatial axes, after an axis of steps."""
        view = tensor.movedim(self.channel_axis + steps, 1 + steps)
        return view.unsqueeze(2 + steps) if self.rank == 1 else view

    def _as_given(self, tensor: Tensor, steps: int) -> Tensor:
        """Return the view in the layer's data format."""
        view = tensor.squeeze(2 + steps) if self.rank == 1 else tensor
        return view.movedim(1 + steps, self.channel_axis + steps)

    def output_channels(self, channels: int | None) -> int | None:
        """Return how many channels the output has.

        Args:
            channels: How many the input has; None if that is not known.

        Returns:
            The number of filters.
        """
        del channels
        return self.filters

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """Return the sizes of the output and of the states.

        Args:
            input_shape: The sizes of a step's input, the batch first.

        Returns:
            The output's sizes, and a list of those of each state.
        """
        shape = super().compute_output_shape(input_shape)
        return shape, [shape, shape]


class ConvLSTM1DCell(ConvLSTMCell):
    """One step of a `ConvLSTM1D`."""

    rank: ClassVar[int] = 1


class ConvLSTM2DCell(ConvLSTMCell):
    """One step of a `ConvLSTM2D`."""

    rank: ClassVar[int] = 2


class ConvLSTM3DCell(ConvLSTMCell):
    """One step of a `ConvLSTM3D`."""

    rank: ClassVar[int] = 3
