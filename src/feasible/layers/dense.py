"""The densely connected layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from feasible.arguments import check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BIAS, KERNEL
from feasible.layers import activations, initializers
from feasible.layers.layer import Layer
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape


class Dense(Layer):
    """A densely connected layer: ``activation(inputs @ kernel + bias)``, over the last axis.

    It stores what `torch.nn.Linear` stores: `weight` of shape (units, in), and `bias`.

    Args:
        units: The size of the output's last axis.
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel, of shape (in, units).
        bias_initializer: Initial values of the bias, of shape (units,).
        kernel_constraint: The kernel's constraint.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Dense(2, kernel_constraint="non_neg")
        >>> layer(np.ones((4, 3))).shape
        torch.Size([4, 2])
        >>> layer.kernel.shape, layer.weight.shape
        (torch.Size([3, 2]), torch.Size([2, 3]))
    """

    supports_masking = True

    kernel = WeightOf("kernel")
    kernel_constraint = ConstraintOf("kernel")
    bias_constraint = ConstraintOf("bias")
    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_integer("Dense", "units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has no feature axis, or one of another size than the kernel's.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        wanted = self.weight.shape[1] if self.built else None
        if len(shape) < 2 or shape[-1] is None or wanted not in (None, shape[-1]):
            raise ValueError(
                f"{self.name}: the input must have 2 axes or more, the last of size "
                f"{wanted or 'known'}. Received: shape {shape}."
            )

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        features = check_integer(self.name, "input_shape[-1]", input_shape[-1])
        self.make_weight(KERNEL, (self.units, features), self.kernel_initializer)
        if self.use_bias:
            self.make_weight(BIAS, (self.units,), self.bias_initializer)
        else:
            self.register_parameter("bias", None)

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the layer's output.

        Args:
            inputs: A tensor of shape (batch, ..., in).

        Returns:
            A tensor of shape (batch, ..., units).
        """
        return self.activation(functional.linear(inputs, self.weight, self.bias))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The same, with `units` last.
        """
        return (*input_shape[:-1], self.units)


register_layouts(Dense, KERNEL, BIAS)
