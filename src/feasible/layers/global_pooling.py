"""Pooling over whole spatial axes: one, two or three of them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from feasible.layers.spatial import SpatialLayer
from feasible.layers.symbolic import Shape


class GlobalPooling(SpatialLayer):
    """A layer that makes one value of all those of a channel.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        keepdims: Whether the spatial axes stay, with size 1.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.keepdims = bool(keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            Those of the batch and the channels, and 1 for each spatial axis that stays.

        Raises:
            ValueError: If the input has another number of axes.
        """
        self.check_input(input_shape)
        return tuple(
            1 if axis in self.spatial_axes else size
            for axis, size in enumerate(input_shape)
            if self.keepdims or axis not in self.spatial_axes
        )


class GlobalMaxPooling(GlobalPooling):
    """The largest value: what `GlobalMaxPooling1D` to `GlobalMaxPooling3D` share."""

    def call(self, inputs: Tensor) -> Tensor:
        """Take the largest value of each channel.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor of shape (batch, channels), or with the axes of the input.
        """
        return inputs.amax(self.spatial_axes, self.keepdims)


class GlobalAveragePooling(GlobalPooling):
    """The mean: what `GlobalAveragePooling1D` to `GlobalAveragePooling3D` share."""

    def call(self, inputs: Tensor) -> Tensor:
        """Take the mean of each channel.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor of shape (batch, channels), or with the axes of the input.
        """
        dtype = None if inputs.is_floating_point() else torch.get_default_dtype()
        return inputs.mean(self.spatial_axes, self.keepdims, dtype=dtype)


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest value over the spatial axis, channel by channel.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        keepdims: Whether the spatial axes stay, with size 1.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling1D()(np.ones((4, 10, 3))).shape
        torch.Size([4, 3])
    """

    rank: ClassVar[int] = 1


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest value over all two spatial axes, channel by channel.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        keepdims: Whether the spatial axes stay, with size 1.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling2D()(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 3])
    """

    rank: ClassVar[int] = 2


class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest value over all three spatial axes, channel by channel.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, depth, rows, columns, channels) or (batch, channels, depth, rows,
            columns).
        keepdims: Whether the spatial axes stay, with size 1.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> GlobalMaxPooling3D()(np.ones((4, 6, 6, 6, 3))).shape
        torch.Size([4, 3])
    """

    rank: ClassVar[int] = 3


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean over the spatial axis, channel by channel.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, steps, channels) or (batch, channels, steps).
        keepdims: Whether the spatial axes stay, with size 1.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling1D()(np.ones((4, 10, 3))).shape
        torch.Size([4, 3])
    """

    rank: ClassVar[int] = 1
    supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Take the mean of each channel over the steps that count.

        Args:
            inputs: A tensor in the layer's data format.
            mask: Where steps count, of shape (batch, steps); None for everywhere.

        Returns:
            A tensor of shape (batch, channels), or with the axes of the input.
        """
        if mask is None:
            return super().call(inputs)
        axis = self.spatial_axes[0]
        counted = mask.to(inputs.dtype).unsqueeze(-1 if axis == 1 else 1)
        return (inputs * counted).sum(axis, self.keepdims) / counted.sum(axis, self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any) -> None:
        """Return that the output has no steps.

        Args:
            inputs: The layer's input.
            mask: The mask that it carries.
        """
        del inputs, mask


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean over all two spatial axes, channel by channel.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, rows, columns, channels) or (batch, channels, rows, columns).
        keepdims: Whether the spatial axes stay, with size 1.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling2D()(np.ones((4, 10, 10, 3))).shape
        torch.Size([4, 3])
    """

    rank: ClassVar[int] = 2


class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean over all three spatial axes, channel by channel.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``: an input
            of shape (batch, depth, rows, columns, channels) or (batch, channels, depth, rows,
            columns).
        keepdims: Whether the spatial axes stay, with size 1.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> GlobalAveragePooling3D()(np.ones((4, 6, 6, 6, 3))).shape
        torch.Size([4, 3])
    """

    rank: ClassVar[int] = 3


GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
