"""How Keras writes an object as JSON: a module, a class's name, a config and a registered name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from feasible.arguments import InvalidArgumentError
from feasible.config_values import encode_value
from feasible.registry import OWN_PACKAGE, CustomObjects, Registry

FUNCTION = "function"
# Packages whose classes are built in here, where a config says which module a class is of.
_PACKAGES = ("builtins", OWN_PACKAGE, "keras", "tf_keras")


class ObjectEntry(NamedTuple):
    """What a config says of one object.

    Attributes:
        class_name: The name of its class, or ``"function"``.
        config: The arguments of the constructor, or the name of the function.
        module: Where its class is; ``""`` where that is a script's, and None where the config
            says nothing of it, as those of Keras 2.
        registered_name: The name that its class is registered under; by default, its class's.
    """

    class_name: str
    config: Any
    module: str | None
    registered_name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names to look for, the first before the second."""
        if self.class_name == FUNCTION:
            return (self.config,)
        return (self.registered_name, self.class_name)


def object_json(
    class_name: str, config: Any, *, module: str | None, registered_name: str | None = None
) -> dict[str, Any]:
    """Return an object as Keras writes it.

    Args:
        class_name: The name of its class.
        config: The arguments of the constructor.
        module: Where its class is.
        registered_name: The name that its class is registered under; None for one of Keras's own.

    Returns:
        A dict that JSON can hold if the config can be held.

    Example:
        >>> object_json("NonNeg", {}, module="keras.constraints")["registered_name"] is None
        True
    """
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered_name,
    }


def function_json(name: str) -> dict[str, Any]:
    """Return a function as Keras writes it.

    Args:
        name: The name that it is found by.

    Returns:
        A dict that JSON can hold.
    """
    return object_json(FUNCTION, name, module="builtins", registered_name=FUNCTION)


def object_entry(kind: str, entry: Any) -> ObjectEntry:
    """Return what an object's JSON says, which nobody vouches for.

    Args:
        kind: What the object is, such as ``"constraint"``, for the message.
        entry: What `object_json` returned, or Keras 3 or Keras 2 wrote.

    Returns:
        Its parts; a config that is left out is empty.

    Raises:
        InvalidArgumentError: If it is of another form.

    Example:
        >>> object_entry("constraint", {"class_name": "NonNeg"}).names
        ('NonNeg', 'NonNeg')
    """
    problem = _problem(entry)
    if problem:
        raise InvalidArgumentError("deserialize", "config", entry, f"that of one {kind}; {problem}")
    name = entry["class_name"]
    module = (entry["module"] or "") if "module" in entry else None
    config = entry.get("config")
    config = {} if config is None else config
    return ObjectEntry(name, config, module, entry.get("registered_name") or name)


def _problem(entry: Any) -> str | None:
    """Return what an object's JSON lacks, if anything."""
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        return 'a name or a dict with a "class_name" is needed'
    for key in ("module", "registered_name"):
        if not isinstance(entry.get(key), str | None):
            return f"`{key}` must be a string or None"
    if entry["class_name"] == "__lambda__":
        return "a lambda is stored as code, which is never run: register a function instead"
    if entry["class_name"] == FUNCTION:
        known = isinstance(entry.get("config"), str)
        return None if known else "`config` must be the name of the function"
    known = isinstance(entry.get("config"), dict | None)
    return None if known else "`config` must be a dict of the constructor's arguments"


def find_object(
    registry: Registry, identifier: Any, custom_objects: CustomObjects | None = None
) -> Any:
    """Return what an argument stands for: a name, what is written as JSON, or the thing itself.

    Args:
        registry: What names there are.
        identifier: A name, a dict, or anything else.
        custom_objects: Classes and functions by name, for those that are not registered.

    Returns:
        The class or function of that name, a new object for a dict, anything else as it is.

    Raises:
        ValueError: If the name is unknown, or the dict is not that of such an object.
    """
    if isinstance(identifier, str):
        return registry.find(identifier, custom_objects=custom_objects)
    if isinstance(identifier, dict):
        return from_json(registry, identifier, custom_objects)
    return identifier


