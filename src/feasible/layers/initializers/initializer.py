"""What every initializer shares."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from feasible.arguments import check_integer
from feasible.registry import Registry

INITIALIZERS = Registry(
    "initializer",
    "keras.initializers",
    base="Initializer",
    decorator="feasible.layers.initializers.register",
)


class Initializer:
    """Base class of initializers: from a weight's shape, in Keras layout, to its initial values.

    Subclasses are frozen dataclasses: their fields are the constructor's arguments. Values are
    drawn on the CPU, and in float32 or wider, so that a seed means the same values everywhere.
    With a seed every call draws the same; without one they come from PyTorch's generator.

    Example:
        >>> from feasible.layers import initializers
        >>> initializers.RandomUniform(-1.0, 1.0, seed=0)((2, 2)).shape
        torch.Size([2, 2])
    """

    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the seed."""
        if self.seed is not None:
            check_integer(type(self).__name__, "seed", self.seed, minimum=-(2**63))

    def __call__(self, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
        """Return initial values.

        Args:
            shape: The weight's shape in Keras layout.
            dtype: The values' dtype; None for PyTorch's default.

        Returns:
            A tensor on the CPU.

        Raises:
            ValueError: If the initializer cannot fill such a shape.
        """
        dtype = dtype or torch.get_default_dtype()
        wide = torch.promote_types(dtype, torch.float32)
        generator = None if self.seed is None else torch.Generator("cpu").manual_seed(self.seed)
        values = torch.empty(tuple(shape), dtype=wide, device="cpu")
        with torch.no_grad():
            return self._filled(values, generator).to(dtype)

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the tensor with initial values written to it; None is PyTorch's generator."""
        del generator
        return values.zero_()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as values that JSON can hold.

        Returns:
            Arguments by name.
        """
        if not dataclasses.is_dataclass(self):
            return {}
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields.items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make an initializer from what `get_config` returned.

        Args:
            config: Arguments by name.

        Returns:
            An initializer of this class.
        """
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(type(self))
