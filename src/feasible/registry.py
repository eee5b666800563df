"""Which class or function goes by which name: those built in, and those that users register.

Names are only looked up: nothing that a file names is imported, and nothing in it is run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from feasible.arguments import InvalidArgumentError
from feasible.near_misses import near_misses, plain

Named = TypeVar("Named", bound=Callable[..., Any])
CustomObjects = Mapping[str, Any]

# Under this package Keras knows what it lacks itself.
OWN_PACKAGE = "feasible"


class Registry:
    """What the names of one kind of thing stand for.

    Args:
        kind: What the things are, such as ``"constraint"``.
        module: Where Keras has the classes among them, such as ``"keras.constraints"``.
        base: The class that such classes derive from, for messages.
        decorator: By what users register their own; None where they pass them as they are.
        any_case: Whether capitals and underscores make no difference to built-in names.

    Example:
        >>> numbers = Registry("number", "keras.numbers")
        >>> @numbers.built_in("half")
        ... def one_half():
        ...     return 0.5
        >>> numbers.find("one_half")(), numbers.find("half")()
        (0.5, 0.5)
    """

    def __init__(
        self,
        kind: str,
        module: str,
        *,
        base: str = "object",
        decorator: str | None = None,
        any_case: bool = False,
    ) -> None:
        self.kind = kind
        self.module = module
        self._base = base
        self._decorator = decorator
        self._key: Callable[[str], str] = plain if any_case else str
        self._known: dict[str, Any] = {}
        self._registered: dict[str, Any] = {}
        self._names: dict[Any, tuple[str, ...]] = {}
        # Under which name, and in which module, a thing is written.
        self._written: dict[Any, tuple[str, str | None]] = {}
        self._followers: list[Callable[[str, str, Any], Any]] = []

    @property
    def things(self) -> tuple[Any, ...]:
        """What is built in, in the order in which it was added."""
        return tuple(dict.fromkeys(self._known.values()))

    def built_in(self, *aliases: str, of_keras: bool = True) -> Callable[[Named], Named]:
        """Return a decorator that adds a class or a function under its own name.

        Args:
            *aliases: Further names.
            of_keras: Whether Keras has it, too.

        Returns:
            A decorator, which returns what it is given.
        """

        def decorate(thing: Named) -> Named:
            self.add(thing, thing.__name__, *aliases, of_keras=of_keras)
            return thing

        return decorate

    def add(self, thing: Any, name: str, *aliases: str, of_keras: bool = True) -> None:
        """Add something built in.

        Args:
            thing: A class or a function.
            name: Its name, which is written for it. A class also goes by this name in snake case,
                if that is not another's.
            *aliases: Further names.
            of_keras: Whether Keras has it, too.
        """
        for one in (name, *aliases):
            self._known[self._key(one)] = thing
        if inspect.isclass(thing):
            self._known.setdefault(self._key(snake_case(name)), thing)
        self._known[f"{OWN_PACKAGE}>{name}"] = thing
        self._names[thing] = (name, *aliases)
        self._written.setdefault(thing, (name, self.module) if of_keras else self.own(name))

    def own(self, name: str) -> tuple[str, str]:
        """Return what is written for something built in that Keras lacks.

        Args:
            name: Its name.

        Returns:
            The registered name and the module.
        """
        return f"{OWN_PACKAGE}>{name}", self.module.replace("keras", OWN_PACKAGE, 1)

    def register(
        self, package: str = "Custom", name: str | None = None
    ) -> Callable[[Named], Named]:
        """Register a class or a function of your own, so that it can be saved and loaded by name.

        Registering a name again replaces what it stood for, as in Keras: a cell of a notebook can
        be run twice.

        Args:
            package: What it belongs to; the registered name is ``package>name``.
            name: Its name in the package; by default, that of the class or function.

        Returns:
            A decorator for a class or a function, which it returns as it is.

        Raises:
            InvalidArgumentError: If the name is that of something built in, or what is decorated
                is neither a class with `get_config` nor a function.

        Example:
            >>> from feasible.constraints import Constraint, deserialize, register
            >>> @register(package="mypkg")
            ... class AtMostOne(Constraint):
            ...     def __call__(self, w):
            ...         return w.clip(max=1.0)
            >>> deserialize("mypkg>AtMostOne")
            AtMostOne()
        """
        if not isinstance(package, str):
            raise InvalidArgumentError(
                "register",
                "package",
                package,
                "a string: decorate with @register(), in parentheses",
            )

        def decorate(thing: Named) -> Named:
            own_name = getattr(thing, "__name__", "") if name is None else name
            usable = callable(thing) and isinstance(thing, Hashable)
            if not usable or inspect.isclass(thing) != hasattr(thing, "get_config"):
                allowed = f"a subclass of {self._base} or a function"
                raise InvalidArgumentError("register", "decorated", thing, allowed)
            if not str(own_name).isidentifier() or self._key(own_name) in self._known:
                allowed = f"an identifier that names no built-in {self.kind}"
                raise InvalidArgumentError("register", "name", own_name, allowed)
            full_name = f"{package}>{own_name}"
            self._registered[full_name] = thing
            self._written[thing] = full_name, _module_of(thing)
            for follower in self._followers:
                follower(package, str(own_name), thing)
            return thing

        return decorate

    def when_added(self, action: Callable[[str, str, Any], Any]) -> None:
        """Call an action for all that Keras lacks, or has to find here: now and when registered.

        Args:
            action: Takes the package, the name and the class or function.
        """
        self._followers.append(action)
        for thing in self.things:
            action(OWN_PACKAGE, thing.__name__, thing)
        for full_name, thing in self._registered.items():
            package, _, name = full_name.partition(">")
            action(package, name, thing)

    def find(
        self, *names: str, custom_objects: CustomObjects | None = None, built_in: bool = True
    ) -> Any:
        """Return the class or function that goes by one of these names.

        Args:
            *names: The names to look for, the first before the second.
            custom_objects: Classes and functions by name; they come before all others.
            built_in: Whether the last name may be that of something built in.

        Returns:
            The class or function.

        Raises:
            ValueError: If there is none; it lists the names that are near.
        """
        known = {**self._registered, **(custom_objects or {})}
        for name in names:
            if name in known:
                return known[name]
        if built_in and (key := self._key(names[-1])) in self._known:
            return self._known[key]
        raise ValueError(
            f"Unknown {self.kind} {names[0]!r}. {near_misses(names[0], [*self._listed(), *known])} "
            + self._hint(names[0])
        )

    def names(self, thing: Any) -> tuple[str, ...]:
        """Return the names of something built in: first the one that is written, then aliases.

        Args:
            thing: The class or function.

        Returns:
            The names, without variants of them.
        """
        return self._names[thing]

    def _listed(self) -> list[str]:
        """Return all names: classes, which come from several files, by name; Keras's first."""

        def place(thing: Any) -> tuple[bool, str]:
            name, module = self._written[thing]
            return module != self.module, name if inspect.isclass(thing) else ""

        names = [name for thing in sorted(self._names, key=place) for name in self._names[thing]]
        unique: dict[str, str] = {}
        for name in names:
            unique.setdefault(plain(name), name)
        return [*unique.values()]

    def _hint(self, name: str) -> str:
        if self._decorator is None:
            return (
                f"Pass a {self.kind} of your own itself, or to load_model in "
                f"custom_objects={{{name!r}: ...}}."
            )
        return (
            f"A class or function of your own must be registered with @{self._decorator}"
            '(package="mypkg") before it can be found, or passed as '
            f"custom_objects={{{name!r}: ...}}."
        )

    @property
    def what_is_found(self) -> str:
        """What can be written so that it is found again, for messages."""
        return (
            f"an instance of a subclass of {self._base}, or a function registered with "
            f'@{self._decorator}(package="mypkg"), to be found again by its name'
        )

    def written(self, thing: Any) -> tuple[str, str | None]:
        """Return under which name, and in which module, a class or a function is written.

        Args:
            thing: The class or function.

        Returns:
            The name, which for what a user registered is ``package>name``, and the module; for
            what has no name, its own.
        """
        return self._written.get(thing, (thing.__name__, _module_of(thing)))

    def name_of(self, thing: Any) -> str | None:
        """Return the name that is written for a class or a function.

        Args:
            thing: The class or function.

        Returns:
            The name, which for what a user registered is ``package>name``; None if it has none.
        """
        written = self._written.get(thing) if isinstance(thing, Hashable) else None
        return written[0] if written else None


def _module_of(thing: Any) -> str | None:
    """Return where a class or function is; None for that of a script, as it is found nowhere."""
    module: str | None = getattr(thing, "__module__", None)
    return None if module == "__main__" else module


def snake_case(name: str) -> str:
    """Return a class's name as Keras makes it a function's or a layer's.

    Args:
        name: The class's name.

    Returns:
        The name in lower case, words joined by underscores.

    Example:
        >>> snake_case("SeparableConv2D")
        'separable_conv2d'
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
