"""Transposed convolutions over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BIAS, TRANSPOSE_KERNEL
from feasible.layers import initializers
from feasible.layers.convolution_base import ConvolutionBase, over_two_axes
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.spatial import at_least_two
from feasible.layers.symbolic import Shape
from feasible.layers.windows import Ends, check_sizes, check_strides_or_dilation, transposed_ends

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


class ConvolutionTranspose(ConvolutionBase):
    """A transposed convolution: what `Conv1DTranspose` to `Conv3DTranspose` share."""

    kernel = WeightOf("kernel")
    kernel_constraint = ConstraintOf("kernel")
    weight: nn.Parameter

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        check_strides_or_dilation(owner, self.strides, self.dilation_rate)
        self.output_padding = self._check_output_padding(output_padding)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_constraint = kernel_constraint

    def _check_output_padding(self, value: Any) -> tuple[int, ...] | None:
        if value is None:
            return None
        owner = type(self).__name__
        sizes = check_sizes(owner, "output_padding", value, self.rank, minimum=0)
        if any(size >= stride for size, stride in zip(sizes, self.strides, strict=True)):
            raise InvalidArgumentError(
                owner, "output_padding", value, f"below the strides, which are {self.strides}"
            )
        return sizes

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        stored_shape = (self.channels_of(input_shape), self.filters, *self.kernel_size)
        self.make_weight(TRANSPOSE_KERNEL, stored_shape, self.kernel_initializer)
        self.add_bias(self.filters)

    def cuts(self) -> list[Ends]:
        """Return how much of the transposed convolution is cut from each spatial axis.

        Returns:
            Amounts at the start and at the end, axis by axis.
        """
        added = self.output_padding or (None,) * self.rank
        axes = zip(added, self.spans, self.strides, strict=True)
        return [transposed_ends(self.padding, *axis) for axis in axes]

    def slide(self, inputs: Tensor) -> Tensor:
        """Apply the transposed convolution to the input.

        Args:
            inputs: A tensor of shape (batch, in, *spatial), with at least 2 spatial axes.

        Returns:
            A tensor of shape (batch, filters, *spatial).
        """
        cuts = at_least_two(self.cuts(), (0, 0))
        strides, dilation = at_least_two(self.strides), at_least_two(self.dilation_rate)
        transposed, weight = _CONVOLUTIONS[len(cuts)], over_two_axes(self.weight)
        if max(self.kernel_size) == 1 < max(strides):
            return self._spread(transposed(inputs, weight), strides, cuts)
        outputs = transposed(
            inputs,
            weight,
            self.bias,
            strides,
            # PyTorch's padding cuts as much from both ends, and its output_padding gives back at
            # the end. It cannot cut more there than at the start: that is left to do.
            padding=[start for start, _ in cuts],
            output_padding=[max(start - end, 0) for start, end in cuts],
            dilation=dilation,
        )
        for axis, (start, end) in enumerate(cuts, start=2):
            if end > start:
                outputs = outputs.narrow(axis, 0, outputs.shape[axis] - (end - start))
        return outputs

    def _spread(self, outputs: Tensor, strides: tuple[int, ...], cuts: Sequence[Ends]) -> Tensor:
        """Return what a kernel of one entry made, `strides` apart; see `convolved` for why."""
        sizes = zip(outputs.shape[2:], strides, strict=True)
        whole = outputs.new_zeros(
            *outputs.shape[:2], *((size - 1) * stride + 1 for size, stride in sizes)
        )
        whole[:, :, *(slice(None, None, stride) for stride in strides)] = outputs
        # Amounts below zero cut.
        whole = functional.pad(whole, [-amount for pair in reversed(cuts) for amount in pair])
        if self.bias is None:
            return whole
        return whole + self.bias.view(-1, *(1 for _ in strides))

    def output_sizes(self, sizes: Sequence[int | None]) -> list[int | None]:
        """Return the sizes of the output's spatial axes.

        Args:
            sizes: Those of the input's; None where a size is not known.

        Returns:
            One for each axis.
        """
        axes = zip(sizes, self.spans, self.strides, self.cuts(), strict=True)
        return [
            None if size is None else (size - 1) * stride + span - start - end
            for size, span, stride, (start, end) in axes
        ]


class Conv1DTranspose(ConvolutionTranspose):
    """A transposed convolution over one spatial axis, which undoes a convolution's sizes.

    It stores what `torch.nn.ConvTranspose1d` stores: `weight` of shape
    ``(in, filters, *kernel_size)``,
    and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The kernel's size.
        strides: The kernel's step in the output.
        padding: ``"valid"`` for the whole output, or ``"same"`` for one cut at both ends to the
            input's size times the strides.
        output_padding: What is added to the end of the output, below the strides; None for as
            much as the last stride lacks.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        dilation_rate: The distance of the kernel's entries. Above 1, the strides must be 1.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, filters, in)``.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Conv1DTranspose(8, 3, strides=2, padding="same")
        >>> layer(np.ones((4, 10, 3))).shape
        torch.Size([4, 20, 8])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 8, 3]), torch.Size([3, 8, 3]))
    """

    rank: ClassVar[int] = 1


class Conv2DTranspose(ConvolutionTranspose):
    """A transposed convolution over two spatial axes, which undoes a convolution's sizes.

    It stores what `torch.nn.ConvTranspose2d` stores: `weight` of shape
    ``(in, filters, *kernel_size)``,
    and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The kernel's size along each axis: an integer for all, or one for each.
        strides: The kernel's step in the output along each axis: an integer for all, or one for
            each.
        padding: ``"valid"`` for the whole output, or ``"same"`` for one cut at both ends to the
            input's size times the strides.
        output_padding: What is added to the end of the output along each axis: an integer for all,
            or one for each, below the strides; None for as much as the last stride lacks.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        dilation_rate: The distance of the kernel's entries along each axis: an integer for all, or
            one for each. Above 1, the strides must be 1.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, filters, in)``.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Conv2DTranspose(8, 3, strides=2, padding="same")
        >>> layer(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 20, 20, 8])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 3, 8, 3]), torch.Size([3, 8, 3, 3]))
    """

    rank: ClassVar[int] = 2


class Conv3DTranspose(ConvolutionTranspose):
    """A transposed convolution over three spatial axes, which undoes a convolution's sizes.

    It stores what `torch.nn.ConvTranspose3d` stores: `weight` of shape
    ``(in, filters, *kernel_size)``,
    and `bias`.

    Args:
        filters: How many channels the output has.
        kernel_size: The kernel's size along each axis: an integer for all, or one for each.
        strides: The kernel's step in the output along each axis: an integer for all, or one for
            each.
        padding: ``"valid"`` for the whole output, or ``"same"`` for one cut at both ends to the
            input's size times the strides.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, depth, rows, columns, channels) or (batch, channels, depth, rows,
            columns).
        output_padding: What is added to the end of the output along each axis: an integer for all,
            or one for each, below the strides; None for as much as the last stride lacks.
        dilation_rate: The distance of the kernel's entries along each axis: an integer for all, or
            one for each. Above 1, the strides must be 1.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape ``(*kernel_size, filters, in)``.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Conv3DTranspose(8, 3, strides=2, padding="same")
        >>> layer(np.ones((4, 6, 6, 6, 3))).shape
        torch.Size([4, 12, 12, 12, 8])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 3, 3, 8, 3]), torch.Size([3, 8, 3, 3, 3]))
    """

    rank: ClassVar[int] = 3

    # Keras has output_padding after data_format here, and before it elsewhere.
    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: int | Sequence[int] | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )


register_layouts(ConvolutionTranspose, TRANSPOSE_KERNEL, BIAS)

Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
