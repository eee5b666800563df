"""Constraints as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array
from feasible.constraints.base import Constraint
from feasible.constraints.registry import BUILT_IN, OF_KERAS, OWN_PACKAGE, find, registered_name
from feasible.constraints.values import attributes_of

Projection = Callable[[Array], Array]

_MODULES = (
    "feasible.constraints",
    "keras.constraints",
    "keras.src.constraints.constraints",
    "tf_keras.constraints",
)


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
    if inspect.isclass(identifier):
        return _make(identifier, {})
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
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
    if inspect.isclass(constraint) or not hasattr(constraint, "get_config"):
        return _serialized_function(constraint)
    return _serialized_instance(constraint)


def _serialized_instance(constraint: Any) -> dict[str, Any]:
    kind = type(constraint)
    if isinstance(constraint, Constraint) and not constraint.is_described():
        raise InvalidArgumentError(
            "serialize",
            "constraint",
            constraint,
            f"described by its config: override `get_config` in {kind.__name__}, so that it "
            f"returns the constructor's arguments for {', '.join(attributes_of(constraint))}",
        )
    config = {
        name: _as_json(kind.__name__, name, value)
        for name, value in constraint.get_config().items()
    }
    _check_config(kind, config)
    module = _module(kind, config)
    own_name = f"{OWN_PACKAGE}>{kind.__name__}" if kind in BUILT_IN else kind.__name__
    return {
        "module": module,
        "class_name": kind.__name__,
        "config": config,
        # Under this name Keras looks for what is registered, or given as a custom object.
        "registered_name": (
            None if module == "keras.constraints" else registered_name(kind) or own_name
        ),
    }


def _serialized_function(function: Any) -> dict[str, Any]:
    name = registered_name(function)
    if name is None or inspect.isclass(function):
        raise InvalidArgumentError(
            "serialize",
            "constraint",
            function,
            "an instance of a subclass of Constraint, or a function registered with "
            '@feasible.constraints.register(package="mypkg"), to be found again by its name',
        )
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def _module(kind: type, config: dict[str, Any]) -> str | None:
    """Return where a class is found, as Keras would say it."""
    # Keras has no such axis.
    if kind in OF_KERAS and config.get("axis") != "unit":
        return "keras.constraints"
    if kind in BUILT_IN:
        return "feasible.constraints"
    return None if kind.__module__ == "__main__" else kind.__module__


def _as_json(owner: str, name: str, value: Any) -> Any:
    """Return a value of a config in a form that JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_as_json(owner, name, item) for item in value]
    if isinstance(value, dict):
        return {key: _as_json(owner, name, item) for key, item in value.items()}
    if callable(value):
        return serialize(value)
    raise InvalidArgumentError(
        owner, name, value, "what JSON can hold: let `get_config` return a list or a number"
    )


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
    entry = {"class_name": config} if isinstance(config, str) else config
    _check_form(entry)
    name, arguments = entry["class_name"], entry.get("config")
    if name == "function":
        if not isinstance(arguments, str):
            raise _malformed(entry, "`config` must be the name of the function")
        return _make(find((arguments,), built_in=False, custom_objects=custom_objects), {})
    if not isinstance(arguments, dict | None):
        raise _malformed(entry, "`config` must be a dict of the constructor's arguments")
    registered = entry.get("registered_name") or name
    # Configs of Keras 2 have no module. Where it is there but None, the class is a user's.
    of_keras = registered == name and entry.get("module", _MODULES[0]) in _MODULES
    built_in = of_keras or registered == f"{OWN_PACKAGE}>{name}"
    found = find((registered, name), built_in=built_in, custom_objects=custom_objects)
    return _make(found, {name: _decoded(value) for name, value in (arguments or {}).items()})


def _check_form(entry: Any) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise _malformed(entry, 'a name or a dict with a "class_name" is needed')
    for key in ("module", "registered_name"):
        if not isinstance(entry.get(key), str | None):
            raise _malformed(entry, f"`{key}` must be a string or None")
    if entry["class_name"] == "__lambda__":
        raise _malformed(
            entry,
            "a lambda is stored as code, which is never run. Make it a function registered with "
            "@feasible.constraints.register()",
        )


def _malformed(entry: Any, why: str) -> ValueError:
    return InvalidArgumentError("deserialize", "config", entry, f"that of a constraint; {why}")


def _decoded(value: Any) -> Any:
    """Return a value of a config with a list for what Keras 2 marks as a tuple."""
    marked = isinstance(value, dict) and value.get("class_name") == "__tuple__"
    return value.get("items") if marked else value


def _make(found: Any, arguments: dict[str, Any]) -> Projection:
    """Return a constraint of the class that was found, or the function that was."""
    if inspect.isclass(found):
        _check_config(found, arguments)
        constraint = getattr(found, "from_config", lambda config: found(**config))(arguments)
    elif arguments:
        raise ValueError(f"{found!r} is not a class, and cannot take the config {arguments!r}.")
    else:
        constraint = found
    if not callable(constraint):
        raise InvalidArgumentError(
            "get", "constraint", constraint, "callable: a function from a weight to a weight"
        )
    return constraint  # type: ignore[no-any-return]


def _check_config(kind: type, config: dict[str, Any]) -> None:
    """Raise if a constructor does not have such arguments, where it is what loads the config."""
    loads = getattr(getattr(kind, "from_config", None), "__func__", None)
    if loads not in (None, Constraint.from_config.__func__):  # type: ignore[attr-defined]
        return
    signature = inspect.signature(kind)
    try:
        signature.bind(**config)
    except TypeError as error:
        raise ValueError(
            f"{kind.__name__}: {error}. Its arguments are: {', '.join(signature.parameters)}. "
            f"Received: config={config!r}"
        ) from error
