"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from feasible.arguments import check_number
from feasible.layers.configs import checked_sizes
from feasible.layers.random_layer import RandomLayer


class Dropout(RandomLayer):
    """Sets entries of its input to 0 at random in training, and scales the others up.

    Args:
        rate: The share of entries set to 0, from 0 to 1; the others are divided by ``1 - rate``.
        noise_shape: The sizes of the random mask, broadcast to the input: 1 for an axis along which
            entries share their fate, None for the input's own size. None for one fate each.
        seed: What the masks are drawn from: layers with the same seed draw the same masks, one
            after the other. How many were drawn is part of the layer's state, so that a resumed
            run goes on with the next. None draws them from PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> Dropout(0.5).eval()([[1.0, 2.0]])
        tensor([[1., 2.]])
    """

    supports_masking = True

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = check_number("Dropout", "rate", rate, minimum=0, maximum=1)
        self.noise_shape = (
            None if noise_shape is None else checked_sizes("Dropout", "noise_shape", noise_shape)
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Drop entries in training; in evaluation, return the input.

        Args:
            inputs: A tensor of any shape.

        Returns:
            A tensor of the same shape.

        Raises:
            ValueError: If the mask cannot be broadcast to the input.
        """
        if self.noise_shape is None and self.seed is None:
            return functional.dropout(inputs, self.rate, self.training)
        if not self.training or self.rate == 0:
            return inputs
        keep = 1 - self.rate
        sizes = mask_shape(self.name, self.noise_shape, inputs.shape)
        mask = torch.empty(sizes, dtype=inputs.dtype, device=inputs.device)
        mask.bernoulli_(keep, generator=self.generator(inputs.device))
        return inputs * (mask / keep if keep else mask)


def mask_shape(
    owner: str, noise_shape: Sequence[int | None] | None, shape: Sequence[int]
) -> list[int]:
    """Return the sizes of a random mask.

    Args:
        owner: The layer, for the message.
        noise_shape: The layer's argument.
        shape: The input's sizes.

    Returns:
        The sizes, which broadcast to the input's.

    Raises:
        ValueError: If they would not.

    Example:
        >>> mask_shape("Dropout", (None, 1), (32, 10))
        [32, 1]
    """
    noise = (None,) * len(shape) if noise_shape is None else noise_shape
    pairs = [*zip(noise, shape, strict=False)]
    if len(noise) != len(shape) or any(size not in (None, 1, own) for size, own in pairs):
        raise ValueError(
            f"{owner}: `noise_shape` must have a size for each axis of the input, which is "
            f"1, None or the input's. Received: noise_shape={noise} for shape {tuple(shape)}."
        )
    return [own if size is None else size for size, own in pairs]
