"""Which constraint goes by which name: the built-in ones, and those that users register."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from feasible.arguments import InvalidArgumentError
from feasible.constraints.base import Constraint
from feasible.constraints.sets.non_negative import NonNeg
from feasible.constraints.sets.norms import MaxNorm, MinMaxNorm, NormConstraint, UnitNorm
from feasible.constraints.sets.radial import RadialConstraint

Registered = TypeVar("Registered", bound=Callable[..., Any])

# Under this package Keras knows the built-in constraints.
OWN_PACKAGE = "feasible"

OF_KERAS = (Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm)
BUILT_IN = (*OF_KERAS, NormConstraint, RadialConstraint)

# MaxNorm, max_norm as in Keras, and maxnorm as in tf.keras.
_NAMES: dict[str, Any] = {kind.__name__: kind for kind in BUILT_IN} | {
    name: kind
    for snake_case, kind in {
        "constraint": Constraint,
        "max_norm": MaxNorm,
        "min_max_norm": MinMaxNorm,
        "non_neg": NonNeg,
        "norm_constraint": NormConstraint,
        "radial_constraint": RadialConstraint,
        "unit_norm": UnitNorm,
    }.items()
    for name in (snake_case, snake_case.replace("_", ""))
}
_NAMES |= {f"{OWN_PACKAGE}>{kind.__name__}": kind for kind in BUILT_IN}

_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_followers: list[Callable[[str, str, Any], Any]] = []


def register(
    package: str = "Custom", name: str | None = None
) -> Callable[[Registered], Registered]:
    """Register a constraint of your own, so that it can be saved and loaded by name.

    Registering a name again replaces what it stood for, as in Keras: a cell of a notebook can be
    run twice.

    Args:
        package: What it belongs to; the registered name is ``package>name``.
        name: Its name in the package; by default, that of the class or function.

    Returns:
        A decorator for a class or a function, which it returns as it is.

    Raises:
        InvalidArgumentError: If the name is that of a built-in constraint, or what is decorated is
            neither a class with `get_config` nor a function.

    Example:
        >>> from feasible.constraints import deserialize
        >>> @register(package="mypkg")
        ... class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return w.clip(max=1.0)
        >>> deserialize("mypkg>AtMostOne")
        AtMostOne()
    """
    if not isinstance(package, str):
        raise InvalidArgumentError(
            "register", "package", package, "a string: decorate with @register(), in parentheses"
        )

    def decorate(registered: Registered) -> Registered:
        own_name = getattr(registered, "__name__", "") if name is None else name
        usable = callable(registered) and isinstance(registered, Hashable)
        if not usable or inspect.isclass(registered) != hasattr(registered, "get_config"):
            raise InvalidArgumentError(
                "register", "decorated", registered, "a subclass of Constraint or a function"
            )
        if not str(own_name).isidentifier() or own_name in _NAMES:
            raise InvalidArgumentError(
                "register", "name", own_name, "an identifier that names no built-in constraint"
            )
        _registered[f"{package}>{own_name}"] = registered
        _registered_names[registered] = f"{package}>{own_name}"
        for follower in _followers:
            follower(package, str(own_name), registered)
        return registered

    return decorate


def when_registered(action: Callable[[str, str, Any], Any]) -> None:
    """Call an action for each class and function that is registered, now and later.

    Args:
        action: Takes the package, the name and the class or function.

    Example:
        >>> when_registered(lambda package, name, registered: None)
    """
    _followers.append(action)
    for full_name, registered in _registered.items():
        package, _, name = full_name.partition(">")
        action(package, name, registered)


def registered_name(registered: Any) -> str | None:
    """Return the name that a class or function was registered under.

    Args:
        registered: The class or function.

    Returns:
        The name, as ``package>name``, or None.
    """
    return _registered_names.get(registered) if isinstance(registered, Hashable) else None


def find(
    names: tuple[str, ...], *, built_in: bool, custom_objects: Mapping[str, Any] | None
) -> Any:
    """Return the class or function that goes by one of these names.

    Args:
        names: The names to look for, the first before the second.
        built_in: Whether to look among the built-in constraints, too; for the last name only.
        custom_objects: Classes and functions by name; they come before those registered.

    Returns:
        The class or function.

    Raises:
        ValueError: If there is none; it lists the names that are near.
    """
    known = {**_registered, **(custom_objects or {})}
    for name in names:
        if name in known:
            return known[name]
    if built_in and names[-1] in _NAMES:
        return _NAMES[names[-1]]
    raise ValueError(
        f"Unknown constraint {names[0]!r}.{_near_misses(names[0], known)} A class or function of "
        'your own must be registered with @feasible.constraints.register(package="mypkg") before '
        f"it can be found, or passed as custom_objects={{{names[-1]!r}: ...}}."
    )


def _near_misses(wanted: str, known: Mapping[str, Any]) -> str:
    def plain(name: str) -> str:
        return name.rpartition(">")[2].replace("_", "").lower()

    names = [*(kind.__name__ for kind in BUILT_IN), *known]
    near = difflib.get_close_matches(plain(wanted), [plain(name) for name in names])
    found = [repr(name) for one in dict.fromkeys(near) for name in names if plain(name) == one]
    return f" Did you mean {' or '.join(found)}?" if found else f" Known are {', '.join(names)}."
