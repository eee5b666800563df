"""A model as Keras writes it into an archive's config, both ways."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from feasible.layers import Embedding, InputLayer
from feasible.models.graph_config import MOST_LAYERS, graph_entries, graph_from_entries
from feasible.models.layer_config import (
    UNSUITABLE,
    check_entry,
    layer_config,
    layer_from_config,
)
from feasible.models.model import Model
from feasible.models.operation_config import is_operation, operation_from_config
from feasible.models.sequential import Sequential
from feasible.models.weight_views import weight_views
from feasible.object_json import object_json
from feasible.registry import CustomObjects

FUNCTIONAL = ("Functional", "Model")
_MODELS = ("Sequential", *FUNCTIONAL)


def is_model(entry: Any) -> bool:
    """Return whether a part of a config describes a model, rather than a layer.

    Args:
        entry: The part.

    Returns:
        Whether it is a Sequential or a functional model.
    """
    return isinstance(entry, dict) and (
        entry.get("class_name") in _MODELS or "input_layers" in (entry.get("config") or ())
    )


def model_config(model: nn.Module, dtype: torch.dtype | None = None) -> dict[str, Any]:
    """Return a built model as Keras writes it.

    Args:
        model: The model.
        dtype: The dtype in which layers without weights compute; None for PyTorch's default.

    Returns:
        The module, the class's name, the config with all layers, and the sizes of the input.

    Raises:
        ValueError: If it is neither a stack of layers nor made of calls, or something of it could
            not be loaded back.
    """
    dtype = dtype or torch.get_default_dtype()
    if type(model) is Sequential and model.input_shape is not None:
        return _sequential_config(model, dtype)
    if isinstance(model, Model) and model.graph is not None and not isinstance(model, Sequential):
        return _functional_config(model, dtype)
    raise ValueError(
        f"A {type(model).__name__} cannot be saved as a Keras archive: only a built Sequential and "
        "a Model(inputs, outputs) can. Save its weights, with `save_weights`, and build it anew by "
        "its own code."
    )


def _functional_config(model: Model, dtype: torch.dtype) -> dict[str, Any]:
    graph = model.find_graph()
    assert graph is not None

    def entry_of(module: nn.Module) -> dict[str, Any]:
        if isinstance(module, InputLayer):
            return object_json("InputLayer", module.get_config(), module="keras.layers")
        if isinstance(module, Model):
            return model_config(module, dtype)
        entry = layer_config(module, _dtype_of(module, dtype))
        # It is built by its calls, which tell more of several inputs.
        entry.pop("build_config", None)
        return entry

    entries = graph_entries(graph, model.layer_names, entry_of)
    config = {"name": model.name, "trainable": model.trainable, **entries}
    return object_json("Functional", config, module="keras.src.models.functional")


def _sequential_config(model: Sequential, dtype: torch.dtype) -> dict[str, Any]:
    if len(set(model.layers)) < len(model.layers):
        raise ValueError(
            f"{model.name}: a layer stands in several places, which Keras cannot load in a "
            "Sequential. Save the weights alone, with `save_weights`."
        )
    layers = [_input_config(model)]
    for layer in model.layers:
        dtype = _dtype_of(layer, dtype)
        is_model_too = isinstance(layer, Model)
        layers.append(model_config(layer, dtype) if is_model_too else layer_config(layer, dtype))
    shape = list(model.input_shape or ())
    config = {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "build_input_shape": shape,
    }
    entry = object_json("Sequential", config, module="keras")
    return {**entry, "build_config": {"input_shape": shape}}


def _input_config(model: Sequential) -> dict[str, Any]:
    names = ("input_layer", *(f"input_layer_{number}" for number in range(1, len(model) + 1)))
    first: nn.Module = model
    while isinstance(first, Sequential) and len(first):
        first = first[0]
    config = {
        "batch_shape": list(model.input_shape or ()),
        "dtype": "int32" if isinstance(first, Embedding) else "float32",
        "sparse": False,
        "ragged": False,
        "name": next(name for name in names if name not in model.layer_names),
    }
    return object_json("InputLayer", config, module="keras.layers")


def _dtype_of(layer: nn.Module, before: torch.dtype) -> torch.dtype:
    """Return the dtype in which a layer computes, given that of its input."""
    of_weights = [view.dtype for _, view in weight_views(layer)]
    return [before, *of_weights][-1] if of_weights else getattr(layer, "dtype", None) or before


def model_from_config(entry: Any, custom_objects: CustomObjects) -> Model:
    """Return the model that Keras, or we, wrote.

    Args:
        entry: What `model_config` returned.
        custom_objects: Layers, constraints, initializers and activations of your own, by name.

    Returns:
        The model, built if the config says for which inputs.

    Raises:
        ValueError: If it is no such model, a name is unknown, or the layers do not fit.
    """
    if isinstance(entry, dict) and isinstance(entry.get("config"), list):
        # Before Keras 2.2.3, the config was the list.
        entry = {**entry, "config": {"layers": entry["config"]}}
    check_entry(entry)
    layers = entry["config"].get("layers")
    if not is_model(entry) or not isinstance(layers, list):
        raise ValueError(
            f"the model is a {entry['class_name']}, and must be a Sequential, or a "
            "functional model, with its layers. Build it by its own code, and load the weights."
        )
    if len(layers) > MOST_LAYERS:
        raise ValueError(f"it has {len(layers)} layers, more than the {MOST_LAYERS} allowed.")
    for layer in layers:
        check_entry(layer)
    name = entry["config"].get("name")
    read = _sequential if entry["class_name"] == "Sequential" else _functional
    try:
        return read(entry["config"], custom_objects)
    except _UnreadableError:
        raise
    except UNSUITABLE as error:
        raise _UnreadableError(f"the model {name!r} cannot be built: {error}") from error


class _UnreadableError(ValueError):
    """What says already which model it is about."""


def _functional(config: dict[str, Any], custom_objects: CustomObjects) -> Model:
    def part_of(entry: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
        if is_operation(entry):
            return operation_from_config(entry)
        return _part(entry, custom_objects), {}

    inputs, outputs = graph_from_entries(config, part_of)
    return Model(inputs, outputs, config.get("name"), bool(config.get("trainable", True)))


def _sequential(config: dict[str, Any], custom_objects: CustomObjects) -> Sequential:
    parts = [_part(one, custom_objects) for one in config["layers"]]
    shape = config.get("build_input_shape")
    if parts and isinstance(parts[0], InputLayer):
        shape = parts.pop(0).batch_shape
    model = Sequential(parts, bool(config.get("trainable", True)), config.get("name"))
    if shape is not None:
        batch, *sizes = InputLayer(batch_shape=shape).batch_shape
        # A batch of another size than the first one may come, save where states are kept.
        kept = any(getattr(layer, "stateful", False) for layer in model.modules())
        model.build((batch if kept else None, *sizes))
    return model


def _part(entry: Any, custom_objects: CustomObjects) -> Any:
    if is_model(entry):
        return model_from_config(entry, custom_objects)
    return layer_from_config(entry, custom_objects)
