"""What a model starts with: what stands for its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.layers.configs import checked_sizes
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Node, Shape, SymbolicTensor


class InputLayer(Layer):
    """The sizes of a model's input.

    Args:
        shape: Sizes of one example, without the batch; None where a size may vary.
        batch_size: How many examples there are in a batch; None where it may vary.
        dtype: The input's dtype by name; None for ``"float32"``.
        name: The input's name.
        batch_shape: The sizes with the batch, instead of `shape` and `batch_size`.
        **others: Arguments that Keras has and we do not; only the values that switch them off are
            taken.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
        TypeError: If there is no such argument.

    Example:
        >>> InputLayer((784,)).batch_shape
        (None, 784)
    """

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        name: str | None = None,
        batch_shape: Sequence[int | None] | None = None,
        **others: Any,
    ) -> None:
        super().__init__(name=name, **others)
        if (shape is None) == (batch_shape is None):
            raise InvalidArgumentError(
                "Input", "shape", shape, "the sizes of one example, or else `batch_shape` be given"
            )
        if batch_shape is None:
            self.batch_shape: Shape = (
                *checked_sizes("Input", "batch_size", [batch_size]),
                *checked_sizes("Input", "shape", shape),
            )
        elif batch_size is None:
            self.batch_shape = checked_sizes("Input", "batch_shape", batch_shape)
        else:
            raise InvalidArgumentError(
                "Input", "batch_size", batch_size, "None where `batch_shape` is given"
            )
        self.input_dtype = str(dtype or "float32").rpartition(".")[2]
        if str(getattr(torch, self.input_dtype, None)) != f"torch.{self.input_dtype}":
            raise InvalidArgumentError("Input", "dtype", dtype, "a dtype's name, such as 'int32'")
        self.built = True
        node = Node(self, (), {})
        node.outputs = SymbolicTensor(self.batch_shape, self.input_dtype, node)
        self._calls = [node]

    def __repr__(self) -> str:
        return f"Input(batch_shape={self.batch_shape}, dtype={self.input_dtype!r})"

    @property
    def tensor(self) -> SymbolicTensor:
        """What stands for the input."""
        return self._calls[0].outputs  # type: ignore[no-any-return]

    def call(self, inputs: Tensor) -> Tensor:
        """Return the input.

        Args:
            inputs: A tensor.

        Returns:
            The same.
        """
        return inputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the input.

        Args:
            input_shape: The sizes of what is given.

        Returns:
            The same.
        """
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, as Keras writes them.

        Returns:
            Arguments by name, as values that JSON can hold.
        """
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": self.input_dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
        }


def Input(  # noqa: N802  Keras's name
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    name: str | None = None,
    batch_shape: Sequence[int | None] | None = None,
    **others: Any,
) -> SymbolicTensor:
    """Return what stands for a model's input: layers are called on it, and a Sequential begins so.

    Args:
        shape: Sizes of one example, without the batch; None where a size may vary.
        batch_size: How many examples there are in a batch; None where it may vary.
        dtype: The input's dtype by name; None for ``"float32"``.
        name: The input's name.
        batch_shape: The sizes with the batch, instead of `shape` and `batch_size`.
        **others: Arguments that Keras has and we do not; only the values that switch them off are
            taken.

    Returns:
        A symbolic tensor.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
        TypeError: If there is no such argument.

    Example:
        >>> Input((784,)).shape
        (None, 784)
    """
    return InputLayer(shape, batch_size, dtype, name, batch_shape, **others).tensor
