"""A layer for each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from feasible.layers.symbolic import Shape
from feasible.layers.wrapper import Wrapper


class TimeDistributed(Wrapper):
    """Applies one layer, with the same weights, to each step of a sequence.

    Args:
        layer: The layer, which takes an input without steps.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If it is not a layer.

    Example:
        >>> import numpy as np
        >>> from feasible.layers import Conv2D
        >>> layer = TimeDistributed(Conv2D(4, 3, kernel_constraint="non_neg"))
        >>> layer(np.ones((2, 7, 10, 10, 3))).shape
        torch.Size([2, 7, 8, 8, 4])
    """

    supports_masking = True

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has no steps, or the layer cannot take one.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        if len(shape) < 3:
            raise ValueError(
                f"{self.name}: the input must have 3 axes or more, the first two of which are the "
                f"batch and the steps. Received: shape {shape}."
            )
        self.layer.check_input((shape[0], *shape[2:]))

    def build(self, input_shape: Shape) -> None:
        """Make the layer's weights.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        self.layer.build_once((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Apply the layer to each step.

        Args:
            inputs: A tensor of shape (batch, steps, ...).
            mask: Where steps count, of shape (batch, steps), for a layer that takes a mask.

        Returns:
            A tensor of shape (batch, steps, ...).
        """
        if mask is not None and "mask" in self.layer.call_options():
            steps = zip(inputs.unbind(1), mask.unbind(1), strict=True)
            call: Any = self.layer.call
            return torch.stack([call(one, mask=counted) for one, counted in steps], 1)
        if self._depends_on_batch():
            return torch.stack([self.layer.call(one) for one in inputs.unbind(1)], 1)
        output = self.layer.call(inputs.flatten(0, 1))
        return output.reshape(*inputs.shape[:2], *output.shape[1:])

    def _depends_on_batch(self) -> bool:
        """Say whether steps that come as one batch could differ from steps one after the other."""
        changes = self.training and next(self.layer.buffers(), None) is not None
        return changes or any(getattr(one, "stateful", False) for one in self.layer.modules())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The layer's output sizes for a step, with the steps after the batch.
        """
        batch, steps, *rest = input_shape
        _, *sizes = self.layer.compute_output_shape((batch, *rest))
        return (batch, steps, *sizes)
