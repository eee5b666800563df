"""What layers that draw at random share: a seed of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from feasible.arguments import check_integer
from feasible.layers.layer import Layer


class RandomLayer(Layer):
    """A layer that draws at random: from a seed of its own, or from PyTorch's generator.

    Args:
        seed: What is drawn from: layers with the same seed draw the same, one time after the other.
            How often was drawn is part of the layer's state, so that a resumed run goes on with the
            next. None draws from PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the seed is no integer.
    """

    drawn: Tensor

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        if seed is not None:
            check_integer(type(self).__name__, "seed", seed, minimum=-(2**63))
            self.register_buffer("drawn", torch.zeros((), dtype=torch.int64))

    def generator(self, device: torch.device) -> torch.Generator | None:
        """Return what to draw from, once.

        Args:
            device: Where the numbers are to be.

        Returns:
            A generator; None for PyTorch's.
        """
        if self.seed is None:
            return None
        # PyTorch's generator on the CPU reads the lower 32 bits only.
        seed = (self.seed * 1_000_003 + int(self.drawn)) % 2**32
        self.drawn += 1
        return torch.Generator(device).manual_seed(seed)
