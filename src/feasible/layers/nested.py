"""Layers that are arguments of layers, as Keras writes them in a config, both ways."""

from __future__ import annotations

import difflib
from typing import Any

from torch import nn

from feasible.arguments import InvalidArgumentError

# Layers of this package by the name of their class, which Keras shares; filled when it is imported.
BUILT_IN: dict[str, type[Any]] = {}


def get(value: Any) -> Any:
    """Return the layer that a config describes.

    Names are looked up among the layers of this package: nothing that a config names is imported.

    Args:
        value: A layer, a config of one as `serialize` returns it, a list of either, or None.

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
        return [*map(get, value)]
    if not isinstance(value, dict):
        return value
    name, config = value.get("class_name"), value.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        raise InvalidArgumentError(
            "get", "layer", value, "a config, with `class_name` and `config`"
        )
    if name not in BUILT_IN:
        near = " or ".join(difflib.get_close_matches(name, BUILT_IN))
        hint = f"Did you mean {near}? " if near else ""
        raise ValueError(
            f"Unknown layer {name!r}. {hint}Pass one of your own as a layer instead of its config, "
            "or to load_model in custom_objects."
        )
    return BUILT_IN[name].from_config(config)


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
    if value is None:
        return None
    kind = type(value)
    built_in = BUILT_IN.get(kind.__name__) is kind
    return {
        "module": "keras.layers" if built_in else kind.__module__,
        "class_name": kind.__name__,
        "config": value.get_config(),
        "registered_name": None if built_in else kind.__name__,
    }
