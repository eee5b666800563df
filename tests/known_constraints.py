"""Every class of constraints that the registry knows, with arguments to try it with.

A class whose defaults do not do, or not for all, is given others here; one that is not here is
tried with its defaults. So a new set is in all tests that go over the sets once it is registered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
    NormConstraint,
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
)
from feasible.constraints.names import CONSTRAINTS

ARGUMENTS: dict[type, list[dict[str, Any]]] = {
    NormConstraint: [{"min_value": 1, "max_value": 2, "rate": 1, "axis": "unit"}],
    # Binding the default axis to a kernel of a convolution warns.
    MaxNorm: [{"axis": (0,)}, {"axis": "unit"}, {"max_value": 0.5, "axis": None}, {"axis": ()}],
    MinMaxNorm: [
        {"min_value": 1.0, "max_value": 2.0, "axis": (0, 1)},
        {"min_value": 0.5, "max_value": 1.5, "rate": 0.25, "axis": [0, 1, 2]},
    ],
    UnitNorm: [{"axis": "unit"}, {"axis": None}],
    RadialConstraint: [
        {"rings": "documented"},
        {"rings": "mean"},
        {"rings": "mean", "metric": "euclidean"},
        {"rings": "legacy"},
    ],
    Box: [{"lower": -0.5, "upper": 1.0}, {"upper": np.linspace(-1, 1, 6)}],
    Mask: [{"mask": np.arange(12).reshape(2, 6) % 3 > 0}],
    FixedSum: [{"total": 1.5, "axis": "unit"}],
    Hyperplane: [{"normal": np.arange(1.0, 4.0).reshape(3, 1, 1, 1), "axis": (0, 1)}],
    HalfSpace: [{"normal": np.arange(1.0, 7.0), "offset": 0.5, "axis": -1}],
    Sphere: [{"axis": "unit"}, {"radius": np.arange(1.0, 7.0), "axis": (0, 1, 2)}],
    L1Ball: [{"radius": np.arange(1.0, 7.0), "axis": (0, 1, 2)}],
    Simplex: [{"total": 2, "axis": "unit"}],
    CappedSimplex: [{"total": 2, "upper": 0.75, "axis": "unit"}],
    Monotone: [{"increasing": False, "axis": (0, 1)}],
    TopK: [{"k": 2, "axis": "unit"}],
    NofM: [{"n": 1, "m": 3, "axis": (0,)}],
    SpectralNorm: [{"max_value": 0.5, "axis": (0,), "batch": (3,)}],
    NuclearNorm: [{"axis": (0,), "batch": (2, 3)}],
    Rank: [{"max_rank": 1, "axis": (0,), "batch": (2, 3)}],
    Orthogonal: [{"axis": (0,), "batch": (3,)}],
    Symmetric: [{"axes": (0, 1)}],
    PositiveSemidefinite: [{"min_eigenvalue": 0.5, "axes": (1, 0)}],
    Intersection: [
        {"first": NonNeg(), "second": MaxNorm(1, axis="unit")},
    ],
    Blocks: [
        {"constraint": MaxNorm(1, axis=(0, 3)), "axis": 3, "sizes": (1, 3, 2)},
    ],
}
KNOWN: list[Constraint] = [
    kind(**given) for kind in CONSTRAINTS.things for given in ARGUMENTS.get(kind, [{}])
]
# Those whose compiled programs are tried in every dtype; of others, what runs uncompiled is.
IN_EVERY_DTYPE = (NormConstraint, NonNeg, RadialConstraint, FixedSum, Sphere, Simplex)
# A kernel whose two first axes are as long as each other, as some ask for.
SHAPE = (3, 3, 2, 6)


def is_idempotent(constraint: Constraint) -> bool:
    """Whether a constraint promises to leave alone what it returned."""
    return getattr(constraint, "rate", 1) == 1 and getattr(constraint, "rings", "") != "legacy"


def is_nearest(constraint: Constraint) -> bool:
    """Whether a constraint promises to return the nearest feasible weight."""
    return is_idempotent(constraint) and getattr(constraint, "rings", "mean") == "mean"


def takes(constraint: Constraint, shape: tuple[int, ...]) -> bool:
    """Whether a constraint has a meaning for weights of a shape."""
    try:
        constraint(np.ones(shape))
    except ValueError:
        return False
    return True
