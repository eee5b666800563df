"""Division of vectors by their norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from feasible.layers.axis_arguments import check_axes, count_from_zero
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape

# The smallest norm that a vector is divided by.
_SMALLEST = 1e-12


class UnitNormalization(Layer):
    """Divides each vector of the input by its Euclidean norm.

    A vector of zeros stays one.

    Args:
        axis: The axes along which the vectors lie: an int, or a list of ints.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the axis is neither.

    Example:
        >>> UnitNormalization()([[3.0, 4.0], [0.0, 0.0]])
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = check_axes("UnitNormalization", axis)
        self.axis = list(self.axes) if isinstance(axis, Sequence) else self.axes[0]

    def check_input(self, shape: Shape) -> None:
        """Raise if the input lacks an axis.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does.
        """
        count_from_zero(self.name, self.axes, shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Divide vectors.

        Args:
            inputs: A tensor.

        Returns:
            A tensor of the same shape.
        """
        norms: Tensor = torch.linalg.vector_norm(inputs, dim=self.axes, keepdim=True)
        return inputs / norms.clamp(min=_SMALLEST)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output, which are those of the input.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The same.

        Raises:
            ValueError: If the input lacks an axis.
        """
        self.check_input(input_shape)
        return input_shape
