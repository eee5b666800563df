"""Layers as Keras writes them into an archive's config, both ways."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from feasible import constraints, layers
from feasible.constraints import Constraint
from feasible.layers import InputLayer, Layer
from feasible.layers.configs import arguments_of
from feasible.layers.roles import ConstraintOf, layout_of
from feasible.torch.declarations import bound_weights

CustomObjects = Mapping[str, Any]

# Layers by the name of their class, which Keras shares.
BUILT_IN: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (getattr(layers, name) for name in layers.__all__)
    if inspect.isclass(kind) and kind is not Layer
}
_MODULES = ("keras.layers", "keras.src.layers", "feasible.layers")

# What the arguments that a config gives to a layer may raise in its constructor, or in `build`.
UNSUITABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def layer_config(layer: nn.Module, dtype: torch.dtype) -> dict[str, Any]:
    """Return a layer as Keras writes it.

    Args:
        layer: The layer, which may be of a class of your own.
        dtype: The dtype in which it computes.

    Returns:
        The module, the class's name, the constructor's arguments and the registered name.

    Raises:
        ValueError: If it is no layer, or something of it could not be loaded back.
    """
    kind = type(layer)
    if not isinstance(layer, Layer):
        raise ValueError(
            f"A {kind.__name__} cannot be saved as Keras saves layers, as it is not one of "
            "feasible.layers. Save the weights alone, with `save_weights`."
        )
    if not kind.__name__.isascii():
        raise ValueError(
            f"{layer.name}: the name of its class must be ASCII, as Keras's file of weights uses "
            f"it. Received: {kind.__name__!r}."
        )
    _check_all_weights_are_known(layer)
    built_in = BUILT_IN.get(kind.__name__) is kind
    try:
        config = {**layer.get_config(), **_constraints(layer), "dtype": _policy(dtype)}
    except ValueError as error:
        raise ValueError(f"{layer.name}: {error}") from error
    entry = {
        "module": "keras.layers" if built_in else kind.__module__,
        "class_name": kind.__name__,
        "config": config,
        "registered_name": None if built_in else kind.__name__,
    }
    if layer.weight_views() and layer.input_shape is not None:
        entry["build_config"] = {"input_shape": list(layer.input_shape)}
    return entry


def _check_all_weights_are_known(layer: Layer) -> None:
    known = {layout.parameter for layout, _ in layer.weight_views()}
    others = [
        name
        for name, tensor in layer.state_dict().items()
        if tensor.is_floating_point() and name not in known
    ]
    if others:
        raise ValueError(
            f"{layer.name}: Keras would not know its {', '.join(others)}. Remove what "
            "parametrizes or adds it, or save the weights alone, with `save_weights`."
        )


def _policy(dtype: torch.dtype) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": str(dtype).removeprefix("torch.")},
        "registered_name": None,
    }


def _constraints(layer: Layer) -> dict[str, Any]:
    """Return a layer's constraints, with the axes that ``"unit"`` stands for, which Keras lacks."""
    arguments = {
        attribute.role: name
        for name in arguments_of(type(layer))
        if isinstance(attribute := getattr(type(layer), name, None), ConstraintOf)
    }
    # Those of a bias that is switched off act on nothing, but are arguments all the same.
    declared = {
        role: _on_one_axis(layer, role, getattr(layer, name)) for role, name in arguments.items()
    }
    for bound in bound_weights(layer):
        role = bound.layout.role
        if role not in arguments or bound.layout != layout_of(layer, role):
            raise ValueError(
                f"Keras has no argument for the constraint {bound.declared!r} of its {role}. Pass "
                "it to the layer, its axes counted in Keras's layout."
            )
        declared[role] = bound.constraint
    return {arguments[role]: constraints.serialize(of) for role, of in declared.items()}


def _on_one_axis(layer: Layer, role: str, constraint: Any) -> Any:
    unit_axes = layout_of(layer, role).unit_axes
    if isinstance(constraint, Constraint) and unit_axes is not None:
        return constraint.resolve(unit_axes(1))
    return constraint


def layer_from_config(entry: Any, custom_objects: CustomObjects) -> Layer | InputLayer:
    """Return the layer that Keras, or we, wrote.

    Names are looked up among the custom objects, our own layers and what was registered. Nothing
    that the config names is imported, and nothing in it is run.

    Args:
        entry: What `layer_config` returned.
        custom_objects: Layers, constraints, initializers and activations of your own, by name.

    Returns:
        The layer, not built.

    Raises:
        ValueError: If a name is unknown, or the arguments are not those of the layer.
    """
    check_entry(entry)
    kind, config = _layer_class(entry, custom_objects), entry["config"]
    try:
        return kind.from_config(  # type: ignore[no-any-return]
            {name: _argument(name, value, custom_objects) for name, value in config.items()}
        )
    except UNSUITABLE as error:
        raise ValueError(f"the {kind.__name__} {config.get('name')!r}: {error}") from error


def check_entry(entry: Any) -> None:
    """Raise if a part of a config does not describe an object.

    Args:
        entry: The part.

    Raises:
        ValueError: If it lacks a name or a config.
    """
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("class_name"), str)
        or not isinstance(entry.get("config"), dict)
        or not isinstance(entry.get("registered_name"), str | None)
        or not isinstance(entry.get("module"), str | None)
    ):
        raise ValueError(
            f"each layer must be a dict with a class_name and a config. Received: {entry!r:.200}"
        )


def _layer_class(entry: dict[str, Any], custom_objects: CustomObjects) -> type[Any]:
    name, module = entry["class_name"], entry.get("module") or ""
    registered_name = entry.get("registered_name") or name
    for candidate in (registered_name, name):
        kind = custom_objects.get(candidate)
        if inspect.isclass(kind) and issubclass(kind, Layer):
            return kind
    of_keras = module.startswith(_MODULES)
    if of_keras and registered_name == name and name in BUILT_IN:
        return BUILT_IN[name]
    if name == "Lambda":
        hint = "It holds code, which is never run."
    elif of_keras:
        near = difflib.get_close_matches(name, BUILT_IN)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(BUILT_IN)}."
    else:
        hint = f"If it is a layer of yours, pass custom_objects={{{registered_name!r}: ...}}."
    raise ValueError(f"the layer {entry['config'].get('name')!r} is a {name}, unknown here. {hint}")


def _argument(name: str, value: Any, custom_objects: CustomObjects) -> Any:
    """Return an argument's value, with what stands for a custom object replaced by it."""
    if name.endswith("_constraint"):
        return constraints.deserialize(value, custom_objects)
    if name.endswith(("activation", "_initializer")):
        return custom_object(value, custom_objects)
    return value


def custom_object(value: Any, custom_objects: CustomObjects) -> Any:
    """Return what a name, or a config of Keras's, stands for among the custom objects.

    Args:
        value: A name, a config, or anything else.
        custom_objects: Classes and functions by name.

    Returns:
        The function, or an instance of the class; the value as it is if there is none.

    Example:
        >>> custom_object("twice", {"twice": abs}), custom_object("relu", {"twice": abs})
        (<built-in function abs>, 'relu')
    """
    if isinstance(value, str):
        return custom_objects.get(value, value)
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    if value.get("class_name") == "function":
        return custom_objects.get(config, value) if isinstance(config, str) else value
    for name in (value.get("registered_name"), value.get("class_name")):
        found = custom_objects.get(name) if isinstance(name, str) else None
        if found is not None and hasattr(found, "from_config"):
            return found.from_config(config)
    return value
