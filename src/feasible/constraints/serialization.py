"""Constraints as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.constraints.base import Constraint
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.values import attributes_of
from feasible.object_json import from_json, make_object, to_json

Projection = Callable[[Array], Array]


def get(identifier: Any) -> Projection | None:
    """Return the constraint that an argument such as `kernel_constraint` stands for.

    Args:
        identifier: None; a name, such as ``"max_norm"``, ``"MaxNorm"``, ``"maxnorm"`` or one that
            was registered; what `serialize` returned; a class; a constraint; or any function from
            a weight to one of the same shape and dtype.

    Returns:
        None for None, a new constraint for a name, a dict or a class, and anything else as it is.

    Raises:
        ValueError: If the name is unknown, or the dict is not that of a constraint.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("max_norm")
        MaxNorm(max_value=2, axis=0)
        >>> get({"class_name": "UnitNorm", "config": {"axis": [0, 1]}})
        UnitNorm(axis=(0, 1))
    """
    if identifier is None or isinstance(identifier, str | dict):
        return deserialize(identifier)
    found = make_object(identifier, {}) if inspect.isclass(identifier) else identifier
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise InvalidArgumentError(
        "get", "identifier", identifier, "a name, a dict, a class, a constraint, a function or None"
    )


def serialize(constraint: Projection | None) -> dict[str, Any] | None:
    """Return a constraint as a dict that JSON can hold, in Keras's form.

    What Keras 3 has loads in Keras 3. ``axis="unit"`` is written as it is, for ourselves only:
    for Keras, replace it by the axes it stands for first, with `Constraint.resolve`.

    Args:
        constraint: A constraint, a registered function, or None. A class that is not registered
            is written under its own name, and must be passed to `deserialize` as a custom object.

    Returns:
        The module, the name, the config and the registered name; None for None.

    Raises:
        InvalidArgumentError: If it could not be loaded back: an unregistered function, or a
            constraint whose config does not say all there is to it.
        ValueError: If the config does not fit the constructor.

    Example:
        >>> from feasible.constraints import MaxNorm
        >>> serialize(MaxNorm(2, axis=0))["config"]
        {'max_value': 2, 'axis': 0}
    """
    if constraint is None:
        return None
    if isinstance(constraint, Constraint) and not constraint.is_described():
        kind = type(constraint).__name__
        raise InvalidArgumentError(
            "serialize",
            "constraint",
            constraint,
            f"described by its config: override `get_config` in {kind}, so that it returns the "
            f"constructor's arguments for {', '.join(attributes_of(constraint))}",
        )
    # Keras has no such axis.
    in_units = isinstance(constraint, Constraint) and constraint.in_units
    return to_json(CONSTRAINTS, constraint, of_keras=not in_units)


def deserialize(
    config: dict[str, Any] | str | None, custom_objects: Mapping[str, Any] | None = None
) -> Projection | None:
    """Return the constraint that a dict, in Keras's form, describes.

    Names are looked up among the custom objects, what was registered, and the built-in
    constraints. Nothing that the dict names is imported, and nothing in it is run.

    Args:
        config: What `serialize` returned, or Keras 3 or Keras 2 wrote; a name; or None.
        custom_objects: Classes and functions by name, for those that are not registered.

    Returns:
        The constraint; None for None.

    Raises:
        ValueError: If the name is unknown, or the dict is not that of a constraint.

    Example:
        >>> deserialize({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}})
        MaxNorm(max_value=3, axis=0)
        >>> deserialize("halve", custom_objects={"halve": lambda w: w / 2})(3.0)
        1.5
    """
    if config is None:
        return None
    if isinstance(config, str):
        found = CONSTRAINTS.find(config, custom_objects=custom_objects)
        constraint = make_object(found, {}) if inspect.isclass(found) else found
    else:
        constraint = from_json(CONSTRAINTS, config, custom_objects)
    if not callable(constraint):
        raise InvalidArgumentError(
            "deserialize", "config", config, "that of a constraint, which must be callable"
        )
    return constraint  # type: ignore[no-any-return]
