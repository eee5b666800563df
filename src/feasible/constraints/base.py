"""The contract that every constraint fulfils."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Self

from feasible.backends import Array, accumulation_dtype, astype, namespace


class Constraint:
    """Base class of weight constraints: a stateless function from a weight to a feasible one.

    Subclasses override `__call__`, and those with arguments also `get_config`, so that they can be
    compared, printed and saved. The default `from_config` calls the constructor.

    Two constraints are equal if their types and configs are; a subclass that keeps attributes but
    has no `get_config` of its own is equal only to itself.

    Example:
        >>> import numpy as np
        >>> from feasible import ops
        >>> class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return ops.minimum(w, 1.0)
        >>> AtMostOne()(np.array([0.5, 3.0]))
        array([0.5, 1. ])
        >>> AtMostOne() == AtMostOne()
        True
    """

    quantity: ClassVar[str] = "distance"

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest quantity of a feasible vector."""
        return 0.0, 0.0

    def __call__(self, w: Array) -> Array:
        """Return the weight projected onto the feasible ones; here, the weight as it is.

        Args:
            w: The weight, of any shape.

        Returns:
            An array of the same shape, dtype, device and library.
        """
        return w

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as values that JSON can hold.

        Returns:
            Arguments by name; here, none.
        """
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a constraint from what `get_config` returned.

        Args:
            config: Arguments by name.

        Returns:
            A constraint of this class.
        """
        return cls(**config)

    def resolve(self, unit_axes: Sequence[int]) -> Constraint:
        """Return this constraint with ``axis="unit"`` replaced by the axes it stands for.

        Args:
            unit_axes: The axes that hold the weights incident to one unit, for one parameter.

        Returns:
            A constraint without ``"unit"``; one that has no axes is returned as it is.
        """
        del unit_axes
        return self

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes that one vector of a weight of this shape lies along.

        A vector is what is constrained alone, whatever the rest of the weight is.

        Args:
            shape: The weight's shape.

        Returns:
            The axes in ascending order; unless overridden, all: the whole weight is one vector.
        """
        return tuple(range(len(shape)))

    def vectors(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return how many vectors a weight of this shape holds, and how long each is.

        Args:
            shape: The weight's shape.

        Returns:
            Their count and their length.
        """
        axes = self.vector_axes(shape)
        count = math.prod(size for axis, size in enumerate(shape) if axis not in axes)
        return count, math.prod(shape[axis] for axis in axes)

    def violations(self, w: Array) -> Array:
        """Return how far each vector of a weight is from being feasible.

        Args:
            w: The weight, of any shape.

        Returns:
            One Euclidean distance a vector, 0 where it is feasible and NaN where it holds a NaN;
            unless overridden, the one distance between the weight and its projection.
        """
        xp, wide = namespace(w), accumulation_dtype(w)
        moved = astype(self(w), wide) - astype(w, wide)
        return xp.reshape(xp.sqrt(xp.sum(xp.square(moved))), (1,))

    def measured(self, w: Array) -> Array:
        """Return what this constraint bounds: its `quantity`, one number a vector.

        Args:
            w: The weight, of any shape.

        Returns:
            The numbers that lie within `bounds` where the weight is feasible; unless overridden,
            the distances of `violations`.
        """
        return self.violations(w)

    def is_described(self) -> bool:
        """Return whether the config says all there is to this constraint.

        Returns:
            False for one that keeps attributes but has no `get_config` of its own.
        """
        return type(self).get_config is not Constraint.get_config or not vars(self)

    def _identity(self) -> Hashable:
        """Return what equality and hash go by: the config, where it says all there is."""
        return (type(self), _frozen(self.get_config())) if self.is_described() else id(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constraint):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        arguments = (
            f"{name}={tuple(value) if isinstance(value, list) else value!r}"
            for name, value in self.get_config().items()
        )
        return f"{type(self).__name__}({', '.join(arguments)})"


def _frozen(value: Any) -> Hashable:
    """Return a config's value in a form that can be hashed."""
    if isinstance(value, dict):
        return tuple((name, _frozen(item)) for name, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return value  # type: ignore[no-any-return]
