"""What normalizations share: axes, and a scale and an offset that can be switched off."""

from __future__ import annotations

from typing import Any

from torch import nn

from feasible.arguments import check_integer, check_number
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BETA, GAMMA
from feasible.layers import initializers
from feasible.layers.axis_arguments import count_from_zero
from feasible.layers.layer import Layer
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape


class OverAxes(Layer):
    """A layer that normalizes over axes of its input, and has weights of their sizes.

    Args:
        axes: The axes.
        epsilon: What is added to the variance or the like, at least 0.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(self, axes: tuple[int, ...], epsilon: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = axes
        self.epsilon = check_number(type(self).__name__, "epsilon", epsilon, minimum=0)

    def sizes_of(self, shape: Shape) -> tuple[int | None, ...]:
        """Return the sizes of an input along the layer's axes.

        Args:
            shape: The input's sizes, the batch first.

        Returns:
            The sizes, in the order of the axes.

        Raises:
            ValueError: If the input does not have these axes.
        """
        return tuple(shape[axis] for axis in count_from_zero(self.name, self.axes, shape))

    def known_sizes(self, shape: Shape) -> list[int]:
        """Return the sizes of an input along the layer's axes, all of which are known.

        Args:
            shape: The input's sizes, the batch first.

        Returns:
            The sizes, in the order of the axes.

        Raises:
            InvalidArgumentError: If one is not known.
        """
        return [check_integer(self.name, "input_shape", size) for size in self.sizes_of(shape)]

    def check_input(self, shape: Shape) -> None:
        """Raise if the input lacks an axis, or has another size there than the weights.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        sizes = self.sizes_of(shape)
        wanted = self.sizes_of(self.input_shape) if self.built and self.input_shape else None
        if None in sizes or (wanted is not None and wanted != sizes):
            raise ValueError(
                f"{self.name}: the input must have {wanted or 'known'} sizes along axis "
                f"{', '.join(map(str, self.axes))}. Received: shape {shape}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output, which are those of the input.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The same.

        Raises:
            ValueError: If the input does not have the layer's axes.
        """
        self.sizes_of(input_shape)
        return input_shape


class AffineNormalization(OverAxes):
    """A layer that multiplies by `gamma` and adds `beta` after it has normalized.

    It stores them as PyTorch does, as `weight` and `bias`.

    Args:
        axes: The axes whose sizes `gamma` and `beta` have.
        epsilon: What is added to the variance, at least 0.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        beta_initializer: Initial values of `beta`.
        gamma_initializer: Initial values of `gamma`.
        beta_constraint: The constraint of `beta`.
        gamma_constraint: The constraint of `gamma`.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    gamma = WeightOf("gamma")
    beta = WeightOf("beta")
    gamma_constraint = ConstraintOf("gamma")
    beta_constraint = ConstraintOf("beta")
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        axes: tuple[int, ...],
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(axes, epsilon, **kwargs)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_constraint = beta_constraint
        self.gamma_constraint = gamma_constraint

    def build(self, input_shape: Shape) -> None:
        """Make `gamma` and `beta`.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        sizes = self.known_sizes(input_shape)
        for layout, present, initializer in (
            (GAMMA, self.scale, self.gamma_initializer),
            (BETA, self.center, self.beta_initializer),
        ):
            if present:
                self.make_weight(layout, sizes, initializer)
            else:
                self.register_parameter(layout.parameter, None)


register_layouts(AffineNormalization, GAMMA, BETA)
