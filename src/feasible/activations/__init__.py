"""Activation functions, as functions by Keras's names."""

from typing import Any

from feasible.requirements import require

require("feasible.activations", "fit", "torch")

# ruff: noqa: E402
from feasible.layers.activations import ACTIVATIONS, get, register, serialize

deserialize = get
_NAMES = {name: one for one in ACTIVATIONS.things for name in ACTIVATIONS.names(one)}

__all__ = ["deserialize", "get", "register", "serialize"]


def __getattr__(name: str) -> Any:
    """Return the function of a name of Keras's."""
    if name in _NAMES:
        return _NAMES[name]
    raise AttributeError(f"module 'feasible.activations' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_NAMES})
