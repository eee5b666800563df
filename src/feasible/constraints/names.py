"""Which constraint goes by which name."""

from __future__ import annotations

from feasible.registry import Registry

CONSTRAINTS = Registry(
    "constraint",
    "keras.constraints",
    base="Constraint",
    decorator="feasible.constraints.register",
)
register = CONSTRAINTS.register
