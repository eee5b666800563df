"""Initial values that are not drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError, check_number
from feasible.layers.initializers.initializer import Initializer


@dataclass(frozen=True, eq=False)
class Zeros(Initializer):
    """Zeros."""


@dataclass(frozen=True, eq=False)
class Ones(Initializer):
    """Ones."""

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        del generator
        return values.fill_(1)


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
        value = _decoded(self.value)
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
        if not isinstance(self.value, np.ndarray):
            return {"value": self.value}
        config = {"value": self.value.tolist(), "dtype": self.value.dtype.name}
        return {"value": {"class_name": "__numpy__", "config": config}}


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


def _decoded(value: Any) -> Any:
    """Return the array that a config of Keras's holds; anything else as it is."""
    if not isinstance(value, dict) or value.get("class_name") not in ("__numpy__", "__tensor__"):
        return value
    config = value.get("config")
    if not isinstance(config, dict) or not {"value", "dtype"} <= config.keys():
        return value
    dtype = np.dtype(config["dtype"])
    # A dtype of texts can ask for any amount of memory.
    return np.array(config["value"], dtype=dtype if dtype.kind in "fiu" else None)
