"""Weight constraints for neural networks: the Keras contract, on PyTorch, JAX and NumPy.

A constraint is a projection: after each optimizer step it puts a weight back where it must be.
Importing feasible imports NumPy and no framework; `feasible.layers`, `feasible.models` and
`feasible.torch` import PyTorch when they are first used, and `feasible.jax` JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from feasible import constraints, ops, report
from feasible.arguments import InvalidArgumentError
from feasible.constraints import (
    Blocks,
    Box,
    CappedSimplex,
    Constraint,
    FixedSum,
    HalfSpace,
    Hyperplane,
    Intersection,
    L1Ball,
    Mask,
    MaxNorm,
    MinMaxNorm,
    Monotone,
    NofM,
    NonNeg,
    NuclearNorm,
    Orthogonal,
    PositiveSemidefinite,
    RadialConstraint,
    Rank,
    Simplex,
    SpectralNorm,
    Sphere,
    Symmetric,
    TopK,
    UnitNorm,
    max_norm,
    min_max_norm,
    non_neg,
    radial_constraint,
    unit_norm,
)
from feasible.rules import Rule

if TYPE_CHECKING:
    from feasible import activations as activations
    from feasible import backend as backend
    from feasible import initializers as initializers
    from feasible import jax as jax
    from feasible import keras as keras
    from feasible import layers as layers
    from feasible import losses as losses
    from feasible import metrics as metrics
    from feasible import models as models
    from feasible import optimizers as optimizers
    from feasible import random as random
    from feasible import regularizers as regularizers
    from feasible import saving as saving
    from feasible import torch as torch
    from feasible import utils as utils
    from feasible.models import Model as Model
    from feasible.models import Sequential as Sequential
    from feasible.models import load_model as load_model

__version__ = "0.1.0"

# Without what is imported when it is first used: a star import must need no framework, and must not
# hide the libraries that `torch`, `jax` and `keras` are named for.
__all__ = [
    "Blocks",
    "Box",
    "CappedSimplex",
    "Constraint",
    "FixedSum",
    "HalfSpace",
    "Hyperplane",
    "Intersection",
    "InvalidArgumentError",
    "L1Ball",
    "Mask",
    "MaxNorm",
    "MinMaxNorm",
    "Monotone",
    "NofM",
    "NonNeg",
    "NuclearNorm",
    "Orthogonal",
    "PositiveSemidefinite",
    "RadialConstraint",
    "Rank",
    "Rule",
    "Simplex",
    "SpectralNorm",
    "Sphere",
    "Symmetric",
    "TopK",
    "UnitNorm",
    "constraints",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "ops",
    "radial_constraint",
    "report",
    "unit_norm",
]

_PACKAGES = (
    "callbacks",
    "activations",
    "backend",
    "initializers",
    "jax",
    "keras",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "torch",
    "wrappers",
    "utils",
)
_OF_MODELS = ("Model", "Sequential", "load_model")


def __getattr__(name: str) -> Any:
    """Import what needs a framework when it is first asked for."""
    if name in _PACKAGES:
        return import_module(f"feasible.{name}")
    if name in _OF_MODELS:
        return getattr(import_module("feasible.models"), name)
    raise AttributeError(f"module 'feasible' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_PACKAGES, *_OF_MODELS})
