"""Layers that pad, cut or repeat along spatial axes: one, two or three of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.layers.spatial import SpatialLayer
from feasible.layers.symbolic import Shape
from feasible.layers.windows import check_sizes

Ends = tuple[tuple[int, int], ...]


def checked_ends(owner: str, argument: str, value: Any, rank: int) -> Ends:
    """Return amounts before the start and after the end of each axis.

    Args:
        owner: The layer's class.
        argument: The argument's name.
        value: A number for all ends, one for each axis, or a pair for each axis.
        rank: How many axes there are.

    Returns:
        A pair for each axis.

    Raises:
        InvalidArgumentError: If it is none of these.
    """

    def is_amount(one: Any) -> bool:
        return isinstance(one, int) and not isinstance(one, bool) and one >= 0

    if is_amount(value):
        return ((value, value),) * rank
    if isinstance(value, list | tuple):
        if rank == 1 and len(value) == 2 and all(map(is_amount, value)):
            return (tuple(value),)
        pairs = [(one, one) if is_amount(one) else one for one in value]
        whole = all(
            isinstance(pair, list | tuple) and len(pair) == 2 and all(map(is_amount, pair))
            for pair in pairs
        )
        if len(pairs) == rank and whole:
            return tuple(tuple(pair) for pair in pairs)
    allowed = f"a number, or {rank} of them, or {rank} pairs for the start and the end"
    raise InvalidArgumentError(owner, argument, value, allowed)


class _Ends(SpatialLayer):
    """What padding and cropping share."""

    sign: ClassVar[int]
    _ends: Ends

    def call(self, inputs: Tensor) -> Tensor:
        """Change the ends of the spatial axes.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor in the same format.
        """
        amounts = dict(zip(self.spatial_axes, self._ends, strict=True))
        flat: list[int] = []
        for axis in range(inputs.ndim - 1, 0, -1):
            flat.extend(self.sign * one for one in amounts.get(axis, (0, 0)))
        return functional.pad(inputs, flat)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The same, the spatial axes longer or shorter.

        Raises:
            ValueError: If the input has another number of axes, or nothing is left of one.
        """
        self.check_input(input_shape)
        sizes = list(input_shape)
        for axis, ends in zip(self.spatial_axes, self._ends, strict=True):
            size = sizes[axis]
            sizes[axis] = None if size is None else size + self.sign * sum(ends)
            if size is not None and size + self.sign * sum(ends) <= 0:
                raise ValueError(
                    f"{self.name}: nothing would be left of an axis of size {size} without {ends}."
                )
        return tuple(sizes)


class ZeroPadding(_Ends):
    """Adds zeros: what `ZeroPadding1D` to `ZeroPadding3D` share.

    Args:
        padding: How many: one number for all ends, one for each axis, or a pair for each axis.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    sign = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self._ends = checked_ends(type(self).__name__, "padding", padding, self.rank)
        # Keras writes the pair of one axis without a list around it.
        self.padding: Any = self._ends if self.rank > 1 else self._ends[0]


class Cropping(_Ends):
    """Cuts entries off: what `Cropping1D` to `Cropping3D` share.

    Args:
        cropping: How many: one number for all ends, one for each axis, or a pair for each axis.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    sign = -1

    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self._ends = checked_ends(type(self).__name__, "cropping", cropping, self.rank)
        self.cropping: Any = self._ends if self.rank > 1 else self._ends[0]


