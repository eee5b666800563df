"""Layers as Keras writes them into an archive's config, both ways."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from feasible import constraints, regularizers
from feasible.arguments import InvalidArgumentError
from feasible.constraints import Constraint
from feasible.layers import InputLayer, Lambda, Layer, activations, initializers
from feasible.layers.configs import layer_arguments
from feasible.layers.nested import LAYERS
from feasible.layers.roles import ConstraintOf, layout_of
from feasible.object_json import class_of, object_entry, object_json, to_json
from feasible.registry import CustomObjects
from feasible.torch.bound_weights import bound_weights

# Arguments that are layers.
_LAYERS = ("backward_layer", "cell", "cells", "layer")

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
    try:
        # First of all, so that what cannot be written is named where it is.
        nested = _nested(layer, dtype)
        config = {**layer.get_config(), **_constraints(layer), **nested, "dtype": _policy(dtype)}
    except ValueError as error:
        raise ValueError(f"{layer.name}: {error}") from error
    entry = to_json(LAYERS, layer, config)
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
    name = str(dtype).removeprefix("torch.")
    return object_json("DTypePolicy", {"name": name}, module="keras")


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
            # What a layer adds by itself is constrained by its own code.
            if bound.layout in getattr(owner, "added_layouts", ()):
                continue
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
    if kind is Lambda:
        raise ValueError(
            f"the layer {config.get('name')!r} is a Lambda. It holds code, which is never run. "
            "Build the model by its own code, and load the weights."
        )
    if kind in LAYERS.things:
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
    try:
        object_entry("layer", entry)
        described = isinstance(entry.get("config"), dict)
    except InvalidArgumentError:
        described = False
    if not described:
        raise ValueError(
            f"each layer must be a dict with a class_name and a config. Received: {entry!r:.200}"
        )


def _layer_class(entry: dict[str, Any], custom_objects: CustomObjects) -> type[Any]:
    own = {
        name: kind
        for name, kind in custom_objects.items()
        if inspect.isclass(kind) and issubclass(kind, Layer)
    }
    try:
        kind: type[Any] = class_of(LAYERS, entry, own)
        return kind
    except ValueError as error:
        raise ValueError(
            f"the layer {entry['config'].get('name')!r} is a {entry['class_name']}, unknown here. "
            f"{error}"
        ) from error


def _argument(name: str, value: Any, custom_objects: CustomObjects) -> Any:
    """Return an argument's value, with what stands for a custom object replaced by it."""
    if name.endswith("_constraint"):
        return constraints.deserialize(value, custom_objects)
    if name.endswith("activation"):
        return activations.get(value, custom_objects)
    if name.endswith("_regularizer"):
        return regularizers.get(value, custom_objects)
    if name.endswith("_initializer"):
        return initializers.get(value, custom_objects)
    if name in _LAYERS and isinstance(value, dict):
        return layer_from_config(value, custom_objects)
    if name in _LAYERS and isinstance(value, list):
        return [layer_from_config(one, custom_objects) for one in value]
    return value
