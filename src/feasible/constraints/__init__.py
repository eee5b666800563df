"""What a weight must satisfy: array in, array out, on every array library.

A constraint is a projection: called with a weight, it returns the nearest one that is feasible, of
the same shape, dtype, device and library.
"""

from feasible.constraints.base import Constraint
from feasible.constraints.names import register
from feasible.constraints.serialization import deserialize, get, serialize
from feasible.constraints.sets.blocks import Blocks
from feasible.constraints.sets.box import Box
from feasible.constraints.sets.capped_simplex import CappedSimplex
from feasible.constraints.sets.fixed_sum import FixedSum
from feasible.constraints.sets.hyperplanes import HalfSpace, Hyperplane
from feasible.constraints.sets.intersection import Intersection
from feasible.constraints.sets.l1_ball import L1Ball
from feasible.constraints.sets.mask import Mask
from feasible.constraints.sets.monotone import Monotone
from feasible.constraints.sets.n_of_m import NofM
from feasible.constraints.sets.non_negative import NonNeg
from feasible.constraints.sets.norms import MaxNorm, MinMaxNorm, NormConstraint, UnitNorm
from feasible.constraints.sets.nuclear_norm import NuclearNorm
from feasible.constraints.sets.orthogonal import Orthogonal
from feasible.constraints.sets.positive_semidefinite import PositiveSemidefinite
from feasible.constraints.sets.radial import RadialConstraint
from feasible.constraints.sets.rank import Rank
from feasible.constraints.sets.simplex import Simplex
from feasible.constraints.sets.spectral_norm import SpectralNorm
from feasible.constraints.sets.sphere import Sphere
from feasible.constraints.sets.symmetric import Symmetric
from feasible.constraints.sets.top_k import TopK

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
radial_constraint = RadialConstraint
unit_norm = UnitNorm

__all__ = [
    "Blocks",
    "Box",
    "CappedSimplex",
    "Constraint",
    "FixedSum",
    "HalfSpace",
    "Hyperplane",
    "Intersection",
    "L1Ball",
    "Mask",
    "MaxNorm",
    "MinMaxNorm",
    "Monotone",
    "NofM",
    "NonNeg",
    "NormConstraint",
    "NuclearNorm",
    "Orthogonal",
    "PositiveSemidefinite",
    "RadialConstraint",
    "Rank",
    "Simplex",
    "SpectralNorm",
    "Sphere",
    "Symmetric",
    "TopK",
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
