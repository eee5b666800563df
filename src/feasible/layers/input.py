"""What a model starts with: the sizes of its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch

from feasible.arguments import InvalidArgumentError
from feasible.layers.configs import check_no_more, checked_name, checked_sizes


class InputLayer:
    """The sizes of a model's input, from which its first layer is built; `Input` is the same.

    It is no module: a model keeps what it says, and has no layer for it.

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
        >>> Input((784,)).batch_shape
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
        check_no_more(type(self), others)
        if (shape is None) == (batch_shape is None):
            raise InvalidArgumentError(
                "Input", "shape", shape, "the sizes of one example, or else `batch_shape` be given"
            )
        if batch_shape is None:
            self.batch_shape = (
                *checked_sizes("Input", "batch_size", [batch_size]),
                *checked_sizes("Input", "shape", shape),
            )
        elif batch_size is None:
            self.batch_shape = checked_sizes("Input", "batch_shape", batch_shape)
        else:
            raise InvalidArgumentError(
                "Input", "batch_size", batch_size, "None where `batch_shape` is given"
            )
        self.dtype = str(dtype or "float32").rpartition(".")[2]
        if str(getattr(torch, self.dtype, None)) != f"torch.{self.dtype}":
            raise InvalidArgumentError("Input", "dtype", dtype, "a dtype's name, such as 'int32'")
        self.name = checked_name("InputLayer", name)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, as Keras writes them.

        Returns:
            Arguments by name, as values that JSON can hold.
        """
        return {"batch_shape": list(self.batch_shape), "dtype": self.dtype, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make an input from what `get_config` returned.

        Args:
            config: Arguments by name, as we or Keras write them.

        Returns:
            The input.
        """
        return cls(**config)

    def __repr__(self) -> str:
        return f"Input(batch_shape={self.batch_shape}, dtype={self.dtype!r}, name={self.name!r})"


Input = InputLayer
