"""Initializers by name and as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.layers.initializers.constant import Constant
from feasible.layers.initializers.initializer import INITIALIZERS
from feasible.object_json import find_object, to_json
from feasible.registry import CustomObjects

Initialize = Callable[..., Any]

register = INITIALIZERS.register


def get(identifier: Any, custom_objects: CustomObjects | None = None) -> Initialize:
    """Return the initializer that an argument such as `kernel_initializer` stands for.

    Args:
        identifier: A name of Keras's, such as ``"he_normal"`` or ``"HeNormal"``, or one that was
            registered; what `serialize` returned; a class; an initializer; an array of the
            values; or any function from a shape in Keras layout and a dtype to an array.
        custom_objects: Functions and classes by name, for those that are not registered.

    Returns:
        The initializer.

    Raises:
        ValueError: If the name is unknown.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("he_normal")
        HeNormal(seed=None, input_axes=None, output_axes=None)
        >>> get({"class_name": "Constant", "config": {"value": 0.5}})
        Constant(value=0.5)
    """
    if isinstance(identifier, np.ndarray | np.generic | Tensor):
        return Constant(identifier)
    found = find_object(INITIALIZERS, identifier, custom_objects)
    if inspect.isclass(found):
        found = found()
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise InvalidArgumentError(
        "get", "initializer", identifier, "a name, a function, an array or a dict of Keras's"
    )


def serialize(initializer: Initialize) -> dict[str, Any]:
    """Return an initializer as Keras writes it.

    Args:
        initializer: An initializer, or a registered function.

    Returns:
        The module, the name, the config and the registered name.

    Raises:
        InvalidArgumentError: If it could not be loaded back, as it is not registered.

    Example:
        >>> serialize(Constant(0.5))["config"]
        {'value': 0.5}
    """
    return to_json(INITIALIZERS, initializer)
