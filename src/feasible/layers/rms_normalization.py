"""Root mean square normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import GAMMA
from feasible.layers import initializers
from feasible.layers.axis_arguments import check_axes, count_from_zero
from feasible.layers.normalization import OverAxes
from feasible.layers.roles import WeightOf
from feasible.layers.symbolic import Shape


class RMSNormalization(OverAxes):
    """Divides each example by its root mean square over some axes, and scales it.

    For trailing axes it stores what `torch.nn.RMSNorm` stores.

    Args:
        axis: The axes to normalize over: an int, or a list of ints.
        epsilon: What is added to the mean of the squares, at least 0.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> RMSNormalization(epsilon=0)([[1.0, -7.0]]).detach()
        tensor([[ 0.2000, -1.4000]])

    Source:
        Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, equation 4.
    """

    # Keras's passes no mask on.
    supports_masking = False

    # Keras's name; the role is that of other normalizations.
    scale = WeightOf("gamma")
    weight: nn.Parameter

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any
    ) -> None:
        axes = check_axes("RMSNormalization", axis)
        super().__init__(axes, epsilon, **kwargs)
        self.axis = axes if isinstance(axis, Sequence) else axes[0]

    def build(self, input_shape: Shape) -> None:
        """Make the scale.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        self.make_weight(GAMMA, self.known_sizes(input_shape), initializers.get("ones"))

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
        sizes = list(moved.shape[last[0] :])
        weight = self.weight.to(inputs.dtype)
        outputs = functional.rms_norm(moved, sizes, weight, self.epsilon)
        return outputs.movedim(last, axes)


register_layouts(RMSNormalization, GAMMA)
