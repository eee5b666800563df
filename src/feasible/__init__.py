"""Weight constraints for neural networks: the Keras contract, on PyTorch, JAX and NumPy.

A constraint is a projection: after each optimizer step it puts a weight back where it must be.
Importing feasible imports NumPy and no framework; `feasible.layers`, `feasible.models` and
`feasible.torch` import PyTorch when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from feasible import constraints, ops, report
from feasible.arguments import InvalidArgumentError
from feasible.constraints import (
    Constraint,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    RadialConstraint,
    UnitNorm,
    max_norm,
    min_max_norm,
    non_neg,
    radial_constraint,
    unit_norm,
)

if TYPE_CHECKING:
    from feasible import keras, layers, models, torch
    from feasible.models import Model, Sequential, load_model

__version__ = "0.1.0"

__all__ = [
    "Constraint",
    "InvalidArgumentError",
    "MaxNorm",
    "MinMaxNorm",
    "Model",
    "NonNeg",
    "RadialConstraint",
    "Sequential",
    "UnitNorm",
    "constraints",
    "keras",
    "layers",
    "load_model",
    "max_norm",
    "min_max_norm",
    "models",
    "non_neg",
    "ops",
    "radial_constraint",
    "report",
    "torch",
    "unit_norm",
]

_PACKAGES = ("keras", "layers", "models", "torch")
_OF_MODELS = ("Model", "Sequential", "load_model")


def __getattr__(name: str) -> Any:
    """Import what needs a framework when it is first asked for."""
    if name in _PACKAGES:
        return import_module(f"feasible.{name}")
    if name in _OF_MODELS:
        return getattr(import_module("feasible.models"), name)
    raise AttributeError(f"module 'feasible' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
