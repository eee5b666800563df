"""Binds constraints to the arrays of JAX programs: trees, optax, Flax and Equinox."""

from feasible.requirements import require

require("feasible.jax", "jax", "jax", "optax")

# ruff: noqa: E402

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import jax

from feasible.constraints.values import when_made
from feasible.jax.initial import initial_rules
from feasible.jax.projecting import project
from feasible.jax.tree_report import check
from feasible.jax.updates import apply_updates, constrain_updates, tangent
from feasible.known_layouts import layouts_of, register_layouts
from feasible.layouts import ParameterLayout

if TYPE_CHECKING:
    from feasible.jax import nnx as nnx


def _register(kind: type) -> None:
    """Make constraints static in trees: an argument of a compiled function, compared by value."""
    # A class that its user has made a node of a tree stays one.
    with suppress(ValueError):
        jax.tree_util.register_static(kind)


when_made(_register)

__all__ = [
    "ParameterLayout",
    "apply_updates",
    "check",
    "constrain_updates",
    "initial_rules",
    "layouts_of",
    "project",
    "register_layouts",
    "tangent",
]


def __getattr__(name: str) -> Any:
    """Import what needs Flax when it is first asked for."""
    if name == "nnx":
        return import_module("feasible.jax.nnx")
    raise AttributeError(f"module 'feasible.jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "nnx"})
