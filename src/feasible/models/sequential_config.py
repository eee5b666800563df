"""A Sequential as Keras writes it into an archive's config, both ways."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from feasible.layers import Embedding, InputLayer, Layer
from feasible.models.chain import chain, is_model
from feasible.models.layer_config import (
    UNSUITABLE,
    layer_config,
    layer_from_config,
)
from feasible.models.sequential import Sequential
from feasible.models.weight_views import weight_views
from feasible.object_json import object_json
from feasible.registry import CustomObjects


def sequential_config(model: nn.Module, dtype: torch.dtype | None = None) -> dict[str, Any]:
    """Return a built model as Keras writes it.

    Args:
        model: The model.
        dtype: The dtype in which layers without weights compute; None for PyTorch's default.

    Returns:
        The module, the class's name, the config with all layers, and the sizes of the input.

    Raises:
        ValueError: If it is not just a stack of layers, or something could not be loaded back.
    """
    if type(model) is not Sequential or model.input_shape is None:
        raise ValueError(
            f"A {type(model).__name__} cannot be saved as a Keras archive: only a built Sequential "
            "can. Save its weights, with `save_weights`, and build it anew by its own code."
        )
    if len(set(model.layers)) < len(model.layers):
        raise ValueError(
            f"{model.name}: a layer stands in several places, which Keras cannot load in a "
            "Sequential. Save the weights alone, with `save_weights`."
        )
    dtype = dtype or torch.get_default_dtype()
    layers = [_input_config(model)]
    for layer in model.layers:
        if isinstance(layer, Sequential):
            layers.append(sequential_config(layer, dtype))
            dtype = _dtype_of(layer, dtype)
        else:
            dtype = _dtype_of(layer, dtype)
            layers.append(layer_config(layer, dtype))
    shape = list(model.input_shape)
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


def sequential_from_config(entry: Any, custom_objects: CustomObjects) -> Sequential:
    """Return the model that Keras, or we, wrote.

    Args:
        entry: What `sequential_config` returned.
        custom_objects: Layers, constraints, initializers and activations of your own, by name.

    Returns:
        The model, built if the config says for which inputs.

    Raises:
        ValueError: If it is not one chain of layers, a name is unknown, or the layers do not fit.
    """
    entries = chain(entry)
    config = entry["config"] if isinstance(entry["config"], dict) else {}
    parts = [_part(one, custom_objects) for one in entries]
    shape = config.get("build_input_shape")
    if parts and isinstance(parts[0], InputLayer):
        shape = parts.pop(0).batch_shape
    trainable = bool(config.get("trainable", True))
    try:
        model = Sequential(parts, trainable, config.get("name"))
        if shape is not None:
            batch, *sizes = InputLayer(batch_shape=shape).batch_shape
            # A batch of another size than the first one may come, save where states are kept.
            kept = any(getattr(layer, "stateful", False) for layer in model.modules())
            model.build((batch if kept else None, *sizes))
    except UNSUITABLE as error:
        raise ValueError(f"the model {config.get('name')!r} cannot be built: {error}") from error
    return model


def _part(entry: Any, custom_objects: CustomObjects) -> Layer | InputLayer | Sequential:
    if is_model(entry):
        return sequential_from_config(entry, custom_objects)
    return layer_from_config(entry, custom_objects)