def to_json(
    registry: Registry, thing: Any, config: dict[str, Any] | None = None, *, of_keras: bool = True
) -> dict[str, Any]:
    """Return a function, or an object, as Keras writes it.

    An object of a class that is not registered is written under the name of its class, by which
    it is looked for among the custom objects.

    Args:
        registry: What names there are.
        thing: The function, or an object with `get_config`.
        config: The object's config; by default, what `get_config` returns.
        of_keras: Whether Keras can make such an object, if it has the class.

    Returns:
        The module, the name, the config and the registered name.

    Raises:
        InvalidArgumentError: If it could not be loaded back, or its config does not fit the
            constructor.
    """
    if inspect.isclass(thing) or not hasattr(thing, "get_config"):
        return _function_json(registry, thing)
    kind = type(thing)
    nested = partial(to_json, registry, of_keras=of_keras)
    config = {
        name: encode_value(kind.__name__, name, value, nested)
        for name, value in (thing.get_config() if config is None else config).items()
    }
    check_arguments(kind, config)
    name, module = registry.written(kind)
    if module == registry.module and not of_keras:
        name, module = registry.own(name)
    return object_json(
        kind.__name__,
        config,
        module=module,
        registered_name=None if module == registry.module else name,
    )


def _function_json(registry: Registry, function: Any) -> dict[str, Any]:
    name = None if inspect.isclass(function) else registry.name_of(function)
    if name is None:
        raise InvalidArgumentError(
            "serialize",
            registry.kind,
            function,
            registry.what_is_found,
        )
    return function_json(name)


def from_json(registry: Registry, entry: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return what Keras, or we, wrote as JSON.

    Args:
        registry: What names there are.
        entry: What `to_json` returned; configs of Keras 2 have no module.
        custom_objects: Classes and functions by name, for those that are not registered.

    Returns:
        The function, or a new object of the class.

    Raises:
        ValueError: If the name is unknown, or the dict is not that of such an object.
    """
    found, config = class_of(registry, entry, custom_objects), entry.get("config")
    if entry["class_name"] == FUNCTION:
        if not inspect.isclass(found):
            return found
        raise ValueError(f"{registry.kind}: {found!r} is a class, not a function.")
    if inspect.isclass(found):
        return make_object(found, dict(config or {}))
    raise ValueError(
        f"{registry.kind}: {found!r} is not a class, and cannot take the config {config!r}; that "
        f"of a function is its name, under the class_name {FUNCTION!r}."
    )


def class_of(registry: Registry, entry: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return the class of an object, or the function, that Keras, or we, wrote as JSON.

    Args:
        registry: What names there are.
        entry: What `to_json` returned; configs of Keras 2 have no module.
        custom_objects: Classes and functions by name, for those that are not registered.

    Returns:
        The class or function.

    Raises:
        ValueError: If the name is unknown, or the dict is not that of such an object.
    """
    one = object_entry(registry.kind, entry)
    # Where there is a module but it is none of these, the class is a user's.
    package = "keras" if one.module is None else one.module.partition(".")[0]
    of_keras = package in _PACKAGES and one.registered_name in (one.class_name, FUNCTION)
    own = one.registered_name == f"{OWN_PACKAGE}>{one.class_name}"
    return registry.find(*one.names, custom_objects=custom_objects, built_in=of_keras or own)


def make_object(kind: type, config: dict[str, Any]) -> Any:
    """Return an object of a class, made from its config.

    Args:
        kind: The class.
        config: The arguments of the constructor.

    Returns:
        The object.

    Raises:
        ValueError: If the constructor does not have these arguments.
    """
    check_arguments(kind, config)
    from_config: Callable[[dict[str, Any]], Any] | None = getattr(kind, "from_config", None)
    return kind(**config) if from_config is None else from_config(config)


def check_arguments(kind: type, config: dict[str, Any]) -> None:
    """Raise if a constructor does not have such arguments, where it is what loads the config.

    Args:
        kind: The class.
        config: Arguments by name.

    Raises:
        ValueError: If it does not have them; a `from_config` of a user's takes what it likes.
    """
    loads = getattr(getattr(kind, "from_config", None), "__func__", None)
    if loads is not None and not loads.__module__.startswith(f"{OWN_PACKAGE}."):
        return
    signature = inspect.signature(kind)
    try:
        signature.bind(**config)
    except TypeError as error:
        raise ValueError(
            f"{kind.__name__}: {error}. Its arguments are: {', '.join(signature.parameters)}. "
            f"Received: config={config!r}"
        ) from error
