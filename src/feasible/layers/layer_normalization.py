"""Layer normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional

from feasible.layers.axis_arguments import check_axes, count_from_zero
from feasible.layers.normalization import AffineNormalization


class LayerNormalization(AffineNormalization):
    """Brings each example to mean 0 and variance 1 over some axes, then scales and shifts it.

    For trailing axes it stores what `torch.nn.LayerNorm` stores.

    Args:
        axis: The axes to normalize over: an int, or a list of ints.
        epsilon: What is added to the variance, at least 0.
        center: Whether `beta` is added.
        scale: Whether `gamma` is multiplied by.
        beta_initializer: Initial values of `beta`, which has the sizes of these axes in their
            order in the input.
        gamma_initializer: Initial values of `gamma`, of the same shape.
        beta_constraint: The constraint of `beta`.
        gamma_constraint: The constraint of `gamma`.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> LayerNormalization(epsilon=0)([[1.0, 3.0]]).tolist()
        [[-1.0, 1.0]]

    Source:
        Ba, Kiros, Hinton: Layer Normalization, 2016.
    """

    supports_masking = True

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        axes = check_axes("LayerNormalization", axis)
        super().__init__(
            axes,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        self.axis = axes if isinstance(axis, Sequence) else axes[0]

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize.

        Args:
            inputs: A tensor that has the layer's axes.

        Returns:
            A tensor of the same shape.
        """
        axes = count_from_zero(self.name, self.axes, inputs.shape)
        last = list(range(inputs.ndim - len(axes), inputs.ndim))
        moved = inputs.movedim(axes, last)
        sizes = moved.shape[last[0] :]
        outputs = functional.layer_norm(moved, sizes, self.weight, self.bias, self.epsilon)
        return outputs.movedim(last, axes)
