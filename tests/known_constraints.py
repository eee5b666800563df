"""Every class of constraints that the registry knows, with arguments to try it with.

A class whose defaults do not do, or not for all, is given others here; one that is not here is
tried with its defaults. So a new set is in all tests that go over the sets once it is registered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from feasible import Constraint, MaxNorm, MinMaxNorm, RadialConstraint, UnitNorm
from feasible.constraints import NormConstraint
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
}
KNOWN: list[Constraint] = [
    kind(**given) for kind in CONSTRAINTS.things for given in ARGUMENTS.get(kind, [{}])
]
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
