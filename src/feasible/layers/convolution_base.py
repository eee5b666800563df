"""What all convolutions share: the kernel's arguments, the bias, the activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from feasible.arguments import check_integer
from feasible.known_layouts.torch_layouts import BIAS
from feasible.layers import activations, initializers
from feasible.layers.roles import ConstraintOf
from feasible.layers.spatial import WindowLayer, at_least_two
from feasible.layers.symbolic import Shape
from feasible.layers.windows import check_sizes, window_span

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {2: functional.conv2d, 3: functional.conv3d}


class ConvolutionBase(WindowLayer):
    """A layer that slides kernels over its input, adds a bias and applies an activation.

    Args:
        kernel_size: The kernel's size along each spatial axis.
        strides: The kernel's step along each axis.
        padding: One of `paddings`.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        dilation_rate: The distance of the kernel's entries along each axis.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        bias_initializer: Initial values of the bias.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    bias_constraint = ConstraintOf("bias")
    filters: int
    bias: nn.Parameter | None

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        dilation_rate: int | Sequence[int],
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        sizes = check_sizes(owner, "kernel_size", kernel_size, self.rank)
        dilation = check_sizes(owner, "dilation_rate", dilation_rate, self.rank)
        spans = map(window_span, sizes, dilation)
        super().__init__(tuple(spans), strides, padding, data_format, **kwargs)
        self.kernel_size = sizes
        self.dilation_rate = dilation
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_constraint = bias_constraint

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has other axes, sizes or channels than the layer can take.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        super().check_input(shape)
        channels = shape[self.channel_axis]
        wanted = (
            self.input_shape[self.channel_axis] if self.built and self.input_shape else channels
        )
        # Compared with !=, which torch.compile can trace for a size that it keeps open.
        if channels is None or channels != wanted:
            raise ValueError(
                f"{self.name}: the input must have {wanted or 'a known number of'} channels, which "
                f'are axis {self.channel_axis} for data_format="{self.data_format}". '
                f"Received: shape {shape}."
            )

    def channels_of(self, input_shape: Shape) -> int:
        """Return how many channels an input has.

        Args:
            input_shape: Its sizes, the batch first.

        Returns:
            The number of channels.
        """
        return check_integer(self.name, "channels", input_shape[self.channel_axis])

    def add_bias(self, channels: int) -> None:
        """Make the bias, if there is to be one.

        Args:
            channels: How many channels the output has.
        """
        if self.use_bias:
            self.make_weight(BIAS, (channels,), self.bias_initializer)
        else:
            self.register_parameter("bias", None)

    def output_channels(self, channels: int | None) -> int | None:
        """Return how many channels the output has.

        Args:
            channels: How many the input has; None if that is not known.

        Returns:
            The number of filters.
        """
        del channels
        return self.filters

    def convolve(self, inputs: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Convolve an input, padded and with the strides and the dilation of this layer.

        Args:
            inputs: A tensor of shape (batch, in, *spatial), with at least 2 spatial axes.
            weight: A kernel of shape (out, in / groups, *spatial).
            bias: A bias of shape (out,), or None.
            groups: In how many groups the channels are convolved on their own.

        Returns:
            A tensor of shape (batch, out, *spatial).
        """
        inputs, padding = self.pad(inputs, "constant")
        return convolved(inputs, weight, bias, self.strides, padding, self.dilation_rate, groups)

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the layer's output.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor in the same format.
        """
        outputs: Tensor = self.activation(super().call(inputs))
        return outputs


def convolved(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """Convolve an input.

    With strides, oneDNN's gradient of a kernel of one entry writes past its memory where channels
    come last (https://github.com/uxlfoundation/oneDNN/issues/6035). What lies between the strides,
    which such a kernel never sees, is therefore left out first.

    Args:
        inputs: A tensor of shape (batch, in, *spatial), with at least 2 spatial axes.
        weight: A kernel of shape (out, in / groups, *spatial), with 1 spatial axis or more.
        bias: A bias of shape (out,), or None.
        strides: The kernel's step along each of its spatial axes.
        padding: The zeros on either side of each of the input's spatial axes.
        dilation: The distance of the kernel's entries along each of its spatial axes.
        groups: In how many groups the channels are convolved on their own.

    Returns:
        A tensor of shape (batch, out, *spatial).
    """
    strides, weight = at_least_two(strides), over_two_axes(weight)
    if max(weight.shape[2:]) == 1 < max(strides):
        seen = tuple(slice(None, None, stride) for stride in strides)
        inputs, strides = inputs[:, :, *seen], (1,) * len(strides)
    convolution = _CONVOLUTIONS[len(strides)]
    return convolution(inputs, weight, bias, strides, padding, at_least_two(dilation), groups)


def over_two_axes(weight: Tensor) -> Tensor:
    """Return a view of a kernel with at least 2 spatial axes, as the input has.

    Args:
        weight: A kernel of shape (out, in, *spatial).

    Returns:
        The kernel, with an axis of size 1 before a single spatial one.
    """
    return weight.unsqueeze(2) if weight.ndim == 3 else weight
