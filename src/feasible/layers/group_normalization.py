"""Group normalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.layers.axis_arguments import check_axes
from feasible.layers.normalization import AffineNormalization
from feasible.layers.symbolic import Shape


class GroupNormalization(AffineNormalization):
    """Brings each group of an example's channels to mean 0 and variance 1, then scales and shifts.

    It stores what `torch.nn.GroupNorm` stores.

    Args:
        groups: Into how many groups of neighbours the channels are divided; -1 for one each, which
            is instance normalization.
        axis: The channels' axis.
        epsilon: What is added to the variance, at least 0.
        center: Whether `beta` is added.
        scale: Whether `gamma` is multiplied by.
        beta_initializer: Initial values of `beta`, of shape (channels,).
        gamma_initializer: Initial values of `gamma`, of shape (channels,).
        beta_constraint: The constraint of `beta`.
        gamma_constraint: The constraint of `gamma`.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> GroupNormalization(groups=2, epsilon=0)([[1.0, 3.0, 20.0, 40.0]]).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]

    Source:
        Wu, He: Group Normalization, 2018.
    """

    supports_masking = True

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            check_axes("GroupNormalization", axis, several=False),
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        self.axis = self.axes[0]
        self.groups = check_integer("GroupNormalization", "groups", groups, minimum=-1)
        if self.groups == 0:
            raise InvalidArgumentError("GroupNormalization", "groups", groups, "at least 1, or -1")

    def check_input(self, shape: Shape) -> None:
        """Raise if the groups do not divide the channels, or these are not those of the weights.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If the input does not fit.
        """
        super().check_input(shape)
        [channels] = self.known_sizes(shape)
        if channels % self.groups:
            raise ValueError(
                f"{self.name}: `groups` must be -1 or a divisor of the number of channels, "
                f"which is {channels}. Received: groups={self.groups} for shape {shape}."
            )

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize.

        Args:
            inputs: A tensor that has the channels' axis.

        Returns:
            A tensor of the same shape.
        """
        moved = inputs.movedim(self.axis, 1)
        groups = moved.shape[1] if self.groups == -1 else self.groups
        weight = self.weight
        if weight is None and self.bias is not None:
            # PyTorch has no gradient of an offset without a scale.
            weight = torch.ones_like(self.bias)  # type: ignore[assignment]
        # The function in torch.nn refuses a group of one value, which Keras takes.
        outputs = torch.group_norm(
            moved, groups, weight, self.bias, self.epsilon, torch.backends.cudnn.enabled
        )
        return outputs.movedim(1, self.axis)
