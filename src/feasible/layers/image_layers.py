"""Layers over images: resizing, cropping to the middle, and flipping at random."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from feasible.arguments import InvalidArgumentError, check_choice, check_integer, check_number
from feasible.layers.layer import Layer
from feasible.layers.random_layer import RandomLayer
from feasible.layers.symbolic import Shape

# Where rows and columns are, counted from the end, so that an image without a batch is taken too.
_PLACES = {"channels_last": (-3, -2), "channels_first": (-2, -1)}

# PyTorch's names for Keras's interpolations.
_INTERPOLATIONS = {"bilinear": "bilinear", "nearest": "nearest-exact", "bicubic": "bicubic"}

# By the mode of a flip, which of rows and columns are put in reverse.
_FLIPS = {"horizontal": (1,), "vertical": (0,), "horizontal_and_vertical": (0, 1)}


class SizedImages(Layer):
    """A layer that makes images of one size: what `Resizing` and `CenterCrop` share.

    Args:
        height: How many rows the output has.
        width: How many columns it has.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(
        self, height: int, width: int, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.height = check_integer(owner, "height", height)
        self.width = check_integer(owner, "width", width)
        self.data_format = _checked_format(owner, data_format)

    def check_input(self, shape: Shape) -> None:
        """Raise if the input is no images.

        Args:
            shape: The input's sizes.

        Raises:
            ValueError: If it has another number of axes.
        """
        _check_images(self.name, shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes; None where a size is not known.

        Returns:
            The same, save rows and columns.

        Raises:
            ValueError: If the input has another number of axes.
        """
        self.check_input(input_shape)
        sizes = list(input_shape)
        for axis, size in zip(_PLACES[self.data_format], (self.height, self.width), strict=True):
            sizes[axis] = size
        return tuple(sizes)


class Resizing(SizedImages):
    """Brings images to one size by interpolating between their entries.

    Images of whole numbers stay so: results are rounded.

    Args:
        height: How many rows the output has.
        width: How many columns it has.
        interpolation: ``"bilinear"``, ``"nearest"`` or ``"bicubic"``.
        crop_to_aspect_ratio: Whether to cut off what stands out of the output's proportions first,
            on both sides, rather than to distort images.
        pad_to_aspect_ratio: Whether to add to them on both sides for that instead.
        fill_mode: What is added: ``"constant"``.
        fill_value: The constant.
        antialias: Whether entries are averaged first where images become smaller.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> Resizing(2, 4)(torch.ones(5, 8, 8, 3)).shape
        torch.Size([5, 2, 4, 3])
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format, **kwargs)
        self.interpolation = check_choice(
            "Resizing", "interpolation", interpolation, [*_INTERPOLATIONS]
        )
        self.crop_to_aspect_ratio = bool(crop_to_aspect_ratio)
        self.pad_to_aspect_ratio = bool(pad_to_aspect_ratio)
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise InvalidArgumentError(
                "Resizing",
                "pad_to_aspect_ratio",
                pad_to_aspect_ratio,
                "False where crop_to_aspect_ratio=True",
            )
        self.fill_mode = check_choice("Resizing", "fill_mode", fill_mode, ["constant"])
        self.fill_value = check_number("Resizing", "fill_value", fill_value)
        self.antialias = bool(antialias)

    def call(self, inputs: Tensor) -> Tensor:
        """Resize images.

        Args:
            inputs: A tensor in the layer's data format, with or without a batch axis.

        Returns:
            A tensor of the same dtype.
        """
        images = _rows_last(inputs, self.data_format)
        floating = images.is_floating_point()
        images = images if floating else images.to(torch.get_default_dtype())
        if self.crop_to_aspect_ratio:
            images = _cropped_in_proportion(images, self.height, self.width)
        elif self.pad_to_aspect_ratio:
            images = self._padded(images)
        mode = _INTERPOLATIONS[self.interpolation]
        resized = functional.interpolate(
            images,
            (self.height, self.width),
            mode=mode,
            antialias=self.antialias and mode != "nearest-exact",
        )
        if not floating:
            limits = torch.iinfo(inputs.dtype)
            resized = resized.round().clamp(limits.min, limits.max).to(inputs.dtype)
        return _rows_back(resized, self.data_format, inputs.ndim)

    def _padded(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        rows = max(height, int(width * self.height / self.width)) - height
        columns = max(width, int(height * self.width / self.height)) - width
        ends = [columns // 2] * 2 + [rows // 2] * 2
        return functional.pad(images, ends, value=self.fill_value)


class CenterCrop(SizedImages):
    """Cuts the middle out of images; those that are smaller are resized to the size first.

    Args:
        height: How many rows the output has.
        width: How many columns it has.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> CenterCrop(2, 4)(torch.ones(5, 8, 8, 3)).shape
        torch.Size([5, 2, 4, 3])
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Cut out the middle.

        Args:
            inputs: A tensor in the layer's data format, with or without a batch axis.

        Returns:
            A floating tensor.
        """
        images = _rows_last(inputs, self.data_format).to(self.dtype or torch.get_default_dtype())
        rows, columns = images.shape[-2] - self.height, images.shape[-1] - self.width
        if rows >= 0 and columns >= 0:
            images = images.narrow(-2, rows // 2, self.height)
            images = images.narrow(-1, columns // 2, self.width)
        else:
            images = _cropped_in_proportion(images, self.height, self.width)
            images = functional.interpolate(images, (self.height, self.width), mode="bilinear")
        return _rows_back(images, self.data_format, inputs.ndim)


class RandomFlip(RandomLayer):
    """Flips about half of the images in training.

    Args:
        mode: ``"horizontal"``, left and right; ``"vertical"``, up and down; or
            ``"horizontal_and_vertical"``, both or neither of an image.
        seed: What is drawn from; None for PyTorch's generator.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> RandomFlip().eval()(torch.ones(5, 8, 8, 3)).shape
        torch.Size([5, 8, 8, 3])
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.mode = check_choice("RandomFlip", "mode", mode, [*_FLIPS])
        self.data_format = _checked_format("RandomFlip", data_format)

    def check_input(self, shape: Shape) -> None:
        """Raise if the input is no images.

        Args:
            shape: The input's sizes.

        Raises:
            ValueError: If it has another number of axes.
        """
        _check_images(self.name, shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Flip images in training; in evaluation, return them.

        Args:
            inputs: A tensor in the layer's data format, with or without a batch axis.

        Returns:
            A floating tensor of the same shape.
        """
        images = inputs.to(self.dtype or torch.get_default_dtype())
        if not self.training:
            return images
        sizes = [len(images) if images.ndim == 4 else 1, 1, 1, 1][4 - images.ndim :]
        drawn = torch.rand(sizes, device=images.device, generator=self.generator(images.device))
        places = _PLACES[self.data_format]
        flipped = images.flip([places[which] for which in _FLIPS[self.mode]])
        return torch.where(drawn <= 0.5, flipped, images)

    def record(self, arguments: Any, named: Any) -> Any:
        """Note down a call, whose mode will be that of the model.

        Keras writes ``training=True`` into files, which its `fit` and `predict` do not go by.

        Args:
            arguments: The arguments.
            named: Those given by name.

        Returns:
            What stands for the output.
        """
        return super().record(
            arguments, {name: value for name, value in named.items() if name != "training"}
        )


def _checked_format(owner: str, data_format: str | None) -> str:
    return check_choice(owner, "data_format", data_format or "channels_last", [*_PLACES])


def _check_images(owner: str, shape: Shape) -> None:
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{owner}: the input must be images, with 3 axes, or 4 with the batch. Received: shape "
            f"{shape}."
        )


def _rows_last(inputs: Tensor, data_format: str) -> Tensor:
    """Return images as PyTorch takes them: batch, channels, rows, columns."""
    batch = inputs if inputs.ndim == 4 else inputs.unsqueeze(0)
    return batch.movedim(-1, 1) if data_format == "channels_last" else batch


def _rows_back(images: Tensor, data_format: str, rank: int) -> Tensor:
    """Return what `_rows_last` returned in the order that was given."""
    batch = images.movedim(1, -1) if data_format == "channels_last" else images
    return batch if rank == 4 else batch.squeeze(0)


def _cropped_in_proportion(images: Tensor, height: int, width: int) -> Tensor:
    """Return the largest middle part of images that has some proportions."""
    rows, columns = images.shape[-2:]
    kept_rows = max(min(rows, int(columns * height / width)), 1)
    kept_columns = max(min(columns, int(rows * width / height)), 1)
    images = images.narrow(-2, (rows - kept_rows) // 2, kept_rows)
    return images.narrow(-1, (columns - kept_columns) // 2, kept_columns)
