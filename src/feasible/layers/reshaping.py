"""Layers that change the shape only: Flatten, Reshape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_choice, check_integer
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape


class Flatten(Layer):
    """Joins all axes but the batch into one; an input with a batch axis only gets one of size 1.

    Args:
        data_format: ``"channels_last"``, which None stands for; or ``"channels_first"``, for inputs
            of shape (batch, channels, ...), whose channels are moved last first.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the data format is neither.

    Example:
        >>> import numpy as np
        >>> Flatten()(np.ones((32, 28, 28))).shape
        torch.Size([32, 784])
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_choice(
            "Flatten",
            "data_format",
            "channels_last" if data_format is None else data_format,
            ("channels_last", "channels_first"),
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Join the axes.

        Args:
            inputs: A tensor with at least a batch axis.

        Returns:
            A tensor of shape (batch, size), a view where it can be.
        """
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = inputs.movedim(1, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The batch, and the product of the other sizes.
        """
        return (input_shape[0], product(input_shape[1:]))


class Reshape(Layer):
    """Gives each example another shape.

    Args:
        target_shape: The sizes without the batch; one of them may be -1, and is inferred.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If a size is neither -1 nor at least 0, or more than one is -1.

    Example:
        >>> import numpy as np
        >>> Reshape((28, -1))(np.ones((32, 784))).shape
        torch.Size([32, 28, 28])
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sizes = [
            check_integer("Reshape", "target_shape", size, minimum=-1) for size in target_shape
        ]
        if sizes.count(-1) > 1:
            raise InvalidArgumentError(
                "Reshape", "target_shape", target_shape, "sizes of which one at most is -1"
            )
        self.target_shape = tuple(sizes)

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has another number of entries than the output.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        self.compute_output_shape(shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Change the shape.

        Args:
            inputs: A tensor with at least a batch axis.

        Returns:
            A tensor of shape (batch, *target_shape), a view where it can be.
        """
        sizes = self.compute_output_shape(tuple(inputs.shape))
        return inputs.reshape([size for size in sizes if size is not None])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The batch and the target's sizes, with None for -1 where the input's are not known.

        Raises:
            ValueError: If the input has another number of entries than the output.
        """
        entries = product(input_shape[1:])
        given = math.prod([size for size in self.target_shape if size != -1])
        inferred = entries // given if entries is not None and given else entries
        sizes = [inferred if size == -1 else size for size in self.target_shape]
        if entries is not None and product(sizes) != entries:
            raise ValueError(
                f"{self.name}: the input must have as many entries as the target shape. Received: "
                f"shape {input_shape} for target_shape={self.target_shape}."
            )
        return (input_shape[0], *sizes)


def product(sizes: Sequence[int | None]) -> int | None:
    """Return the product of sizes.

    Args:
        sizes: The sizes; None where one is not known.

    Returns:
        Their product, or None if one is not known.
    """
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None
