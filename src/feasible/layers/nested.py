"""Layers that are arguments of layers, as Keras writes them in a config, both ways."""

from __future__ import annotations

from typing import Any

from torch import nn

from feasible.object_json import from_json, to_json
from feasible.registry import CustomObjects, Registry

# Filled when the package of layers is imported.
LAYERS = Registry("layer", "keras.layers", base="Layer")


def get(value: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return the layer that a config describes.

    Names are looked up among the layers of this package: nothing that a config names is imported.

    Args:
        value: A layer, a config of one as `serialize` returns it, a list of either, or None.
        custom_objects: Layers of your own by name.

    Returns:
        New layers for configs, and anything else as it is.

    Raises:
        InvalidArgumentError: If a config is none of a layer.
        ValueError: If the class is unknown.

    Example:
        >>> from feasible.layers import Dense
        >>> get(serialize(Dense(3))).units
        3
    """
    if isinstance(value, list | tuple):
        return [get(one, custom_objects) for one in value]
    return from_json(LAYERS, value, custom_objects) if isinstance(value, dict) else value


def serialize(value: Any) -> Any:
    """Return a layer as Keras writes it.

    Args:
        value: A layer, a list of layers, or None.

    Returns:
        The module, the class's name, the arguments and the registered name; a list of such, or
        None.
    """
    if isinstance(value, list | tuple | nn.ModuleList):
        return [*map(serialize, value)]
    return None if value is None else to_json(LAYERS, value)
