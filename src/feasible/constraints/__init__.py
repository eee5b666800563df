"""What a weight must satisfy: array in, array out, on every array library.

A constraint is a projection: called with a weight, it returns the nearest one that is feasible, of
the same shape, dtype, device and library.
"""

from feasible.constraints.base import Constraint
from feasible.constraints.names import register
from feasible.constraints.serialization import deserialize, get, serialize
from feasible.constraints.sets.non_negative import NonNeg
from feasible.constraints.sets.norms import MaxNorm, MinMaxNorm, NormConstraint, UnitNorm
from feasible.constraints.sets.radial import RadialConstraint

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
radial_constraint = RadialConstraint
unit_norm = UnitNorm

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "NormConstraint",
    "RadialConstraint",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "radial_constraint",
    "register",
    "serialize",
    "unit_norm",
]
