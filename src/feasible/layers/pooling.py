"""Pooling over windows along one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from feasible.layers.spatial import WindowLayer, at_least_two
from feasible.layers.windows import check_sizes

Sizes = tuple[int, ...]

_MAXIMA: dict[int, Callable[..., Tensor]] = {2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGES: dict[int, Callable[..., Tensor]] = {2: functional.avg_pool2d, 3: functional.avg_pool3d}


class Pooling(WindowLayer):
    """A layer that makes one value of those in each window, channel by channel.

    Args:
        pool_size: The window's size along each spatial axis.
        strides: The window's step along each axis; None for its size.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        sizes = check_sizes(type(self).__name__, "pool_size", pool_size, self.rank)
        super().__init__(
            sizes, sizes if strides is None else strides, padding, data_format, **kwargs
        )
        self.pool_size = sizes


class MaxPooling(Pooling):
    """The largest value of each window: what `MaxPooling1D` to `MaxPooling3D` share."""

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def slide(self, inputs: Tensor) -> Tensor:
        """Take the largest value of each window.

        Args:
            inputs: A tensor of shape (batch, channels, *spatial), with at least 2 spatial axes.

        Returns:
            A tensor with the same axes.
        """
        sizes, strides = at_least_two(self.pool_size), at_least_two(self.strides)
        # PyTorch pads both ends alike, and in ceil_mode lets the last window stand out at the end,
        # which is all that "same" needs where strides are taken. Where they are not, both ends are
        # padded like the longer one, which puts one window too many at the start.
        ends = self.padding_of(inputs)
        padding = [
            end if stride == 1 else start
            for (start, end), stride in zip(ends, strides, strict=True)
        ]
        outputs = _MAXIMA[len(sizes)](
            inputs, sizes, strides, padding, ceil_mode=self.padding == "same"
        )
        for axis, ((start, _), padded) in enumerate(zip(ends, padding, strict=True), start=2):
            if padded > start:
                outputs = outputs.narrow(axis, 1, outputs.shape[axis] - 1)
        return outputs


class AveragePooling(Pooling):
    """The mean of each window: what `AveragePooling1D` to `AveragePooling3D` share."""

    def slide(self, inputs: Tensor) -> Tensor:
        """Take the mean of each window.

        Args:
            inputs: A tensor of shape (batch, channels, *spatial), with at least 2 spatial axes.

        Returns:
            A tensor with the same axes.
        """
        # PyTorch's own padding does not count, and is all there is where both ends have the same.
        inputs, padding = self.pad(inputs, "replicate")
        sizes, strides = at_least_two(self.pool_size), at_least_two(self.strides)
        if len(sizes) == 2 or inputs.is_contiguous():
            average = _AVERAGES[len(sizes)]
            return average(inputs, sizes, strides, padding, count_include_pad=False)
        return _average_volumes(inputs, sizes, strides, padding)


def _average_volumes(inputs: Tensor, sizes: Sizes, strides: Sizes, padding: Sizes) -> Tensor:
    """Return what avg_pool3d does, which would copy an input whose channels are last.

    The mean of a volume is one over rows and columns, and then one over depth.
    """
    batch, channels, depth = inputs.shape[:3]
    images = inputs.movedim(2, 1).flatten(0, 1)
    images = functional.avg_pool2d(
        images, sizes[1:], strides[1:], padding[1:], count_include_pad=False
    )
    rows, columns = images.shape[2:]
    # Each row, column and channel has a line of entries along the depth.
    lines = images.movedim(1, -1).reshape(batch, 1, depth, rows * columns * channels)
    lines = functional.avg_pool2d(
        lines.movedim(-1, 1),
        (1, sizes[0]),
        (1, strides[0]),
        (0, padding[0]),
        count_include_pad=False,
    )
    volumes = lines.movedim(1, -1).reshape(batch, lines.shape[-1], rows, columns, channels)
    return volumes.movedim(-1, 1)


class MaxPooling1D(MaxPooling):
    """The largest value in each window along one spatial axis, channel by channel.

    Args:
        pool_size: The window's size.
        strides: The window's step; None for its size.
        padding: ``"valid"`` for none, or ``"same"`` for so much at both ends that the output's size
            is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> MaxPooling1D(2)(np.ones((4, 10, 3))).shape
        torch.Size([4, 5, 3])
    """

    rank: ClassVar[int] = 1


class MaxPooling2D(MaxPooling):
    """The largest value in each window along two spatial axes, channel by channel.

    Args:
        pool_size: The window's size along each axis: an integer for all, or one for each.
        strides: The window's step along each axis: an integer for all, or one for each; None for
            its size.
        padding: ``"valid"`` for none, or ``"same"`` for so much at both ends that the output's size
            is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> MaxPooling2D(2)(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 5, 5, 3])
    """

    rank: ClassVar[int] = 2


class MaxPooling3D(MaxPooling):
    """The largest value in each window along three spatial axes, channel by channel.

    Args:
        pool_size: The window's size along each axis: an integer for all, or one for each.
        strides: The window's step along each axis: an integer for all, or one for each; None for
            its size.
        padding: ``"valid"`` for none, or ``"same"`` for so much at both ends that the output's size
            is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, depth, rows, columns, channels) or (batch, channels, depth, rows,
            columns).
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> MaxPooling3D(2)(np.ones((4, 6, 6, 6, 3))).shape
        torch.Size([4, 3, 3, 3, 3])
    """

    rank: ClassVar[int] = 3


class AveragePooling1D(AveragePooling):
    """The mean in each window along one spatial axis, channel by channel.

    Padding does not count; where it is longer at the end, the outermost values count again for it,
    as Keras has it on PyTorch.

    Args:
        pool_size: The window's size.
        strides: The window's step; None for its size.
        padding: ``"valid"`` for none, or ``"same"`` for so much at both ends that the output's size
            is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> AveragePooling1D(2)(np.ones((4, 10, 3))).shape
        torch.Size([4, 5, 3])
    """

    rank: ClassVar[int] = 1


class AveragePooling2D(AveragePooling):
    """The mean in each window along two spatial axes, channel by channel.

    Padding does not count; where it is longer at the end, the outermost values count again for it,
    as Keras has it on PyTorch.

    Args:
        pool_size: The window's size along each axis: an integer for all, or one for each.
        strides: The window's step along each axis: an integer for all, or one for each; None for
            its size.
        padding: ``"valid"`` for none, or ``"same"`` for so much at both ends that the output's size
            is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> AveragePooling2D(2)(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 5, 5, 3])
    """

    rank: ClassVar[int] = 2


class AveragePooling3D(AveragePooling):
    """The mean in each window along three spatial axes, channel by channel.

    Padding does not count; where it is longer at the end, the outermost values count again for it,
    as Keras has it on PyTorch.

    Args:
        pool_size: The window's size along each axis: an integer for all, or one for each.
        strides: The window's step along each axis: an integer for all, or one for each; None for
            its size.
        padding: ``"valid"`` for none, or ``"same"`` for so much at both ends that the output's size
            is the input's divided by the strides, rounded up.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, depth, rows, columns, channels) or (batch, channels, depth, rows,
            columns).
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> AveragePooling3D(2)(np.ones((4, 6, 6, 6, 3))).shape
        torch.Size([4, 3, 3, 3, 3])
    """

    rank: ClassVar[int] = 3


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
