"""Constructor arguments of layers: which there are, as Keras writes them, and as they are shown."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch

from feasible import constraints, regularizers
from feasible.arguments import InvalidArgumentError, check_integer
from feasible.layers import activations, initializers, nested
from feasible.near_misses import near_misses
from feasible.registry import snake_case

# What an argument holds, by the last word of its name.
_KINDS: dict[str, ModuleType] = {
    "activation": activations,
    "initializer": initializers,
    "constraint": constraints,
    "regularizer": regularizers,
    "cell": nested,
    "cells": nested,
    "layer": nested,
}

# Arguments that Keras has and we do not, with the value that switches each of them off. Keras
# writes them into every config; so given, they mean nothing.
_SWITCHED_OFF: dict[str, Any] = {
    "autocast": True,
    "flash_attention": False,
    "gptq_unpacked_column_size": None,
    "input_tensor": None,
    "lora_alpha": None,
    "lora_rank": None,
    "optional": False,
    "quantization_config": None,
    "ragged": False,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
    "rms_scaling": False,
    "sparse": False,
    "synchronized": False,
    "time_major": False,
    "weights": None,
}
# Arguments by which Keras chooses among ways to compute the same, or what to do with masks.
_WITHOUT_EFFECT = ("implementation", "use_cudnn", "input_length")
_INSTEAD = {
    "weights": "Pass the array as `embeddings_initializer`.",
}

# Arguments of every layer, beside its own.
_OF_EVERY_LAYER = ("name", "trainable", "dtype", "input_shape")


def check_no_more(owner: type, given: Mapping[str, Any]) -> None:
    """Raise if an argument is left that a layer does not take.

    Args:
        owner: The layer's class.
        given: The arguments left, by name.

    Raises:
        TypeError: If there is one, save what Keras writes for a feature that is switched off.
    """
    for name, value in given.items():
        kind = name.rpartition("_")[2]
        if name in _WITHOUT_EFFECT or (value is None and kind == "regularizer"):
            continue
        if name in _SWITCHED_OFF and (value is None or value == _SWITCHED_OFF[name]):
            continue
        known = [*layer_arguments(owner), *_OF_EVERY_LAYER]
        hint = _INSTEAD.get(kind) or near_misses(name, known, most=1, quote="`")
        raise TypeError(
            f"{owner.__name__}: there is no argument `{name}`. {hint} Received: {name}={value!r}."
        )


def layer_arguments(layer_type: type) -> dict[str, Any]:
    """Return a layer's own arguments, and their defaults.

    Args:
        layer_type: The layer's class.

    Returns:
        Defaults by name, in order; `inspect.Parameter.empty` for an argument without one. Those
        of every layer are left out.

    Example:
        >>> from feasible.layers import Dense
        >>> list(layer_arguments(Dense))[:2]
        ['units', 'activation']
    """
    parameters = inspect.signature(layer_type).parameters.values()
    others = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        one.name: one.default
        for one in parameters
        if one.kind not in others and one.name not in _OF_EVERY_LAYER
    }


def config_value(argument: str, value: Any) -> Any:
    """Return an argument's value as Keras writes it in a config.

    Args:
        argument: The argument's name, which tells what kind of value it is.
        value: The layer's attribute.

    Returns:
        A value that JSON can hold.

    Example:
        >>> config_value("activation", torch.tanh), config_value("strides", (2, 2))
        ('tanh', [2, 2])
    """
    kind = _KINDS.get(argument.rpartition("_")[2])
    if kind is not None:
        return kind.serialize(value)
    return list(value) if isinstance(value, tuple) else value


def argument_text(argument: str, value: Any, default: Any) -> str | None:
    """Return an argument as it is shown when its layer is printed.

    Args:
        argument: The argument's name, which tells what kind of value it is.
        value: The layer's attribute.
        default: The argument's default.

    Returns:
        Such as ``"units=64"``; None if the value is the default.
    """
    kind = _KINDS.get(argument.rpartition("_")[2])
    if kind is not None and default is not inspect.Parameter.empty:
        default = kind.get(default)
    # Layers are shown below their owner.
    if value == default or kind is nested:
        return None
    name = activations.ACTIVATIONS.name_of(value) if kind is activations else None
    return f"{argument}={(name or value)!r}"


def checked_name(owner: str, name: Any) -> str:
    """Return the name of a layer, by default that of its class.

    Args:
        owner: The layer's class.
        name: The name given, or None.

    Returns:
        The name.

    Raises:
        InvalidArgumentError: If it is not a string, or has a slash, which separates names in files.
    """
    if name is None:
        return snake_case(owner)
    if isinstance(name, str) and name and "/" not in name:
        return name
    raise InvalidArgumentError(owner, "name", name, "a string without slashes, or None")


def checked_sizes(owner: str, argument: str, sizes: Any) -> tuple[int | None, ...]:
    """Return the sizes of axes.

    Args:
        owner: What the argument belongs to, for the message.
        argument: The argument's name.
        sizes: A tuple or list of integers; None where a size is not known.

    Returns:
        The sizes.

    Raises:
        InvalidArgumentError: If it is anything else.
    """
    if isinstance(sizes, Sequence):
        return tuple(
            None if size is None else check_integer(owner, argument, size) for size in sizes
        )
    raise InvalidArgumentError(owner, argument, sizes, "a tuple of sizes, such as (784,)")


def torch_dtype(owner: str, dtype: Any) -> torch.dtype | None:
    """Return a dtype given by name, by Keras's policy or as PyTorch's own.

    Args:
        owner: What it is for, for the message.
        dtype: The dtype; a dict is the config of a Keras dtype policy.

    Returns:
        The dtype, or None for None.

    Raises:
        InvalidArgumentError: If there is no floating dtype of that name.

    Example:
        >>> torch_dtype("Dense", "float16")
        torch.float16
    """
    if dtype is None:
        return None
    name = dtype
    if isinstance(dtype, dict) and isinstance(dtype.get("config"), dict):
        name = dtype["config"].get("name")
    found = getattr(torch, name, None) if isinstance(name, str) else name
    if isinstance(found, torch.dtype) and found.is_floating_point:
        return found
    raise InvalidArgumentError(
        owner,
        "dtype",
        dtype,
        "a floating dtype, such as 'float32'; mixed precision is the model's, or torch.autocast's",
    )
