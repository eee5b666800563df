"""Pooling to a given size: windows that divide each spatial axis into so many parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from feasible.layers.spatial import SpatialLayer
from feasible.layers.symbolic import Shape
from feasible.layers.windows import check_sizes


class AdaptivePooling(SpatialLayer):
    """A layer that makes one value of those in each of so many windows, channel by channel.

    Windows are as equal in size as they can be, and overlap where the sizes do not divide.

    Args:
        output_size: How many windows there are along each spatial axis: an integer for all, or one
            for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    pools: ClassVar[Mapping[int, Callable[..., Tensor]]]

    def __init__(
        self, output_size: int | Sequence[int], data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.output_size = check_sizes(type(self).__name__, "output_size", output_size, self.rank)

    def call(self, inputs: Tensor) -> Tensor:
        """Pool the windows.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor in the same format.
        """
        pooled = self.pools[self.rank](inputs.movedim(self.channel_axis, 1), self.output_size)
        return pooled.movedim(1, self.channel_axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The same, save those of the spatial axes.

        Raises:
            ValueError: If the input has another number of axes.
        """
        self.check_input(input_shape)
        sizes = dict(zip(self.spatial_axes, self.output_size, strict=True))
        return tuple(sizes.get(axis, size) for axis, size in enumerate(input_shape))


class AdaptiveMaxPooling(AdaptivePooling):
    """The largest value: what `AdaptiveMaxPooling1D` to `AdaptiveMaxPooling3D` share."""

    pools: ClassVar = {
        1: functional.adaptive_max_pool1d,
        2: functional.adaptive_max_pool2d,
        3: functional.adaptive_max_pool3d,
    }


class AdaptiveAveragePooling(AdaptivePooling):
    """The mean: what `AdaptiveAveragePooling1D` to `AdaptiveAveragePooling3D` share."""

    pools: ClassVar = {
        1: functional.adaptive_avg_pool1d,
        2: functional.adaptive_avg_pool2d,
        3: functional.adaptive_avg_pool3d,
    }


class AdaptiveMaxPooling1D(AdaptiveMaxPooling):
    """The largest value in each window along the spatial axis, channel by channel.

    Args:
        output_size: How many windows there are.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> AdaptiveMaxPooling1D(2)(torch.ones(4, 10, 3)).shape
        torch.Size([4, 2, 3])
    """

    rank: ClassVar[int] = 1


class AdaptiveMaxPooling2D(AdaptiveMaxPooling):
    """The largest value in each window along both spatial axes, channel by channel.

    Args:
        output_size: How many windows each axis has: an integer for all, or one for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> AdaptiveMaxPooling2D(2)(torch.ones(4, 10, 9, 3)).shape
        torch.Size([4, 2, 2, 3])
    """

    rank: ClassVar[int] = 2


class AdaptiveMaxPooling3D(AdaptiveMaxPooling):
    """The largest value in each window along all three spatial axes, channel by channel.

    Args:
        output_size: How many windows each axis has: an integer for all, or one for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> AdaptiveMaxPooling3D(2)(torch.ones(4, 6, 5, 4, 3)).shape
        torch.Size([4, 2, 2, 2, 3])
    """

    rank: ClassVar[int] = 3


class AdaptiveAveragePooling1D(AdaptiveAveragePooling):
    """The mean in each window along the spatial axis, channel by channel.

    Args:
        output_size: How many windows there are.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> AdaptiveAveragePooling1D(2)(torch.ones(4, 10, 3)).shape
        torch.Size([4, 2, 3])
    """

    rank: ClassVar[int] = 1


class AdaptiveAveragePooling2D(AdaptiveAveragePooling):
    """The mean in each window along both spatial axes, channel by channel.

    Args:
        output_size: How many windows each axis has: an integer for all, or one for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> AdaptiveAveragePooling2D(2)(torch.ones(4, 10, 9, 3)).shape
        torch.Size([4, 2, 2, 3])
    """

    rank: ClassVar[int] = 2


class AdaptiveAveragePooling3D(AdaptiveAveragePooling):
    """The mean in each window along all three spatial axes, channel by channel.

    Args:
        output_size: How many windows each axis has: an integer for all, or one for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> AdaptiveAveragePooling3D(2)(torch.ones(4, 6, 5, 4, 3)).shape
        torch.Size([4, 2, 2, 2, 3])
    """

    rank: ClassVar[int] = 3
