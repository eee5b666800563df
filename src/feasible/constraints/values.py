"""What makes constraints values: fixed once made, compared by content, printed and saved."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, Self

import numpy as np

from feasible.arguments import InvalidArgumentError
from feasible.config_values import decode_value

_MADE = "_made"
# Found once, as a value does not change; a copy finds its own.
_IDENTITY = "_known_identity"

# How many entries of an array are printed.
_PRINTED = 8

# Classes of which there has been a value, and what is to be done with each.
_classes: dict[type, None] = {}
_followers: list[Callable[[type], Any]] = []


class ValueType(type):
    """The type of such classes: what they make cannot be changed afterwards."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a value, whose attributes are set from then on."""
        if kwargs:
            cls._refuse_unknown(kwargs)
        if cls not in _classes:
            _classes[cls] = None
            for follower in _followers:
                follower(cls)
        made = super().__call__(*args, **kwargs)
        if isinstance(made, Value):
            Value.__setstate__(made, {**vars(made), _MADE: True})
        return made

    def _refuse_unknown(cls, given: dict[str, Any]) -> None:
        """Raise if the constructor has no argument of a name."""
        parameters = inspect.signature(cls).parameters
        if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            return
        for name in given.keys() - parameters.keys():
            hint = ""
            if name in ("dim", "dims") and "axis" in parameters:
                hint = (
                    "; PyTorch's `dim` is `axis` here, which counts in Keras's layout: dim=1 of a "
                    'Linear, its inputs, is axis=0, and axis="unit" needs no counting'
                )
            allowed = ", ".join(parameters) or "none"
            raise InvalidArgumentError(
                cls.__name__, name, given[name], f"one of its arguments ({allowed}){hint}"
            )

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's, which would be hidden by the method above."""
        constructor: Any = cls.__init__  # type: ignore[misc]
        if constructor is object.__init__:
            return inspect.Signature()
        _, *parameters = inspect.signature(constructor).parameters.values()
        return inspect.Signature(parameters)


