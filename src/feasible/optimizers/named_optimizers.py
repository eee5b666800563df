"""Optimizers by name and as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from feasible.arguments import InvalidArgumentError
from feasible.object_json import class_of, make_object, object_entry, to_json
from feasible.registry import CustomObjects, Registry

OPTIMIZERS = Registry(
    "optimizer",
    "keras.optimizers",
    base="Optimizer",
    decorator="feasible.saving.register_keras_serializable",
    any_case=True,
)


def get(identifier: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return the optimizer that an argument stands for.

    Args:
        identifier: One of Keras's names, in any case; a dict of a name and a config, as Keras
            writes it; a class of optimizers here; or an optimizer.
        custom_objects: Classes of your own, by name.

    Returns:
        An optimizer without parameters; one that is given as it is.

    Raises:
        ValueError: If there is no optimizer of that name, or no such argument.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("rmsprop").rho
        0.9
    """
    if isinstance(identifier, str):
        return OPTIMIZERS.find(identifier, custom_objects=custom_objects)()
    if isinstance(identifier, dict):
        return deserialize(identifier, custom_objects)
    if isinstance(identifier, torch.optim.Optimizer):
        return identifier
    if inspect.isclass(identifier) and identifier in OPTIMIZERS.things:
        return identifier()
    raise InvalidArgumentError(
        "get", "optimizer", identifier, "one of Keras's names, a dict of Keras's, or an optimizer"
    )


def serialize(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer as Keras writes it, without its state.

    Args:
        optimizer: An optimizer of this module, or a subclass of yours.

    Returns:
        The module, the name, the config and the registered name.

    Raises:
        InvalidArgumentError: If it is one of PyTorch's own, which has no config.

    Example:
        >>> serialize(get("sgd"))["class_name"]
        'SGD'
    """
    return to_json(OPTIMIZERS, optimizer)


def deserialize(config: dict[str, Any], custom_objects: CustomObjects | None = None) -> Any:
    """Return an optimizer that Keras, or we, wrote.

    Args:
        config: What `serialize` returned; a name in any case, and a config that lacks arguments.
        custom_objects: Classes of your own, by name.

    Returns:
        An optimizer without parameters.

    Raises:
        ValueError: If the name is unknown, or there is no such argument.
    """
    kind = class_of(OPTIMIZERS, config, custom_objects)
    # What only optimizers of Keras 2 know.
    gone = ("decay", "is_legacy_optimizer", "jit_compile")
    given = object_entry("optimizer", config).config
    return make_object(kind, {name: it for name, it in given.items() if name not in gone})
