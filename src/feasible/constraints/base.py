"""The contract that every constraint fulfils."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np

from feasible.backends import Array, namespace, value_of
from feasible.constraints.axes import vector_axes
from feasible.constraints.gate import Measured, measuring, moved, projected
from feasible.constraints.parts import Part, Projected, Steps, refuse_complex, run

# What goes with a projection, so that a class with another projection does not inherit it.
_OF_PROJECTION = ("measure", "measured", "violations", "quantity", "bounds")
# A constraint that computes in the weight's dtype rounds more than once.
_CALLS_TOLERANCE = 4.0


class ConstraintType(type):
    """The type of constraint classes: what they make cannot be changed afterwards."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a constraint, whose attributes are set from then on."""
        made = super().__call__(*args, **kwargs)
        if isinstance(made, Constraint):
            Constraint.__setstate__(made, {**vars(made), _MADE: True})
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's, which would be hidden by the method above."""
        constructor: Any = cls.__init__  # type: ignore[misc]
        if constructor is object.__init__:
            return inspect.Signature()
        _, *parameters = inspect.signature(constructor).parameters.values()
        return inspect.Signature(parameters)


_MADE = "_made"


class Constraint(metaclass=ConstraintType):
    """Base class of weight constraints: a stateless function from a weight to a feasible one.

    A subclass says its mathematics in one of two ways. As in Keras, it overrides `__call__`, which
    is given the whole weight. Or it overrides `project`, which is given blocks, in parts where the
    weight is sharded, and then also acts on many weights at once, in place, and without gathering.

    Equality, hash, repr and the config follow from the constructor's arguments, which are kept as
    attributes of the same names; arrays count by content. A subclass that keeps others, and has no
    `get_config` of its own, is equal only to itself. A constraint cannot be changed: `replace`
    makes another.

    Example:
        >>> import numpy as np
        >>> from feasible import ops
        >>> class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return ops.minimum(w, 1.0)
        >>> AtMostOne()(np.array([0.5, 3.0]))
        array([0.5, 1. ])
        >>> class FixedMean(Constraint):
        ...     def __init__(self, mean, axis=0):
        ...         self.mean, self.axis = mean, axis
        ...
        ...     def project(self, part):
        ...         (total,) = yield (part.total(part.wide),)
        ...         return part.wide - (total / part.length - self.mean)
        >>> FixedMean(2.0)(np.array([[1.0, 5.0], [2.0, 7.0]]))
        array([[1.5, 1. ],
               [2.5, 3. ]])
        >>> FixedMean(2.0) == FixedMean(2.0, axis=0)
        True
    """

    quantity: ClassVar[str] = "distance"
    # Whether a block must be whole to be projected: then it is gathered where it is sharded.
    whole_blocks: ClassVar[bool] = False
    __call__: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        latest = min(_place(cls, "__call__"), _place(cls, "project"))
        for name in _OF_PROJECTION:
            if _place(cls, name) > latest:
                setattr(cls, name, vars(Constraint)[name])

    def __setattr__(self, name: str, value: Any) -> None:
        if _MADE in vars(self):
            raise self._unchangeable(name, f"{name}={value!r}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if _MADE in vars(self):
            raise self._unchangeable(name, f"del constraint.{name}")
        super().__delattr__(name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: _read_only(value) for name, value in state.items()})

    def _unchangeable(self, name: str, received: str) -> AttributeError:
        known = arguments_of(type(self))
        argument = name if name in known or not known else known[0]
        return AttributeError(
            f"{self!r} cannot be changed, because whoever holds it goes by what it was. "
            f"Received: {received}. Make another, such as by "
            f"constraint.replace({argument}=...), and declare that in its place."
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest quantity of a feasible vector."""
        return 0.0, 0.0

    def __call__(self, w: Array) -> Array:  # type: ignore[no-redef]
        """Return the weight projected onto the feasible ones.

        Args:
            w: The weight, of any shape.

        Returns:
            An array of the same shape, dtype, device and library.

        Raises:
            TypeError: If the weight is of a dtype that cannot be projected.
            ValueError: If the weight does not have the constraint's axes.
        """
        w, given = value_of(w), w
        if given is not w and getattr(self, "axis", None) == "unit":
            raise ValueError(
                f'{self!r}: axis="unit" needs to know the layer of the Keras variable '
                f"{given.path}. Import feasible.keras before the layer is built, or give the axes "
                "as integers."
            )
        namespace(w)  # which says so where it is no array
        return projected(self, Part(w, self.vector_axes(w.shape), type(self).__name__))

    def project(self, part: Part) -> Projected | Steps:
        """Return the nearest feasible entries; here, the entries as they are.

        As a generator it yields tuples of sums over what is here of each block, as `part.total`
        takes them, and receives those over whole blocks. Blocks that moved no further than
        rounding, and those with a NaN or an infinity, keep their bits whatever it returns.

        Args:
            part: The weight, or what of it is here, with the axes of its blocks.

        Returns:
            Entries of the part's shape in any float dtype. Or a pair of them and, of size 1 along
            the axes of a block, which blocks keep their bits: then that is not looked at again.
        """
        return part.w

    def measure(self, part: Part) -> Steps:
        """Return what this constraint bounds, and how far each block is from being feasible.

        Args:
            part: The weight, or what of it is here, with the axes of its blocks.

        Yields:
            Sums, and receives totals, as `project` does.

        Returns:
            What was found of each block; unless overridden, how far the projection moves it.
        """
        if is_whole_call(self):
            return (yield from moved(part, self(part.w), _CALLS_TOLERANCE))
        return (yield from measuring(self, part))

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
            config: Arguments by name.

        Returns:
            A constraint of this class.
        """
        return cls(**config)

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

    def resolve(self, unit_axes: Sequence[int]) -> Self:
        """Return this constraint with ``axis="unit"`` replaced by the axes it stands for.

        Args:
            unit_axes: The axes that hold the weights incident to one unit, for one parameter.

        Returns:
            A constraint without ``"unit"``; one that has no such axis is returned as it is.
        """
        return self.along(unit_axes) if getattr(self, "axis", None) == "unit" else self

    def along(self, axes: Sequence[int]) -> Self:
        """Return this constraint on blocks that lie along other axes.

        Args:
            axes: The axes.

        Returns:
            A constraint that differs in its axis only.
        """
        other = copy.copy(self)
        vars(other)["axis"] = tuple(axes)
        return other

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes that one vector of a weight of this shape lies along.

        A vector is what is constrained alone, whatever the rest of the weight is.

        Args:
            shape: The weight's shape.

        Returns:
            The axes in ascending order: those that `axis` names, or of a constraint without such
            an attribute all, which makes the whole weight one vector.

        Raises:
            ValueError: If the shape does not have such an axis.
        """
        axis = getattr(self, "axis", None)
        return vector_axes(type(self).__name__, axis, shape)

    def doubt(self, shape: Sequence[int]) -> str | None:
        """Return what is to be said where this constraint is bound to a weight that is trained.

        Args:
            shape: The weight's shape.

        Returns:
            A warning, or None.
        """
        del shape
        return None

    def vectors(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return how many vectors a weight of this shape holds, and how long each is.

        Args:
            shape: The weight's shape.

        Returns:
            Their count and their length.
        """
        axes = block_axes(self, shape)
        count = math.prod(size for axis, size in enumerate(shape) if axis not in axes)
        return count, math.prod(shape[axis] for axis in axes)

    def violations(self, w: Array) -> Array:
        """Return how far each vector of a weight is from being feasible.

        Args:
            w: The weight, of any shape.

        Returns:
            One distance a vector: 0 where it is feasible up to its dtype's rounding, and NaN where
            it holds a NaN.
        """
        return namespace(w).reshape(self._measured(w).violations, (-1,))

    def measured(self, w: Array) -> Array:
        """Return what this constraint bounds: its `quantity`, one number a vector.

        Args:
            w: The weight, of any shape.

        Returns:
            The numbers that lie within `bounds` where the weight is feasible.
        """
        return namespace(w).reshape(self._measured(w).values, (-1,))

    def _measured(self, w: Array) -> Measured:
        refuse_complex(type(self).__name__, w)
        part = Part(w, block_axes(self, w.shape), type(self).__name__)
        found: Measured = run(self.measure(part))
        return found

    def is_described(self) -> bool:
        """Return whether the config says all there is to this constraint.

        Returns:
            False for one that keeps attributes, or takes arguments, of which the config says
            nothing.
        """
        kind, config = type(self), set(self.get_config())
        if kind.get_config is Constraint.get_config:
            return {*attributes_of(self), *arguments_of(kind)} <= config
        # Whoever writes it after the constructor knows what it must say.
        own = _place(kind, "get_config") <= _place(kind, "__init__")
        return own or set(arguments_of(kind)) <= config

    def _identity(self) -> Hashable:
        """Return what equality and hash go by: the config, where it says all there is."""
        return (type(self), _hashable(self.get_config())) if self.is_described() else id(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constraint):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        arguments = (
            f"{name}={tuple(value) if isinstance(value, list) else value!r}"
            for name, value in self.get_config().items()
        )
        return f"{type(self).__name__}({', '.join(arguments)})"


def is_whole_call(constraint: Any) -> bool:
    """Return whether a constraint is a function of the whole weight, as Keras's are.

    Args:
        constraint: A constraint, or any callable.

    Returns:
        Whether it is no `Constraint`, or a class of it overrides `__call__`.
    """
    is_set = isinstance(constraint, Constraint)
    return not is_set or type(constraint).__call__ is not Constraint.__call__


def block_axes(constraint: Constraint, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the axes of what is looked at alone: of a function of the whole weight, all.

    Args:
        constraint: The constraint.
        shape: The weight's shape.

    Returns:
        The axes in ascending order.
    """
    kind = type(constraint)
    own = kind.vector_axes is not Constraint.vector_axes
    if is_whole_call(constraint) and not own:
        return tuple(range(len(shape)))
    return constraint.vector_axes(shape)


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


def attributes_of(constraint: Constraint) -> dict[str, Any]:
    """Return the attributes that a constraint keeps.

    Args:
        constraint: The constraint.

    Returns:
        Their values by name.

    Example:
        >>> from feasible import UnitNorm
        >>> attributes_of(UnitNorm())["axis"]
        0
    """
    return {name: value for name, value in vars(constraint).items() if name != _MADE}


def _place(kind: type, name: str) -> int:
    """Return how far up among the classes that a class derives from an attribute is defined."""
    found = (place for place, base in enumerate(kind.__mro__) if name in vars(base))
    return next(found, len(kind.__mro__))


def _read_only(value: Any) -> Any:
    """Return an array that cannot be changed, and anything else as it is."""
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value = value.copy()
        value.flags.writeable = False
    return value


def _hashable(value: Any) -> Hashable:
    """Return a config's value in a form that can be hashed; an array by its content."""
    if isinstance(value, dict):
        return tuple((name, _hashable(item)) for name, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return value  # type: ignore[no-any-return]