class Value(metaclass=ValueType):
    """An object that is what its constructor's arguments say, kept as attributes of their names.

    Equality, hash, repr and the config follow from them; arrays count by content. One that keeps
    other attributes, and has no `get_config` of its own, is equal only to itself.

    Example:
        >>> class Point(Value):
        ...     def __init__(self, x, y=0):
        ...         self.x, self.y = x, y
        >>> Point(1) == Point(1, y=0), Point(1).replace(y=2)
        (True, Point(x=1, y=2))
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if _MADE in vars(self):
            raise self._unchangeable(name, f"{name}={value!r}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if _MADE in vars(self):
            raise self._unchangeable(name, f"del constraint.{name}")
        super().__delattr__(name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {name: value for name, value in state.items() if name != _IDENTITY}
        vars(self).update({name: _read_only(value) for name, value in state.items()})

    def _unchangeable(self, name: str, received: str) -> AttributeError:
        known = arguments_of(type(self))
        argument = name if name in known or not known else known[0]
        return AttributeError(
            f"{self!r} cannot be changed, because whoever holds it goes by what it was. "
            f"Received: {received}. Make another, such as by "
            f"constraint.replace({argument}=...), and declare that in its place."
        )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            Arguments by name: those that are kept as attributes.
        """
        return {
            name: getattr(self, name) for name in arguments_of(type(self)) if name in vars(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a constraint from what `get_config` returned.

        Args:
            config: Arguments by name; arrays also in the form in which JSON holds them.

        Returns:
            A constraint of this class.
        """
        return cls(**{name: decode_value(value) for name, value in config.items()})

    def replace(self, **arguments: Any) -> Self:
        """Return a constraint that differs in some of its arguments.

        Args:
            **arguments: The constructor's arguments that differ.

        Returns:
            A constraint of this class.

        Example:
            >>> from feasible import MaxNorm
            >>> MaxNorm(2, axis="unit").replace(max_value=3)
            MaxNorm(max_value=3, axis='unit')
        """
        return self.from_config({**self.get_config(), **arguments})

    def unchecked(self, **attributes: Any) -> Self:
        """Return a value that differs in attributes that only a compiled program knows.

        Args:
            **attributes: Numbers or arrays, which may be traced, by the attribute's name.

        Returns:
            A value of this class, made without its constructor.
        """
        other = copy.copy(self)
        vars(other).update(attributes)
        return other

    def is_described(self) -> bool:
        """Return whether the config says all there is to this constraint.

        Returns:
            False for one that keeps attributes, or takes arguments, of which the config says
            nothing.
        """
        kind, config = type(self), set(self.get_config())
        if kind.get_config is Value.get_config:
            return {*attributes_of(self), *arguments_of(kind)} <= config
        # Whoever writes it after the constructor knows what it must say.
        own = defined_at(kind, "get_config") <= defined_at(kind, "__init__")
        return own or set(arguments_of(kind)) <= config

    def _identity(self) -> Hashable:
        """Return what equality and hash go by: the config, where it says all there is."""
        known = vars(self).get(_IDENTITY)
        if known is None and _MADE in vars(self):
            described = self.is_described()
            known = (type(self), _hashable(self.get_config())) if described else id(self)
            vars(self)[_IDENTITY] = known
        return known if known is not None else id(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        arguments = (f"{name}={_shown(value)}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({', '.join(arguments)})"


def when_made(action: Callable[[type], Any]) -> None:
    """Call an action once for each class of values, before there is one or now.

    It is called when a class is used, not when it is defined: its decorators come first.

    Args:
        action: Takes the class.

    Example:
        >>> when_made(lambda kind: None)
    """
    _followers.append(action)
    for kind in _classes:
        action(kind)


@cache
def arguments_of(kind: type) -> tuple[str, ...]:
    """Return the names of the arguments of a class's constructor.

    Args:
        kind: The class.

    Returns:
        The names, in order.

    Example:
        >>> from feasible import MaxNorm
        >>> arguments_of(MaxNorm)
        ('max_value', 'axis')
    """
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(kind).parameters.values()
    return tuple(one.name for one in parameters if one.kind not in several)


def attributes_of(value: Value) -> dict[str, Any]:
    """Return the attributes that a value keeps.

    Args:
        value: The value.

    Returns:
        Their values by name.

    Example:
        >>> from feasible import UnitNorm
        >>> attributes_of(UnitNorm())["axis"]
        0
    """
    return {name: kept for name, kept in vars(value).items() if name not in (_MADE, _IDENTITY)}


def defined_at(kind: type, name: str) -> int:
    """Return how far up among the classes that a class derives from an attribute is defined.

    Args:
        kind: The class.
        name: The attribute's name.

    Returns:
        Its place in the order of method resolution; their count if none defines it.

    Example:
        >>> defined_at(bool, "__add__")
        1
    """
    found = (place for place, base in enumerate(kind.__mro__) if name in vars(base))
    return next(found, len(kind.__mro__))


def _read_only(value: Any) -> Any:
    """Return an array that cannot be changed, and anything else as it is.

    One of a float dtype that NumPy does not have itself becomes one of float32, which holds its
    numbers: other libraries do not take it.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind == "V" and not value.dtype.names:
        value = value.astype(np.float32)
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value = value.copy()
        value.flags.writeable = False
    return value


def _shown(value: Any) -> str:
    """Return how an argument is printed, in one line."""
    if isinstance(value, list):
        return repr(tuple(value))
    if isinstance(value, np.ndarray) and value.size > _PRINTED:
        return f"<array of shape {value.shape}, {value.dtype}>"
    return f"array({value.tolist()})" if isinstance(value, np.ndarray) else repr(value)


def _hashable(value: Any) -> Hashable:
    """Return a config's value in a form that can be hashed; an array by its content."""
    if isinstance(value, dict):
        return tuple((name, _hashable(item)) for name, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return value  # type: ignore[no-any-return]
