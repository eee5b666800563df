"""Depthwise convolutions over one and two spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from feasible.arguments import check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BIAS, depthwise_layout
from feasible.layers import initializers
from feasible.layers.convolution_base import ConvolutionBase
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape
from feasible.layouts import ParameterLayout


class DepthwiseConvolution(ConvolutionBase):
    """A depthwise convolution: what `DepthwiseConv1D` and `DepthwiseConv2D` share."""

    kernel = WeightOf("depthwise_kernel")
    depthwise_kernel = WeightOf("depthwise_kernel")
    depthwise_constraint = ConstraintOf("depthwise_kernel")
    weight: nn.Parameter
    groups: int
    # Asked for while the layer is being made.
    kernel_layout: ParameterLayout = depthwise_layout(1)

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = check_integer(
            type(self).__name__, "depth_multiplier", depth_multiplier
        )
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.kernel_layout = depthwise_layout(self.depth_multiplier)
        self.depthwise_constraint = depthwise_constraint

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        self.groups = self.channels_of(input_shape)
        outputs = self.groups * self.depth_multiplier
        self.make_weight(
            self.kernel_layout, (outputs, 1, *self.kernel_size), self.depthwise_initializer
        )
        self.add_bias(outputs)

    def slide(self, inputs: Tensor) -> Tensor:
        """Convolve each channel of the input on its own.

        Args:
            inputs: A tensor of shape (batch, in, *spatial), with at least 2 spatial axes.

        Returns:
            A tensor of shape (batch, in * depth_multiplier, *spatial).
        """
        return self.convolve(inputs, self.weight, self.bias, self.groups)

    def output_channels(self, channels: int | None) -> int | None:
        """Return how many channels the output has.

        Args:
            channels: How many the input has; None if that is not known.

        Returns:
            Their number times the multiplier.
        """
        return None if channels is None else channels * self.depth_multiplier


class DepthwiseConv1D(DepthwiseConvolution):
    """A convolution of each channel on its own, over one spatial axis.

    It stores what `torch.nn.Conv1d` with `groups=in` stores: `weight` of shape ``(in *
    depth_multiplier, 1, *kernel_size)``, and `bias`.

    Args:
        kernel_size: The kernel's size.
        strides: The kernel's step.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends, so many that the
            output's size is the input's divided by the strides, rounded up.
        depth_multiplier: How many kernels each channel of the input has.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        dilation_rate: The distance of the kernel's entries.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        depthwise_initializer: Initial values of the kernel, of shape ``(*kernel_size, in,
            depth_multiplier)``.
        bias_initializer: Initial values of the bias.
        depthwise_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = DepthwiseConv1D(3, depth_multiplier=2)
        >>> layer(np.ones((4, 10, 3))).shape
        torch.Size([4, 8, 6])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 3, 2]), torch.Size([6, 1, 3]))
    """

    rank: ClassVar[int] = 1


class DepthwiseConv2D(DepthwiseConvolution):
    """A convolution of each channel on its own, over two spatial axes.

    It stores what `torch.nn.Conv2d` with `groups=in` stores: `weight` of shape ``(in *
    depth_multiplier, 1, *kernel_size)``, and `bias`.

    Args:
        kernel_size: The kernel's size along each axis: an integer for all, or one for each.
        strides: The kernel's step along each axis: an integer for all, or one for each.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends, so many that the
            output's size is the input's divided by the strides, rounded up.
        depth_multiplier: How many kernels each channel of the input has.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        dilation_rate: The distance of the kernel's entries along each axis: an integer for all, or
            one for each.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        depthwise_initializer: Initial values of the kernel, of shape ``(*kernel_size, in,
            depth_multiplier)``.
        bias_initializer: Initial values of the bias.
        depthwise_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = DepthwiseConv2D(3, depth_multiplier=2)
        >>> layer(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 8, 8, 6])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 3, 3, 2]), torch.Size([6, 1, 3, 3]))
    """

    rank: ClassVar[int] = 2


register_layouts(DepthwiseConvolution, lambda layer: (layer.kernel_layout, BIAS))
