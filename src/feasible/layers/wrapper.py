"""What layers share that hold another layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.layers import nested
from feasible.layers.layer import Layer


class Wrapper(Layer):
    """A layer that holds another one: a base for layers that add to what that one does.

    Args:
        layer: The layer.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If it is not a layer.

    Example:
        >>> from feasible.layers import Dense
        >>> class Twice(Wrapper):
        ...     def call(self, inputs):
        ...         return 2 * self.layer(inputs)
        >>> Twice(Dense(1, kernel_initializer="ones"))([[3.0]]).tolist()
        [[6.0]]
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        layer = nested.get(layer)
        if not isinstance(layer, Layer):
            raise InvalidArgumentError(type(self).__name__, "layer", layer, "a layer")
        self.layer = layer
        if not self.trainable:
            self.trainable = False

    def build(self, input_shape: Any) -> None:
        """Make the layer's weights.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        self.layer.build_once(input_shape)

    def _cast(self, inputs: Tensor) -> Tensor:
        """Return the input as the layer casts it."""
        return self.layer._cast(inputs)

    def call(self, inputs: Any) -> Any:
        """Apply the layer.

        Args:
            inputs: What the layer takes.

        Returns:
            What the layer returns.
        """
        return self.layer(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            Those of the layer; by trying, where a subclass has a `call` of its own.
        """
        if type(self).call is Wrapper.call:
            return self.layer.compute_output_shape(input_shape)
        return self.tried_shape(input_shape)
