"""Initial values that are not drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError, check_number
from feasible.config_values import decode_value, encode_value
from feasible.layers.initializers.initializer import INITIALIZERS, Initializer


@INITIALIZERS.built_in("zero")
@dataclass(frozen=True, eq=False)
class Zeros(Initializer):
    """Zeros."""


@INITIALIZERS.built_in("one")
@dataclass(frozen=True, eq=False)
class Ones(Initializer):
    """Ones."""

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        del generator
        return values.fill_(1)


@INITIALIZERS.built_in()
@dataclass(frozen=True, eq=False)
class Constant(Initializer):
    """One number throughout, or the values of an array.

    Args:
        value: A number, or an array of the weight's shape in Keras layout, such as word vectors
            for an Embedding.

    Raises:
        InvalidArgumentError: If it is neither.

    Example:
        >>> Constant([[1.0, 2.0]])((1, 2))
        tensor([[1., 2.]])
    """

    value: Any = 0.0

    def __post_init__(self) -> None:
        """Check the value, and take the array out of a config of Keras's."""
        value = decode_value(self.value)
        if isinstance(value, Tensor):
            value = value.detach().cpu().numpy()
        if not isinstance(value, int | float):
            value = np.array(value)
            if value.dtype.kind not in "fiu":
                raise InvalidArgumentError("Constant", "value", self.value, "a number or an array")
            value = value.item() if value.ndim == 0 else value
        object.__setattr__(self, "value", value)

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        del generator
        if not isinstance(self.value, np.ndarray):
            return values.fill_(self.value)
        if self.value.shape != values.shape:
            raise ValueError(
                f"Constant: `value` must be a number, or an array of the weight's shape "
                f"{tuple(values.shape)}. Received: an array of shape {self.value.shape}."
            )
        return values.copy_(torch.tensor(self.value))

    def get_config(self) -> dict[str, Any]:
        """Return the value, as Keras writes it.

        Returns:
            The number, or a dict with the array as lists.
        """
        return {"value": encode_value("Constant", "value", self.value)}


@INITIALIZERS.built_in("IdentityInitializer")
@dataclass(frozen=True, eq=False)
class Identity(Initializer):
    """The identity matrix, times a gain; it fills matrices only.

    Args:
        gain: What the matrix is multiplied by.

    Raises:
        InvalidArgumentError: If the gain is not a number.

    Example:
        >>> Identity(2.0)((2, 2))
        tensor([[2., 0.],
                [0., 2.]])
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        """Check the gain."""
        check_number("Identity", "gain", self.gain)

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        del generator
        if values.ndim != 2:
            raise ValueError(
                f"Identity: a weight must have 2 axes. Received: shape {tuple(values.shape)}."
            )
        return nn.init.eye_(values).mul_(self.gain)
