"""Activations as layers of their own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from feasible.arguments import check_number
from feasible.layers import activations
from feasible.layers.axis_arguments import check_axes, count_from_zero
from feasible.layers.layer import Layer


class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: A function, by name or itself.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the activation is neither.

    Example:
        >>> Activation("relu")([-1.0, 2.0])
        tensor([0., 2.])
    """

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the function.

        Args:
            inputs: A tensor.

        Returns:
            What the function returns.
        """
        return self.activation(inputs)


class ReLU(Layer):
    """Cuts off what is negative.

    Args:
        max_value: The largest value returned, at least 0; None for no limit.
        negative_slope: What ``inputs - threshold`` is multiplied by where it is negative, at least
            0.
        threshold: The value up to which an entry counts as negative, at least 0.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> ReLU(max_value=6.0, negative_slope=0.5)([-2.0, 3.0, 9.0])
        tensor([-1.,  3.,  6.])
    """

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = (
            None if max_value is None else check_number("ReLU", "max_value", max_value, minimum=0)
        )
        self.negative_slope = check_number("ReLU", "negative_slope", negative_slope, minimum=0)
        self.threshold = check_number("ReLU", "threshold", threshold, minimum=0)

    def call(self, inputs: Tensor) -> Tensor:
        """Cut off what is negative.

        Args:
            inputs: A tensor.

        Returns:
            A tensor of the same shape.
        """
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """Multiplies what is negative by a constant.

    Args:
        negative_slope: The constant, at least 0. Keras 2 calls it `alpha`, which is taken too, with
            a warning.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> LeakyReLU(0.5)([-2.0, 3.0])
        tensor([-1.,  3.])
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warnings.warn(
                "LeakyReLU: `alpha` is called `negative_slope` in Keras 3. Pass it by that name.",
                stacklevel=2,
            )
        super().__init__(**kwargs)
        self.negative_slope = check_number("LeakyReLU", "negative_slope", negative_slope, minimum=0)

    def call(self, inputs: Tensor) -> Tensor:
        """Multiply what is negative.

        Args:
            inputs: A tensor.

        Returns:
            A tensor of the same shape.
        """
        return functional.leaky_relu(inputs, self.negative_slope)


class ELU(Layer):
    """Replaces what is negative by ``alpha * (exp(inputs) - 1)``.

    Args:
        alpha: What it comes near to is ``-alpha``.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> ELU()([-2.0, 3.0])
        tensor([-0.8647,  3.0000])

    Source:
        Clevert, Unterthiner, Hochreiter: Fast and Accurate Deep Network Learning by Exponential
        Linear Units, 2016, equation 16.
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = check_number("ELU", "alpha", alpha)

    def call(self, inputs: Tensor) -> Tensor:
        """Replace what is negative.

        Args:
            inputs: A tensor.

        Returns:
            A tensor of the same shape.
        """
        return functional.elu(inputs, self.alpha)


class Softmax(Layer):
    """Turns entries into probabilities, which sum to 1 over some axes.

    Args:
        axis: The axes: an int, or a list of ints.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the axis is neither.

    Example:
        >>> Softmax()([[0.0, 0.0]])
        tensor([[0.5000, 0.5000]])
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = check_axes("Softmax", axis)
        self.axis = self.axes if isinstance(axis, Sequence) else self.axes[0]

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute the probabilities.

        Args:
            inputs: A tensor that has the layer's axes.
            mask: Which entries count, broadcast to the inputs; others get the probability 0. None
                for all.

        Returns:
            A tensor of the same shape.

        Raises:
            ValueError: If the mask cannot be broadcast to the inputs.
        """
        if mask is None:
            return self._probabilities(inputs)
        pairs = zip(reversed(mask.shape), reversed(inputs.shape), strict=False)
        if mask.ndim > inputs.ndim or any(size not in (1, own) for size, own in pairs):
            raise ValueError(
                f"{self.name}: `mask` must broadcast to the input's shape {tuple(inputs.shape)}. "
                f"Received: shape {tuple(mask.shape)}. Give it the axes that it lacks, each of "
                "size 1."
            )
        counts = mask if mask.dtype == torch.bool else mask > 0.5
        lowest = torch.finfo(inputs.dtype).min
        # Where nothing along an axis counts, all would get the same.
        return self._probabilities(inputs.masked_fill(~counts, lowest)).masked_fill(~counts, 0)

    def _probabilities(self, inputs: Tensor) -> Tensor:
        axes = count_from_zero(self.name, self.axes, inputs.shape)
        last = list(range(inputs.ndim - len(axes), inputs.ndim))
        moved = inputs.movedim(axes, last)
        joined = functional.softmax(moved.flatten(last[0]), -1)
        return joined.reshape(moved.shape).movedim(last, axes)


for _layer in (Activation, ELU, LeakyReLU, ReLU, Softmax):
    activations.ACTIVATIONS.add(_layer, _layer.__name__)
