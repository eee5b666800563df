"""Weight constraints for neural networks: the Keras contract, on PyTorch, JAX and NumPy.

A constraint is a projection: after each optimizer step it puts a weight back where it must be.
Importing feasible imports nothing else: what it holds is imported when it is first used, the
constraints with NumPy and no framework, `feasible.layers`, `feasible.models` and `feasible.torch`
with PyTorch, and `feasible.jax` with JAX. So the command line starts in a tenth of a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feasible import activations as activations
    from feasible import backend as backend
    from feasible import constraints as constraints
    from feasible import initializers as initializers
    from feasible import jax as jax
    from feasible import keras as keras
    from feasible import layers as layers
    from feasible import losses as losses
    from feasible import metrics as metrics
    from feasible import models as models
    from feasible import ops as ops
    from feasible import optimizers as optimizers
    from feasible import random as random
    from feasible import regularizers as regularizers
    from feasible import report as report
    from feasible import saving as saving
    from feasible import torch as torch
    from feasible import utils as utils
    from feasible.arguments import InvalidArgumentError as InvalidArgumentError
    from feasible.constraints import Blocks as Blocks
    from feasible.constraints import Box as Box
    from feasible.constraints import CappedSimplex as CappedSimplex
    from feasible.constraints import Constraint as Constraint
    from feasible.constraints import FixedSum as FixedSum
    from feasible.constraints import HalfSpace as HalfSpace
    from feasible.constraints import Hyperplane as Hyperplane
    from feasible.constraints import Intersection as Intersection
    from feasible.constraints import L1Ball as L1Ball
    from feasible.constraints import Mask as Mask
    from feasible.constraints import MaxNorm as MaxNorm
    from feasible.constraints import MinMaxNorm as MinMaxNorm
    from feasible.constraints import Monotone as Monotone
    from feasible.constraints import NofM as NofM
    from feasible.constraints import NonNeg as NonNeg
    from feasible.constraints import NuclearNorm as NuclearNorm
    from feasible.constraints import Orthogonal as Orthogonal
    from feasible.constraints import PositiveSemidefinite as PositiveSemidefinite
    from feasible.constraints import RadialConstraint as RadialConstraint
    from feasible.constraints import Rank as Rank
    from feasible.constraints import Simplex as Simplex
    from feasible.constraints import SpectralNorm as SpectralNorm
    from feasible.constraints import Sphere as Sphere
    from feasible.constraints import Symmetric as Symmetric
    from feasible.constraints import TopK as TopK
    from feasible.constraints import UnitNorm as UnitNorm
    from feasible.constraints import max_norm as max_norm
    from feasible.constraints import min_max_norm as min_max_norm
    from feasible.constraints import non_neg as non_neg
    from feasible.constraints import radial_constraint as radial_constraint
    from feasible.constraints import unit_norm as unit_norm
    from feasible.layers import Input as Input
    from feasible.layers import Layer as Layer
    from feasible.layers.variable import Variable as Variable
    from feasible.models import Model as Model
    from feasible.models import Sequential as Sequential
    from feasible.models import load_model as load_model
    from feasible.rules import Rule as Rule

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
    "activations",
    "backend",
    "callbacks",
    "checkpoints",
    "constraints",
    "initializers",
    "jax",
    "keras",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "torch",
    "utils",
    "wrappers",
)
_MODULES = ("report", "testing")
# Where each class and function stands; those that are not named here are constraints.
_ELSEWHERE = {
    "Input": "feasible.layers",
    "InvalidArgumentError": "feasible.arguments",
    "Layer": "feasible.layers",
    "Model": "feasible.models",
    "Rule": "feasible.rules",
    "Sequential": "feasible.models",
    "Variable": "feasible.layers.variable",
    "load_model": "feasible.models",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, the first time that it is."""
    if name in _PACKAGES or name in _MODULES:
        return import_module(f"feasible.{name}")
    if name in _ELSEWHERE or name in __all__:
        found = getattr(import_module(_ELSEWHERE.get(name, "feasible.constraints")), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'feasible' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_PACKAGES, *_MODULES, *_ELSEWHERE})
