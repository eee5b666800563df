"""Our constraints inside Keras, and models and constraints that come from Keras and go there.

Once this package and Keras are both imported, in either order, Keras saves and loads our
constraints, and ``axis="unit"`` means what it should in each of its layers. It imports no framework
itself, not even Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from feasible.archives import (
    Archive,
    ArchiveError,
    LegacyFile,
    WeightSpec,
    open_archive,
    write_archive,
)
from feasible.importing import when_imported
from feasible.keras.constraint_rules import rules_from
from feasible.keras.integration import integrate

if TYPE_CHECKING:
    from feasible.keras.model_conversion import from_keras as from_keras
    from feasible.keras.model_conversion import to_keras as to_keras

when_imported("keras", integrate)

__all__ = [
    "Archive",
    "ArchiveError",
    "LegacyFile",
    "WeightSpec",
    "open_archive",
    "rules_from",
    "write_archive",
]

_NEED_PYTORCH = ("from_keras", "to_keras")


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch when it is first asked for."""
    if name in _NEED_PYTORCH:
        return getattr(import_module("feasible.keras.model_conversion"), name)
    raise AttributeError(f"module 'feasible.keras' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_NEED_PYTORCH})
