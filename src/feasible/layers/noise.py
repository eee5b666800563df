"""Layers that change their input at random in training: noise, and dropout of whole channels."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from feasible.arguments import check_choice, check_number
from feasible.layers.random_layer import RandomLayer


class GaussianNoise(RandomLayer):
    """Adds normal noise in training.

    Args:
        stddev: The noise's standard deviation.
        seed: What the noise is drawn from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> GaussianNoise(0.5).eval()([[1.0]])
        tensor([[1.]])
    """

    supports_masking = True

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.stddev = check_number("GaussianNoise", "stddev", stddev, minimum=0)

    def call(self, inputs: Tensor) -> Tensor:
        """Add noise in training; in evaluation, return the input.

        Args:
            inputs: A tensor of any shape.

        Returns:
            A tensor of the same shape.
        """
        if not self.training or self.stddev == 0:
            return inputs
        noise = torch.empty_like(inputs)
        return inputs + noise.normal_(0, self.stddev, generator=self.generator(inputs.device))


class GaussianDropout(RandomLayer):
    """Multiplies by normal noise of mean 1 in training: Srivastava and others, 2014, section 10.

    Args:
        rate: The noise's variance is ``rate / (1 - rate)``; from 0 to below 1.
        seed: What the noise is drawn from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> GaussianDropout(0.5).eval()([[1.0]])
        tensor([[1.]])
    """

    supports_masking = True

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.rate = check_number("GaussianDropout", "rate", rate, minimum=0, maximum=1)

    def call(self, inputs: Tensor) -> Tensor:
        """Multiply by noise in training; in evaluation, return the input.

        Args:
            inputs: A tensor of any shape.

        Returns:
            A tensor of the same shape.
        """
        if not self.training or self.rate == 0:
            return inputs
        deviation = math.sqrt(self.rate / (1 - self.rate))
        noise = torch.empty_like(inputs)
        return inputs * noise.normal_(1, deviation, generator=self.generator(inputs.device))


class AlphaDropout(RandomLayer):
    """Dropout that keeps the mean and the variance of SELU's outputs: Klambauer and others, 2017.

    Args:
        rate: The share of entries that are dropped, from 0 to below 1.
        noise_shape: The sizes of the random mask; None for one fate each.
        seed: What the masks are drawn from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> AlphaDropout(0.5).eval()([[1.0]])
        tensor([[1.]])
    """

    supports_masking = True
    # What SELU tends to for entries far below 0.
    _lowest: ClassVar[float] = -1.7580993408473766

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int, ...] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = check_number("AlphaDropout", "rate", rate, minimum=0, maximum=1)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Drop entries in training; in evaluation, return the input.

        Args:
            inputs: A tensor of any shape.

        Returns:
            A tensor of the same shape.
        """
        if not self.training or self.rate == 0:
            return inputs
        low, keep = self._lowest, 1 - self.rate
        mask = torch.empty(self.noise_shape or inputs.shape, device=inputs.device)
        mask.bernoulli_(keep, generator=self.generator(inputs.device))
        scale = (keep * (1 + self.rate * low**2)) ** -0.5
        kept = torch.where(mask.bool(), inputs, torch.full_like(inputs, low))
        found: Tensor = scale * kept - scale * low * self.rate
        return found


class SpatialDropout(RandomLayer):
    """What `SpatialDropout1D` to `SpatialDropout3D` share: dropout of whole channels.

    Args:
        rate: The share of channels set to 0, from 0 to 1; the others are divided by ``1 - rate``.
        data_format: ``"channels_last"``, which None stands for, or ``"channels_first"``.
        seed: What the masks are drawn from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    supports_masking = True
    rank: ClassVar[int]

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        owner = type(self).__name__
        self.rate = check_number(owner, "rate", rate, minimum=0, maximum=1)
        self.data_format = check_choice(
            owner,
            "data_format",
            data_format or "channels_last",
            ("channels_last", "channels_first"),
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Drop channels in training; in evaluation, return the input.

        Args:
            inputs: A tensor in the layer's data format.

        Returns:
            A tensor of the same shape.

        Raises:
            ValueError: If it has another number of axes.
        """
        if inputs.ndim != self.rank + 2:
            raise ValueError(
                f"{self.name}: the input must have {self.rank + 2} axes. Received: shape "
                f"{tuple(inputs.shape)}."
            )
        if not self.training or self.rate == 0:
            return inputs
        channels = 1 if self.data_format == "channels_first" else -1
        sizes = [1] * inputs.ndim
        sizes[0], sizes[channels] = inputs.shape[0], inputs.shape[channels]
        keep = 1 - self.rate
        mask = torch.empty(sizes, dtype=inputs.dtype, device=inputs.device)
        mask.bernoulli_(keep, generator=self.generator(inputs.device))
        return inputs * (mask / keep if keep else mask)


class SpatialDropout1D(SpatialDropout):
    """Dropout of whole channels of inputs of shape (batch, steps, channels).

    Args:
        rate: The share of channels set to 0, from 0 to 1; the others are divided by ``1 - rate``.
        seed: What the masks are drawn from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Example:
        >>> SpatialDropout1D(0.5).eval()(torch.ones(1, 2, 1)).shape
        torch.Size([1, 2, 1])
    """

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)


class SpatialDropout2D(SpatialDropout):
    """Dropout of whole channels of inputs of shape (batch, rows, columns, channels).

    Example:
        >>> SpatialDropout2D(0.5).eval()(torch.ones(1, 2, 2, 1)).shape
        torch.Size([1, 2, 2, 1])
    """

    rank = 2


class SpatialDropout3D(SpatialDropout):
    """Dropout of whole channels of inputs with three spatial axes.

    Example:
        >>> SpatialDropout3D(0.5).eval()(torch.ones(1, 2, 2, 2, 1)).shape
        torch.Size([1, 2, 2, 2, 1])
    """

    rank = 3
