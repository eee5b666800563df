"""A plain function from a weight to a weight, as a constraint."""

from __future__ import annotations

from typing import Any

from feasible.backends import Array, namespace
from feasible.constraints.base import Constraint


class FunctionConstraint(Constraint):
    """A function of the whole weight, which it is given a copy of, because it may write to it.

    Args:
        function: From an array to one of the same shape and dtype.

    Example:
        >>> FunctionConstraint(abs)
        abs
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, w: Array) -> Array:
        """Return what the function returns.

        Args:
            w: The weight.

        Returns:
            An array of the same shape and dtype.
        """
        return self.function(namespace(w).asarray(w, copy=True))

    def __repr__(self) -> str:
        return name_of(self.function)


def as_constraint(constraint: Any) -> Constraint:
    """Return a constraint; of another callable, one that takes the weight as one vector.

    Args:
        constraint: A constraint, or any callable.

    Returns:
        What has vectors and can be measured.

    Example:
        >>> as_constraint(abs).vectors((3, 5))
        (1, 15)
    """
    return constraint if isinstance(constraint, Constraint) else FunctionConstraint(constraint)


def name_of(constraint: Any) -> str:
    """Return what to print for a constraint: of a plain function, its name.

    Args:
        constraint: A constraint or any callable.

    Returns:
        Its name or its repr.

    Example:
        >>> name_of(abs)
        'abs'
    """
    return getattr(constraint, "__name__", None) or repr(constraint)
