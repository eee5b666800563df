"""Losses by name and as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.losses.loss_base import Loss, LossFunctionWrapper
from feasible.losses.loss_classes import LOSS_CLASSES
from feasible.losses.loss_functions import LOSSES
from feasible.object_json import FUNCTION, from_json, function_json, object_entry, to_json
from feasible.registry import CustomObjects

register = LOSS_CLASSES.register


def get(identifier: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return the loss that a name or a config stands for.

    Args:
        identifier: None for none; a name of Keras's, of a function or of a class, or one that was
            registered; what `serialize` returned; a class; or anything that can be called.
        custom_objects: Functions and classes of your own, by name.

    Returns:
        A function of labels and predictions, or a loss.

    Raises:
        ValueError: If the name is unknown, or there is no such option.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("mse") is get("mean_squared_error")
        True
        >>> get("MeanSquaredError").reduction
        'sum_over_batch_size'
    """
    found = identifier
    if isinstance(identifier, str):
        found = _by_name(identifier, custom_objects)
    elif isinstance(identifier, dict):
        one = object_entry("loss", identifier)
        if one.class_name == FUNCTION:
            found = _by_name(one.config, custom_objects)
        elif one.class_name in _function_names():  # a function with options
            found = LossFunctionWrapper(LOSSES.find(one.class_name), **one.config)
        else:
            found = from_json(LOSS_CLASSES, identifier, custom_objects)
    if inspect.isclass(found):
        found = found()
    if found is None or callable(found):
        return found
    raise InvalidArgumentError(
        "get", "loss", identifier, "None, a name, a loss, a function or a dict of Keras's"
    )


def _function_names() -> set[str]:
    return {name for one in LOSSES.things for name in LOSSES.names(one)}


def _by_name(name: str, custom_objects: CustomObjects | None) -> Any:
    classes = {one.__name__: one for one in LOSS_CLASSES.things}
    if ">" in name or name in (custom_objects or {}):
        return LOSS_CLASSES.find(name, custom_objects=custom_objects)
    return classes[name] if name in classes else LOSSES.find(name)


def serialize(loss: Any) -> dict[str, Any] | str:
    """Return a loss as Keras writes it.

    Args:
        loss: A loss, or a function by Keras's name.

    Returns:
        The module, the name, the config and the registered name.

    Raises:
        InvalidArgumentError: If it could not be loaded back, as it is not registered.

    Example:
        >>> from feasible.losses import Huber
        >>> serialize(Huber(delta=0.5))["config"]["delta"]
        0.5
    """
    if isinstance(loss, Loss):
        return to_json(LOSS_CLASSES, loss)
    if loss in LOSSES.things:
        return function_json(loss.__name__)
    return to_json(LOSS_CLASSES, loss)


def deserialize(name: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return a loss that Keras, or we, wrote.

    Args:
        name: What `serialize` returned.
        custom_objects: Functions and classes of your own, by name.

    Returns:
        The loss, or the function.

    Raises:
        ValueError: If the name is unknown, or there is no such option.
    """
    return get(name, custom_objects)
