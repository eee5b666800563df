"""Functions and classes that a layer's arguments name: those built in, and those of the user."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from feasible.arguments import InvalidArgumentError

Registered = TypeVar("Registered", bound=Callable[..., Any])


class Registry:
    """What the names of one kind of thing stand for, and how Keras writes such things as JSON.

    Names are only looked up: nothing that a config names is imported.

    Args:
        kind: What the things are, such as ``"activation"``.
        module: Where Keras has the classes among them, such as ``"keras.initializers"``.
        built_in: Functions and classes by name; where one has several names, the first is written.
    """

    def __init__(self, kind: str, module: str, built_in: dict[str, Any]) -> None:
        self.kind = kind
        self.module = module
        self.known: dict[str, Any] = {}
        self.names: dict[Any, str] = {}
        for name, thing in built_in.items():
            self.add(name, thing)

    def add(self, name: str, thing: Any) -> None:
        """Add a function or a class.

        Args:
            name: A name for it; the first one is written.
            thing: The function or class.
        """
        self.known[name] = thing
        self.names.setdefault(thing, name)

    def register(
        self, package: str = "Custom", name: str | None = None
    ) -> Callable[[Registered], Registered]:
        """Register a function or a class of your own, so that it can be saved and loaded by name.

        Args:
            package: Where it belongs to; the registered name is ``package>name``.
            name: Its name in the package; by default, that of the class or function.

        Returns:
            A decorator, which returns what it is given.

        Raises:
            InvalidArgumentError: If it is used without parentheses.

        Example:
            >>> from feasible.layers import activations
            >>> @activations.register(package="mypkg")
            ... def double(x):
            ...     return 2 * x
            >>> activations.get("mypkg>double")(21)
            42
        """
        if not isinstance(package, str):
            raise InvalidArgumentError(
                "register",
                "package",
                package,
                "a string: decorate with @register(), in parentheses",
            )

        def decorate(thing: Registered) -> Registered:
            self.add(f"{package}>{name or thing.__name__}", thing)
            return thing

        return decorate

    def find(self, identifier: Any) -> Any:
        """Return what a name stands for, or what a config of Keras's describes.

        Args:
            identifier: A name, a dict, or anything else.

        Returns:
            The function or class of that name, a new instance for a dict, and anything else as it
            is.

        Raises:
            ValueError: If the name is unknown; it lists near misses.
            InvalidArgumentError: If the dict is not a config.
        """
        if isinstance(identifier, str):
            return self._named(identifier)
        if not isinstance(identifier, dict):
            return identifier
        name, config = identifier.get("class_name"), identifier.get("config")
        if name == "function" and isinstance(config, str):
            return self._named(config)
        name = identifier.get("registered_name") or name
        if isinstance(name, str) and isinstance(config, dict | None):
            found = self._named(name)
            if hasattr(found, "from_config"):
                return found.from_config(config or {})
        raise InvalidArgumentError(
            "get", self.kind, identifier, "a config, with `class_name` and `config`"
        )

    def _named(self, name: str) -> Any:
        if name in self.known:
            return self.known[name]
        near = difflib.get_close_matches(name, self.known)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else self._all_known()
        raise ValueError(
            f"Unknown {self.kind} {name!r}. {hint} One of your own must first be registered, with "
            f'@feasible.layers.{self.kind}s.register(package="mypkg").'
        )

    def _all_known(self) -> str:
        return f"Known are {', '.join(self.known)}."

    def name_of(self, thing: Any) -> str | None:
        """Return the name of a function or class.

        Args:
            thing: The function or class.

        Returns:
            The name that is written, or None if it has none.
        """
        return self.names.get(thing) if isinstance(thing, Hashable) else None

    def config_of(self, thing: Any) -> dict[str, Any]:
        """Return a function or an object as Keras writes it.

        Args:
            thing: The function, or an object with `get_config`.

        Returns:
            The module, the name, the config and the registered name.

        Raises:
            InvalidArgumentError: If it, or its class, has no name by which it could be loaded.
        """
        if (name := self.name_of(thing)) and not inspect.isclass(thing):
            return {
                "module": "builtins",
                "class_name": "function",
                "config": name,
                "registered_name": "function",
            }
        kind = type(thing)
        if (name := self.name_of(kind)) is None:
            raise InvalidArgumentError(
                "serialize",
                self.kind,
                thing,
                "found again by its name: a built-in one, or one whose function or class is "
                f'registered with @feasible.layers.{self.kind}s.register(package="mypkg")',
            )
        own = ">" in name
        return {
            "module": kind.__module__ if own else self.module,
            "class_name": kind.__name__,
            "config": thing.get_config(),
            "registered_name": name if own else None,
        }
