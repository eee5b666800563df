"""Keras's configs and archives, read and written without Keras, and our constraints inside Keras.

Once this package and Keras are both imported, in either order, Keras saves and loads our
constraints, and ``axis="unit"`` means what it should in each of its layers. It imports no framework
itself, not even Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from feasible.keras.archive import Archive, open_archive, write_archive
from feasible.keras.errors import ArchiveError
from feasible.keras.importing import when_imported
from feasible.keras.integration import integrate
from feasible.keras.legacy import LegacyFile
from feasible.keras.rules import rules_from
from feasible.keras.weights_file import WeightSpec

if TYPE_CHECKING:
    from feasible.models.keras_models import from_keras as from_keras
    from feasible.models.keras_models import to_keras as to_keras

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

# What makes models of PyTorch is with the models; here it only goes by the name one looks for.
_OF_MODELS = ("from_keras", "to_keras")


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch when it is first asked for."""
    if name in _OF_MODELS:
        return getattr(import_module("feasible.models.keras_models"), name)
    raise AttributeError(f"module 'feasible.keras' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_OF_MODELS})
