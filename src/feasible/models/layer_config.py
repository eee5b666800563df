"""Layers as Keras writes them into an archive's config, both ways."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from feasible import constraints
from feasible.constraints import Constraint
from feasible.layers import InputLayer, Layer
from feasible.layers.configs import layer_arguments
from feasible.layers.nested import BUILT_IN
from feasible.layers.roles import ConstraintOf, layout_of
from feasible.torch.declarations import bound_weights

CustomObjects = Mapping[str, Any]

# Arguments that are layers.
_LAYERS = ("backward_layer", "cell", "cells", "layer")
_MODULES = ("keras.layers", "keras.src.layers", "feasible.layers")

_WITHOUT_EFFECT = (
    "groups",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_constraint",
)

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
        # First of all, so that what cannot be written is named where it is.
        nested = _nested(layer, dtype)
        config = {**layer.get_config(), **_constraints(layer), **nested, "dtype": _policy(dtype)}
    except ValueError as error:
        raise ValueError(f"{layer.name}: {error}") from error
    entry = {
        "module": "keras.layers" if built_in else kind.__module__,
        "class_name": kind.__name__,
        "config": config,
        "registered_name": None if built_in else kind.__name__,
    }
    if layer.all_weight_views() and layer.input_shape is not None:
        entry["build_config"] = {"input_shape": list(layer.input_shape)}
    return entry


def _check_all_weights_are_known(layer: Layer) -> None:
    known = {
        f"{path}.{layout.parameter}".lstrip(".")
        for path, part in layer.named_modules()
        if isinstance(part, Layer)
        for layout, _ in part.weight_views()
    }
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
    attributes = {name: getattr(type(layer), name, None) for name in layer_arguments(type(layer))}
    arguments = {
        (attribute.owner(layer), attribute.role): name
        for name, attribute in attributes.items()
        if isinstance(attribute, ConstraintOf)
    }
    # Those of a bias that is switched off act on nothing, but are arguments all the same.
    declared = {
        (owner, role): _on_one_axis(owner, role, getattr(layer, name))
        for (owner, role), name in arguments.items()
    }
    for owner in {layer, *(owner for owner, _ in arguments)}:
        for bound in bound_weights(owner):
            role = bound.layout.role
            if (owner, role) not in arguments or bound.layout != layout_of(owner, role):
                raise ValueError(
                    f"Keras has no argument for the constraint {bound.declared!r} of its {role}. "
                    "Pass it to the layer, its axes counted in Keras's layout."
                )
            declared[owner, role] = bound.constraint
    return {arguments[key]: constraints.serialize(of) for key, of in declared.items()}


def _nested(layer: Layer, dtype: torch.dtype) -> dict[str, Any]:
    """Return the arguments of a layer that are layers, as Keras writes them."""

    def entry(value: Any) -> Any:
        if isinstance(value, nn.ModuleList):
            return [*map(entry, value)]
        return layer_config(value, value.dtype or dtype)

    values = {name: getattr(layer, name, None) for name in layer_arguments(type(layer))}
    return {name: entry(of) for name, of in values.items() if isinstance(of, Layer | nn.ModuleList)}


def _on_one_axis(layer: nn.Module, role: str, constraint: Any) -> Any:
    unit_axes = layout_of(layer, role).unit_axes(1)
    if isinstance(constraint, Constraint) and unit_axes is not None:
        return constraint.resolve(unit_axes)
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
    if BUILT_IN.get(kind.__name__) is kind:
        config = _in_keras_3(kind.__name__, config)
    try:
        return kind.from_config(  # type: ignore[no-any-return]
            {name: _argument(name, value, custom_objects) for name, value in config.items()}
        )
    except UNSUITABLE as error:
        raise ValueError(f"the {kind.__name__} {config.get('name')!r}: {error}") from error


def _in_keras_3(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return a config with what only Keras 2 writes said in the words of Keras 3."""
    config = dict(config)
    if isinstance(shape := config.pop("batch_input_shape", None), list):
        with_batch = kind == InputLayer.__name__
        config["batch_shape" if with_batch else "input_shape"] = shape[0 if with_batch else 1 :]
    if kind == "BatchNormalization" and isinstance(axis := config.get("axis"), list):
        (config["axis"],) = axis if len(axis) == 1 else (axis,)
    if kind.startswith(("DepthwiseConv", "SeparableConv")):
        # What they have from the class that they are derived from there acts on nothing.
        for name in _WITHOUT_EFFECT:
            config.pop(name, None)
    return config


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
    # Configs of Keras 2 have no module. Where it is there but None, the class is a user's.
    name, module = entry["class_name"], entry.get("module", _MODULES[0]) or ""
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
    if name in _LAYERS and isinstance(value, dict):
        return layer_from_config(value, custom_objects)
    if name in _LAYERS and isinstance(value, list):
        return [layer_from_config(one, custom_objects) for one in value]
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
