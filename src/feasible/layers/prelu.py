"""The rectifier whose negative slope is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from feasible.arguments import check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import ALPHA
from feasible.layers import initializers
from feasible.layers.layer import Layer
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape


class PReLU(Layer):
    """Multiplies what is negative by `alpha`, which has the shape of one example.

    It stores `alpha` as `weight`, as `torch.nn.PReLU` does, but in any shape.

    Args:
        alpha_initializer: Initial values of `alpha`.
        alpha_constraint: The constraint of `alpha`.
        shared_axes: The axes of the input along which `alpha` is the same, and has size 1: an
            integer of at least 1, as 0 is the batch, or a list of them.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> layer = PReLU(alpha_initializer="ones", alpha_constraint="non_neg", shared_axes=[1, 2])
        >>> layer(torch.zeros(4, 10, 10, 3)).shape, layer.alpha.shape
        (torch.Size([4, 10, 10, 3]), torch.Size([1, 1, 3]))

    Source:
        He et al.: Delving Deep into Rectifiers, 2015, equation 1.
    """

    supports_masking = True

    alpha = WeightOf("alpha")
    alpha_constraint = ConstraintOf("alpha")
    weight: nn.Parameter

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_constraint = alpha_constraint
        self.shared_axes: list[int] | None = None
        if shared_axes is not None:
            axes = shared_axes if isinstance(shared_axes, Sequence) else [shared_axes]
            self.shared_axes = [check_integer("PReLU", "shared_axes", axis) for axis in axes]

    def _sizes(self, shape: Shape) -> tuple[int | None, ...]:
        shared = self.shared_axes or ()
        return tuple(1 if axis in shared else size for axis, size in enumerate(shape))[1:]

    def check_input(self, shape: Shape) -> None:
        """Raise if the input lacks a shared axis, or has other sizes than `alpha`.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        sizes = self._sizes(shape)
        wanted = tuple(self.weight.shape) if self.built else sizes
        if None in sizes or sizes != wanted or max(self.shared_axes or (0,)) >= len(shape):
            raise ValueError(
                f"{self.name}: the input must have {wanted if self.built else 'known'} sizes after "
                f"the batch, save along its `shared_axes`. Received: shape {shape}, "
                f"shared_axes={self.shared_axes}."
            )

    def build(self, input_shape: Shape) -> None:
        """Make `alpha`.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        sizes = [check_integer(self.name, "input_shape", size) for size in self._sizes(input_shape)]
        self.make_weight(ALPHA, sizes, self.alpha_initializer)

    def call(self, inputs: Tensor) -> Tensor:
        """Multiply what is negative.

        Args:
            inputs: A tensor, the batch first.

        Returns:
            A tensor of the same shape.
        """
        return torch.where(inputs > 0, inputs, self.weight * inputs)


register_layouts(PReLU, ALPHA)
