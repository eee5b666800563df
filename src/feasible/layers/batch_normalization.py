"""Batch normalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from feasible.arguments import check_number
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BETA, GAMMA
from feasible.layers import initializers
from feasible.layers.axis_arguments import check_axes
from feasible.layers.normalization import AffineNormalization
from feasible.layers.roles import WeightOf
from feasible.layers.symbolic import Shape
from feasible.layouts import ParameterLayout

MOVING_MEAN = ParameterLayout("running_mean", "moving_mean", "*unit", unit="*unit")
MOVING_VARIANCE = ParameterLayout("running_var", "moving_variance", "*unit", unit="*unit")


class BatchNormalization(AffineNormalization):
    """Brings each channel to mean 0 and variance 1 over a batch, then scales and shifts it.

    In training it does so with the batch's mean and variance, of which it keeps moving averages; in
    evaluation, and when it is not trainable, with these averages. It stores what PyTorch's
    `nn.BatchNorm1d` to `nn.BatchNorm3d` store, but follows Keras in what `momentum` means, and in
    averaging the variance of the batch itself, not the estimate of its population's.

    Args:
        axis: The channels' axis.
        momentum: How much of the averages stays at each batch, from 0 to 1.
        epsilon: What is added to the variance, at least 0.
        center: Whether `beta` is added.
        scale: Whether `gamma` is multiplied by.
        beta_initializer: Initial values of `beta`, of shape (channels,).
        gamma_initializer: Initial values of `gamma`, of shape (channels,).
        moving_mean_initializer: Initial values of the moving mean, of shape (channels,).
        moving_variance_initializer: Initial values of the moving variance, of shape (channels,).
        beta_constraint: The constraint of `beta`.
        gamma_constraint: The constraint of `gamma`.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> layer = BatchNormalization(momentum=0.5, epsilon=0)
        >>> layer([[1.0], [3.0]]).tolist()
        [[-1.0], [1.0]]
        >>> layer.moving_mean, layer.moving_variance
        (tensor([1.]), tensor([1.]))

    Source:
        Ioffe, Szegedy: Batch Normalization, 2015, algorithms 1 and 2.
    """

    supports_masking = True

    moving_mean = WeightOf("moving_mean")
    moving_variance = WeightOf("moving_variance")
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            check_axes("BatchNormalization", axis, several=False),
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
        self.momentum = check_number(
            "BatchNormalization", "momentum", momentum, minimum=0, maximum=1
        )
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make `gamma`, `beta` and the moving averages.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        super().build(input_shape)
        sizes = self.known_sizes(input_shape)
        self.make_weight(MOVING_MEAN, sizes, self.moving_mean_initializer, buffer=True)
        self.make_weight(MOVING_VARIANCE, sizes, self.moving_variance_initializer, buffer=True)

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize, and in training move the averages.

        Args:
            inputs: A tensor that has the channels' axis.

        Returns:
            A tensor of the same shape.
        """
        moved = inputs.movedim(self.axis, 1)
        # With one spatial axis PyTorch has no memory format that this view of the input fits.
        moved = moved.unsqueeze(2) if inputs.ndim == 3 else moved
        if self.training and self.trainable:
            outputs = self._by_batch(moved)
        else:
            outputs = self._normalize(moved, self.running_mean, self.running_var, False)
        outputs = outputs.squeeze(2) if inputs.ndim == 3 else outputs
        return outputs.movedim(1, self.axis)

    def _by_batch(self, inputs: Tensor) -> Tensor:
        # With a momentum of 1 these become the batch's own; PyTorch divides the variance by the
        # count less one.
        mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        outputs = self._normalize(inputs, mean, variance, True)
        count = inputs.numel() // inputs.shape[1]
        variance = variance * (1 - 1 / count) if count > 1 else torch.zeros_like(variance)
        self.running_mean.lerp_(mean, 1 - self.momentum)
        self.running_var.lerp_(variance, 1 - self.momentum)
        return outputs

    def _normalize(self, inputs: Tensor, mean: Tensor, variance: Tensor, by_batch: bool) -> Tensor:
        # The function in torch.nn refuses a batch with one value a channel, which Keras takes.
        return torch.batch_norm(
            inputs,
            self.weight,
            self.bias,
            mean,
            variance,
            by_batch,
            1.0,
            self.epsilon,
            torch.backends.cudnn.enabled,
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        # PyTorch counts batches too, for averages that we do not keep.
        state_dict.pop(f"{prefix}num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *others)


register_layouts(BatchNormalization, GAMMA, BETA, MOVING_MEAN, MOVING_VARIANCE)
