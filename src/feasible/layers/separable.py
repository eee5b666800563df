"""Separable convolutions over one and two spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from feasible.arguments import check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BIAS, KERNEL, depthwise_layout
from feasible.layers import initializers
from feasible.layers.convolution_base import ConvolutionBase, over_two_axes
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape
from feasible.layouts import ParameterLayout

POINTWISE = replace(KERNEL, parameter="pointwise_weight", role="pointwise_kernel")


class SeparableConvolution(ConvolutionBase):
    """A separable convolution: what `SeparableConv1D` and `SeparableConv2D` share."""

    depthwise_kernel = WeightOf("depthwise_kernel")
    pointwise_kernel = WeightOf("pointwise_kernel")
    depthwise_constraint = ConstraintOf("depthwise_kernel")
    pointwise_constraint = ConstraintOf("pointwise_kernel")
    depthwise_weight: nn.Parameter
    pointwise_weight: nn.Parameter
    groups: int
    # Asked for while the layer is being made.
    kernel_layout: ParameterLayout = depthwise_layout(1, "depthwise_weight")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
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
        owner = type(self).__name__
        self.filters = check_integer(owner, "filters", filters)
        self.depth_multiplier = check_integer(owner, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.kernel_layout = depthwise_layout(self.depth_multiplier, "depthwise_weight")
        self.depthwise_constraint = depthwise_constraint
        self.pointwise_constraint = pointwise_constraint

    def build(self, input_shape: Shape) -> None:
        """Make both kernels and the bias.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        self.groups = self.channels_of(input_shape)
        between = self.groups * self.depth_multiplier
        pointwise_shape = (self.filters, between, *(1,) * self.rank)
        self.make_weight(
            self.kernel_layout, (between, 1, *self.kernel_size), self.depthwise_initializer
        )
        self.make_weight(POINTWISE, pointwise_shape, self.pointwise_initializer)
        self.add_bias(self.filters)

    def slide(self, inputs: Tensor) -> Tensor:
        """Convolve each channel of the input on its own, then mix the channels.

        Args:
            inputs: A tensor of shape (batch, in, *spatial), with at least 2 spatial axes.

        Returns:
            A tensor of shape (batch, filters, *spatial).
        """
        between = self.convolve(inputs, self.depthwise_weight, None, self.groups)
        return functional.conv2d(between, over_two_axes(self.pointwise_weight), self.bias)


class SeparableConv1D(SeparableConvolution):
    """A depthwise convolution over one spatial axis, then one that mixes the channels.

    It stores what two `torch.nn.Conv1d` store: `depthwise_weight` of shape
    ``(in * depth_multiplier,
    1, *kernel_size)``, `pointwise_weight` of shape (filters, in * depth_multiplier, 1), and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The depthwise kernel's size.
        strides: The depthwise kernel's step.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends, so many that the
            output's size is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        dilation_rate: The distance of the depthwise kernel's entries.
        depth_multiplier: How many depthwise kernels each channel of the input has.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        depthwise_initializer: Initial values of the depthwise kernel, of shape ``(*kernel_size, in,
            depth_multiplier)``.
        pointwise_initializer: Initial values of the pointwise kernel, of shape (1, in *
            depth_multiplier, filters).
        bias_initializer: Initial values of the bias.
        depthwise_constraint: The depthwise kernel's constraint.
        pointwise_constraint: The pointwise kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = SeparableConv1D(8, 3, depth_multiplier=2)
        >>> layer(np.ones((4, 10, 3))).shape
        torch.Size([4, 8, 8])
        >>> layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        (torch.Size([3, 3, 2]), torch.Size([1, 6, 8]))
    """

    rank: ClassVar[int] = 1


class SeparableConv2D(SeparableConvolution):
    """A depthwise convolution over two spatial axes, then one that mixes the channels.

    It stores what two `torch.nn.Conv2d` store: `depthwise_weight` of shape
    ``(in * depth_multiplier,
    1, *kernel_size)``, `pointwise_weight` of shape (filters, in * depth_multiplier, 1, 1), and
    `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The depthwise kernel's size along each axis: an integer for all, or one for
            each.
        strides: The depthwise kernel's step along each axis: an integer for all, or one for each.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends, so many that the
            output's size is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        dilation_rate: The distance of the depthwise kernel's entries along each axis: an integer
            for all, or one for each.
        depth_multiplier: How many depthwise kernels each channel of the input has.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        depthwise_initializer: Initial values of the depthwise kernel, of shape ``(*kernel_size, in,
            depth_multiplier)``.
        pointwise_initializer: Initial values of the pointwise kernel, of shape (1, 1, in *
            depth_multiplier, filters).
        bias_initializer: Initial values of the bias.
        depthwise_constraint: The depthwise kernel's constraint.
        pointwise_constraint: The pointwise kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = SeparableConv2D(8, 3, depth_multiplier=2)
        >>> layer(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 8, 8, 8])
        >>> layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        (torch.Size([3, 3, 3, 2]), torch.Size([1, 1, 6, 8]))
    """

    rank: ClassVar[int] = 2


register_layouts(SeparableConvolution, lambda layer: (layer.kernel_layout, POINTWISE, BIAS))

SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
