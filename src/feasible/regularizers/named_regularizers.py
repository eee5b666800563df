"""Regularizers by name and as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.object_json import find_object, to_json
from feasible.registry import CustomObjects, Registry

REGULARIZERS = Registry(
    "regularizer",
    "keras.regularizers",
    base="Regularizer",
    decorator="feasible.regularizers.register",
)
register = REGULARIZERS.register

# From a weight, or an output, to one number.
Penalty = Callable[[Tensor], Tensor]


def get(identifier: Any, custom_objects: CustomObjects | None = None) -> Penalty | None:
    """Return the regularizer that an argument such as `kernel_regularizer` stands for.

    Args:
        identifier: None for none; a name of Keras's, such as ``"l2"``, or one that was registered;
            what `serialize` returned; a class; or any function from a tensor to one number.
        custom_objects: Functions and classes by name, for those that are not registered.

    Returns:
        The regularizer; None for None.

    Raises:
        ValueError: If the name is unknown.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("l1")
        L1(l1=0.01)
    """
    if identifier is None:
        return None
    found = find_object(REGULARIZERS, identifier, custom_objects)
    if inspect.isclass(found):
        found = found()
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise InvalidArgumentError(
        "get", "regularizer", identifier, "None, a name, a function or a dict of Keras's"
    )


def serialize(regularizer: Any) -> dict[str, Any]:
    """Return a regularizer as Keras writes it.

    Args:
        regularizer: A regularizer, or a registered function.

    Returns:
        The module, the name, the config and the registered name.

    Raises:
        InvalidArgumentError: If it could not be loaded back, as it is not registered.

    Example:
        >>> from feasible.regularizers import L2
        >>> serialize(L2(0.5))["config"]
        {'l2': 0.5}
    """
    return to_json(REGULARIZERS, regularizer)


def deserialize(config: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return a regularizer that Keras, or we, wrote.

    Args:
        config: What `serialize` returned.
        custom_objects: Functions and classes of your own, by name.

    Returns:
        The regularizer.

    Raises:
        ValueError: If the name is unknown, or there is no such argument.
    """
    return get(config, custom_objects)
