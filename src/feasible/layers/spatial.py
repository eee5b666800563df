"""What layers over spatial axes share: data formats without copies, and windows that slide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from torch import Tensor
from torch.nn import functional

from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape
from feasible.layers.windows import Ends, check_name, check_sizes, output_size, padding_ends

Value = TypeVar("Value")


class SpatialLayer(Layer):
    """A layer whose input has a batch axis, `rank` spatial axes, and channels last or first.

    Args:
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the data format is neither.
    """

    rank: ClassVar[int]

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_name(
            type(self).__name__,
            "data_format",
            "channels_last" if data_format is None else data_format,
            ("channels_last", "channels_first"),
        )

    @property
    def channel_axis(self) -> int:
        """The channels' axis."""
        return self.rank + 1 if self.data_format == "channels_last" else 1

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes between or after batch and channels."""
        start = 1 if self.data_format == "channels_last" else 2
        return tuple(range(start, start + self.rank))

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has another number of axes.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        if len(shape) != self.rank + 2:
            spatial = f"{self.rank} spatial {'axis' if self.rank == 1 else 'axes'}"
            axes = ["batch", spatial, "channels"]
            if self.data_format == "channels_first":
                axes = ["batch", "channels", spatial]
            raise ValueError(
                f"{self.name}: the input must have {self.rank + 2} axes: {', '.join(axes)}. "
                f"Received: shape {shape}."
            )


class WindowedLayer(SpatialLayer):
    """A layer with a window over the spatial axes: its step, its padding and the output's sizes.

    Args:
        spans: How many entries of each axis the window reaches over.
        strides: The window's step along each axis.
        padding: One of `paddings`.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __init__(
        self,
        spans: Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.spans = tuple(spans)
        self.strides = check_sizes(type(self).__name__, "strides", strides, self.rank)
        self.padding = check_name(type(self).__name__, "padding", padding, self.paddings)

    def padding_of(self, inputs: Tensor) -> list[Ends]:
        """Return how much each spatial axis of an input is to be padded.

        Args:
            inputs: What `slide` was given.

        Returns:
            Amounts before the start and after the end, axis by axis.
        """
        axes = zip(
            inputs.shape[2:], at_least_two(self.spans), at_least_two(self.strides), strict=True
        )
        return [padding_ends(self.padding, *axis) for axis in axes]

    def pad(self, inputs: Tensor, mode: str) -> tuple[Tensor, tuple[int, ...]]:
        """Pad an input only if PyTorch's functions cannot, which pad both ends alike.

        Args:
            inputs: What `slide` was given.
            mode: What to pad with, in the words of `torch.nn.functional.pad`.

        Returns:
            The input, copied if it had to be padded, and the padding that is left to do.
        """
        return pad_windows(inputs, self.padding_of(inputs), mode)

    def output_channels(self, channels: int | None) -> int | None:
        """Return how many channels the output has.

        Args:
            channels: How many the input has; None if that is not known.

        Returns:
            Their number; here, the same.
        """
        return channels

    def output_sizes(self, sizes: Sequence[int | None]) -> list[int | None]:
        """Return the sizes of the output's spatial axes.

        Args:
            sizes: Those of the input's; None where a size is not known.

        Returns:
            One for each axis; not positive where the window does not fit.
        """
        axes = zip(sizes, self.spans, self.strides, strict=True)
        return [output_size(self.padding, *axis) for axis in axes]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The output's sizes.

        Raises:
            ValueError: If the input has other axes, or is smaller than the window.
        """
        super().check_input(input_shape)
        sizes = self.output_sizes([input_shape[axis] for axis in self.spatial_axes])
        if any(size is not None and size < 1 for size in sizes):
            raise ValueError(
                f"{self.name}: the input is too small for a window that reaches over {self.spans} "
                f'with padding="{self.padding}": the output would have sizes {tuple(sizes)}. '
                f"Received: shape {input_shape}."
            )
        output_shape = [input_shape[0], *sizes]
        output_shape.insert(self.channel_axis, self.output_channels(input_shape[self.channel_axis]))
        return tuple(output_shape)

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has other axes, or is smaller than the window.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        self.compute_output_shape(shape)


class WindowLayer(WindowedLayer, ABC):
    """A layer that slides a window over the spatial axes of its input.

    The window works on a view of the input with channels first. For two and three spatial axes,
    that is PyTorch's channels_last memory format; a single one gets a second of size 1 before it,
    since PyTorch's functions of one spatial axis would copy the view.

    Args:
        spans: How many entries of each axis the window reaches over.
        strides: The window's step along each axis.
        padding: One of `paddings`.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    @abstractmethod
    def slide(self, inputs: Tensor) -> Tensor:
        """Slide the window over the input.

        Args:
            inputs: A tensor of shape (batch, channels, *spatial), with at least 2 spatial axes.

        Returns:
            A tensor with the same axes.
        """

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the layer's output.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor in the same format.
        """
        inputs = inputs.movedim(self.channel_axis, 1)
        if self.rank == 1:
            outputs = self.slide(inputs.unsqueeze(2)).squeeze(2)
        else:
            outputs = self.slide(inputs)
        return outputs.movedim(1, self.channel_axis)


def pad_windows(inputs: Tensor, ends: Sequence[Ends], mode: str) -> tuple[Tensor, tuple[int, ...]]:
    """Pad an input only if PyTorch's functions cannot, which pad both ends alike.

    Args:
        inputs: A tensor, whose last axes are to be padded.
        ends: Amounts before the start and after the end, axis by axis.
        mode: What to pad with, in the words of `torch.nn.functional.pad`.

    Returns:
        The input, copied if it had to be padded, and the padding that is left to do.
    """
    if all(start == end for start, end in ends):
        return inputs, tuple(start for start, _ in ends)
    flat = [amount for pair in reversed(ends) for amount in pair]
    return functional.pad(inputs, flat, mode), (0,) * len(ends)


def at_least_two(values: Sequence[Value], first: Value = 1) -> tuple[Value, ...]:  # type: ignore[assignment]
    """Return values of spatial axes, with one for the axis that a single one is preceded by.

    Args:
        values: One for each axis.
        first: The value that leaves an axis of size 1 as it is.

    Returns:
        At least two values.

    Example:
        >>> at_least_two((3,)), at_least_two((3, 5, 7))
        ((1, 3), (3, 5, 7))
    """
    return (first,) * (2 - len(values)) + tuple(values)
