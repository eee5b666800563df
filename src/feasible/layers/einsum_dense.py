"""The densely connected layer over any axes, which an einsum equation names."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BIAS
from feasible.layers import activations, initializers
from feasible.layers.configs import checked_sizes
from feasible.layers.einsum_equation import EinsumEquation, Sizes
from feasible.layers.layer import Layer
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape
from feasible.layouts import ParameterLayout


class EinsumDense(Layer):
    """A densely connected layer over any axes: ``activation(einsum(inputs, kernel) + bias)``.

    The kernel's axes are in the order of the equation. They are stored as PyTorch orders those of
    a linear layer: first the ones that the output has, then the ones that are summed over.

    Args:
        equation: Such as ``"abc,cd->abd"``: the axes of the input, the kernel and the output. The
            first axis is the batch. Three dots on the left, or on the right, of the input and the
            output stand for any other axes, the batch among those on the left.
        output_shape: The sizes of the output's axes, without those of the batch and of the dots; an
            integer for one. None where the input tells the size.
        activation: A function, by name or itself; None for none.
        bias_axes: The output's axes along which the bias differs, such as ``"d"``; None for no
            bias.
        kernel_initializer: Initial values of the kernel.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint; ``axis="unit"`` takes norms along the axes that
            are summed over.
        bias_constraint: The bias's constraint.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de")
        >>> layer(np.ones((8, 5, 3))).shape
        torch.Size([8, 5, 2, 4])
        >>> layer.kernel.shape, layer.weight.shape, layer.bias.shape
        (torch.Size([3, 2, 4]), torch.Size([2, 4, 3]), torch.Size([2, 4]))
    """

    kernel = WeightOf("kernel")
    kernel_constraint = ConstraintOf("kernel")
    bias_constraint = ConstraintOf("bias")
    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.parts = EinsumEquation.parse("EinsumDense", equation)
        self.equation = equation
        self.kernel_layout = _kernel_layout(self.parts)
        sizes = output_shape if isinstance(output_shape, Sequence) else (output_shape,)
        self.output_shape = checked_sizes("EinsumDense", "output_shape", sizes)
        self.activation = activations.get(activation)
        if bias_axes is not None and not (bias_axes and set(bias_axes) <= set(self.parts.outputs)):
            allowed = f"None, or letters of the output's axes, {self.parts.outputs!r}"
            raise InvalidArgumentError("EinsumDense", "bias_axes", bias_axes, allowed)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def _sizes(self, input_shape: Shape) -> Sizes:
        return self.parts.sizes(self.name, input_shape, self.output_shape)

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has other axes than the equation, or other sizes than the kernel.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        sizes = self._sizes(shape)
        given = tuple(sizes[letter] for letter in self.parts.kernel)
        wanted = tuple(self.kernel.shape) if self.built else given
        if None in given or given != wanted:
            raise ValueError(
                f"{self.name}: the kernel's axes {self.parts.kernel!r} must have "
                f"{f'sizes {wanted}' if self.built else 'known sizes'}, from the input or "
                f"`output_shape`. Received: shape {shape}, output_shape={self.output_shape}, which "
                f"give {given}."
            )

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        parts, sizes = self.parts, self._sizes(input_shape)
        order = (*parts.kept, *parts.summed)
        stored = [
            check_integer(self.name, parts.kernel[axis], sizes[parts.kernel[axis]])
            for axis in order
        ]
        initializer = self.kernel_initializer
        if getattr(initializer, "input_axes", order) is None:
            initializer = dataclasses.replace(  # type: ignore[type-var]
                initializer, input_axes=parts.summed, output_axes=parts.kept
            )
        self.make_weight(self.kernel_layout, stored, initializer)
        if self.bias_axes is None:
            self.register_parameter("bias", None)
            return
        shape = parts.bias_shape(self.bias_axes, sizes, len(input_shape))
        bias = [check_integer(self.name, "output_shape", size) for size in shape]
        self.make_weight(BIAS, bias, self.bias_initializer)

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the layer's output.

        Args:
            inputs: A tensor that has the equation's axes.

        Returns:
            A tensor that has those of its output.
        """
        bias = self.bias
        if self.parts.is_matrix_product:
            # Faster than torch.einsum, which arranges axes anew in both directions.
            units = self.weight.shape[: len(self.parts.kept)]
            joint = bias.flatten() if bias is not None and bias.shape == units else None
            matrix = self.weight.reshape(units.numel(), -1)
            outputs = functional.linear(inputs.flatten(-len(self.parts.summed)), matrix, joint)
            outputs = outputs.reshape(*outputs.shape[:-1], *units)
            bias = bias if joint is None else None
        else:
            outputs = torch.einsum(self.equation, inputs, self.kernel)
        if bias is not None:
            outputs = outputs + bias.to(outputs.dtype)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The output's sizes; None where neither the input nor `output_shape` tells.
        """
        return self.parts.output_shape(self._sizes(input_shape), input_shape)


def _kernel_layout(parts: EinsumEquation) -> ParameterLayout:
    """Return the layout of the kernel, whose axes are in the order of the equation."""
    letters = parts.kernel
    kept, summed = ([letters[axis] for axis in axes] for axes in (parts.kept, parts.summed))
    stored = " ".join([*kept, *summed])
    return ParameterLayout("weight", "kernel", stored, " ".join(letters), " ".join(kept))


register_layouts(EinsumDense, lambda layer: (layer.kernel_layout, BIAS))
