"""Convolutions over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BIAS, KERNEL
from feasible.layers import initializers
from feasible.layers.convolution_base import ConvolutionBase
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape
from feasible.layers.windows import check_strides_or_dilation


class Convolution(ConvolutionBase):
    """A convolution: what `Conv1D`, `Conv2D` and `Conv3D`, which say what it takes, share."""

    kernel = WeightOf("kernel")
    kernel_constraint = ConstraintOf("kernel")
    weight: nn.Parameter

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
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
        self.groups = check_integer(owner, "groups", groups)
        if self.filters % self.groups:
            raise InvalidArgumentError(
                owner, "groups", groups, f"a divisor of filters, which is {filters}"
            )
        check_strides_or_dilation(owner, self.strides, self.dilation_rate)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_constraint = kernel_constraint

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has other axes, sizes or channels than the layer can take.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        super().check_input(shape)
        if self.channels_of(shape) % self.groups:
            raise ValueError(
                f"{self.name}: the input's channels must be divisible by groups={self.groups}. "
                f"Received: {self.channels_of(shape)} channels, shape {shape}."
            )

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        inputs = self.channels_of(input_shape) // self.groups
        self.make_weight(KERNEL, (self.filters, inputs, *self.kernel_size), self.kernel_initializer)
        self.add_bias(self.filters)

    def slide(self, inputs: Tensor) -> Tensor:
        """Convolve the input.

        Args:
            inputs: A tensor of shape (batch, in, *spatial), with at least 2 spatial axes.

        Returns:
            A tensor of shape (batch, filters, *spatial).
        """
        return self.convolve(inputs, self.weight, self.bias, self.groups)


class Conv1D(Convolution):
    """A convolution over one spatial axis, such as time.

    It stores what `torch.nn.Conv1d` stores: `weight` of shape
    ``(filters, in / groups, *kernel_size)``,
    and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The kernel's size.
        strides: The kernel's step.
        padding: ``"valid"`` for none, ``"same"`` for zeros at both ends, so many that the output's
            size is the input's divided by the strides, rounded up, or ``"causal"`` for as many at
            the start only, so that no output depends on a later input.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        dilation_rate: The distance of the kernel's entries. Above 1, the strides must be 1.
        groups: In how many groups the channels are convolved on their own.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, in / groups,
            filters)``.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Conv1D(8, 3)
        >>> layer(np.ones((4, 10, 3))).shape
        torch.Size([4, 8, 8])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 3, 8]), torch.Size([8, 3, 3]))
    """

    rank: ClassVar[int] = 1
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same", "causal")


class Conv2D(Convolution):
    """A convolution over two spatial axes, such as those of images.

    It stores what `torch.nn.Conv2d` stores: `weight` of shape
    ``(filters, in / groups, *kernel_size)``,
    and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The kernel's size along each axis: an integer for all, or one for each.
        strides: The kernel's step along each axis: an integer for all, or one for each.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends, so many that the
            output's size is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        dilation_rate: The distance of the kernel's entries along each axis: an integer for all, or
            one for each. Above 1, the strides must be 1.
        groups: In how many groups the channels are convolved on their own.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, in / groups,
            filters)``.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Conv2D(8, 3)
        >>> layer(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 8, 8, 8])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 3, 3, 8]), torch.Size([8, 3, 3, 3]))
    """

    rank: ClassVar[int] = 2


class Conv3D(Convolution):
    """A convolution over three spatial axes, such as those of volumes.

    It stores what `torch.nn.Conv3d` stores: `weight` of shape
    ``(filters, in / groups, *kernel_size)``,
    and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The kernel's size along each axis: an integer for all, or one for each.
        strides: The kernel's step along each axis: an integer for all, or one for each.
        padding: ``"valid"`` for none, or ``"same"`` for zeros at both ends, so many that the
            output's size is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, depth, rows, columns, channels) or (batch, channels, depth, rows,
            columns).
        dilation_rate: The distance of the kernel's entries along each axis: an integer for all, or
            one for each. Above 1, the strides must be 1.
        groups: In how many groups the channels are convolved on their own.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, in / groups,
            filters)``.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Conv3D(8, 3)
        >>> layer(np.ones((4, 6, 6, 6, 3))).shape
        torch.Size([4, 4, 4, 4, 8])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 3, 3, 3, 8]), torch.Size([8, 3, 3, 3, 3]))
    """

    rank: ClassVar[int] = 3


register_layouts(Convolution, KERNEL, BIAS)

Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