class UpSampling(SpatialLayer):
    """Repeats entries: what `UpSampling1D` to `UpSampling3D` share.

    Args:
        size: How often: one number for all spatial axes, or one for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        interpolation: ``"nearest"``; of two axes also ``"bilinear"``, between entries.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    interpolations: ClassVar[tuple[str, ...]] = ("nearest",)

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, **kwargs)
        owner = type(self).__name__
        self._times = check_sizes(owner, "size", size, self.rank)
        self.size: Any = self._times if self.rank > 1 else self._times[0]
        self.interpolation = check_choice(
            owner, "interpolation", interpolation, self.interpolations
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Repeat entries.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor in the same format.
        """
        if self.interpolation == "nearest":
            for axis, times in zip(self.spatial_axes, self._times, strict=True):
                inputs = inputs.repeat_interleave(times, axis)
            return inputs
        first = inputs.movedim(self.channel_axis, 1)
        sizes = [size * times for size, times in zip(first.shape[2:], self._times, strict=True)]
        found = functional.interpolate(first, sizes, mode=self.interpolation)
        return found.movedim(1, self.channel_axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The same, the spatial axes longer.

        Raises:
            ValueError: If the input has another number of axes.
        """
        self.check_input(input_shape)
        sizes = list(input_shape)
        for axis, times in zip(self.spatial_axes, self._times, strict=True):
            size = sizes[axis]
            sizes[axis] = None if size is None else size * times
        return tuple(sizes)


class ZeroPadding1D(ZeroPadding):
    """Adds zeros along the spatial axis.

    Example:
        >>> import torch
        >>> ZeroPadding1D(1)(torch.ones(1, 4, 3)).shape
        torch.Size([1, 6, 3])
    """

    rank: ClassVar[int] = 1


class ZeroPadding2D(ZeroPadding):
    """Adds zeros along both spatial axes.

    Example:
        >>> import torch
        >>> ZeroPadding2D(1)(torch.ones(1, 4, 4, 3)).shape
        torch.Size([1, 6, 6, 3])
    """

    rank: ClassVar[int] = 2


class ZeroPadding3D(ZeroPadding):
    """Adds zeros along all three spatial axes.

    Example:
        >>> import torch
        >>> ZeroPadding3D(1)(torch.ones(1, 4, 4, 4, 3)).shape
        torch.Size([1, 6, 6, 6, 3])
    """

    rank: ClassVar[int] = 3


class Cropping1D(Cropping):
    """Cuts entries off along the spatial axis of inputs of shape (batch, steps, channels).

    Args:
        cropping: How many: one number for both ends, or one for the start and one for the end.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If that is neither.

    Example:
        >>> import torch
        >>> Cropping1D(1)(torch.ones(1, 4, 3)).shape
        torch.Size([1, 2, 3])
    """

    rank: ClassVar[int] = 1

    def __init__(self, cropping: Any = 1, **kwargs: Any) -> None:
        super().__init__(cropping, **kwargs)


class Cropping2D(Cropping):
    """Cuts entries off along both spatial axes; by default none.

    Args:
        cropping: How many: one number for all ends, one for each axis, or a pair for each axis.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> Cropping2D(1)(torch.ones(1, 4, 4, 3)).shape
        torch.Size([1, 2, 2, 3])
    """

    rank: ClassVar[int] = 2

    def __init__(self, cropping: Any = 0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(Cropping):
    """Cuts entries off along all three spatial axes.

    Example:
        >>> import torch
        >>> Cropping3D(1)(torch.ones(1, 4, 4, 4, 3)).shape
        torch.Size([1, 2, 2, 2, 3])
    """

    rank: ClassVar[int] = 3


class UpSampling1D(UpSampling):
    """Repeats entries along the spatial axis of inputs of shape (batch, steps, channels).

    Args:
        size: How often.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If that is no integer.

    Example:
        >>> import torch
        >>> UpSampling1D(2)(torch.ones(1, 4, 3)).shape
        torch.Size([1, 8, 3])
    """

    rank: ClassVar[int] = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, **kwargs)


class UpSampling2D(UpSampling):
    """Repeats entries along both spatial axes.

    Example:
        >>> import torch
        >>> UpSampling2D(2)(torch.ones(1, 4, 4, 3)).shape
        torch.Size([1, 8, 8, 3])
    """

    rank: ClassVar[int] = 2
    interpolations = ("nearest", "bilinear", "bicubic")


class UpSampling3D(UpSampling):
    """Repeats entries along all three spatial axes.

    Args:
        size: How often: one number for all axes, or one for each.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> UpSampling3D(2)(torch.ones(1, 4, 4, 4, 3)).shape
        torch.Size([1, 8, 8, 8, 3])
    """

    rank: ClassVar[int] = 3

    def __init__(
        self, size: int | Sequence[int] = 2, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(size, data_format, **kwargs)
