"""The radius of a ball or a sphere: a number, one for each vector, or what it was at first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from feasible.backends import Array
from feasible.constraints.array_arguments import Bound, check_bound, extent
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.parts import Part, run
from feasible.ops import convert_to_numpy

_INITIAL = "initial"


class RadiusConstraint(Constraint):
    """A constraint of vectors by a radius, which may be what each has when it is declared.

    Args:
        radius: A number, an array of one for each vector, of size 1 along its axes, or
            ``"initial"``.
        axis: The axes that one vector lies along.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(self, radius: Any, axis: Axis) -> None:
        self.radius = check_radius(type(self).__name__, radius)
        self.axis = check_axis(type(self).__name__, axis)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not have the axes, or the radius is not one a vector.
        """
        super().check_shape(shape)
        check_radius_shape(self, shape)

    @property
    def needs_initial_weight(self) -> bool:
        """Whether the radius is what vectors have when this is declared."""
        return isinstance(self.radius, str)

    def declared_for(self, w: Array) -> Constraint:
        """Return this constraint, its radius the quantity that a weight's vectors have.

        Args:
            w: The weight, in the layout in which the constraint counts axes.

        Returns:
            A constraint whose radius is known.
        """
        if not isinstance(self.radius, str):
            return self
        return self.replace(radius=initial_radius(self, w))


def check_radius(owner: str, radius: Any) -> Any:
    """Return a radius if it can be one.

    Args:
        owner: The constraint, for the message.
        radius: A number, an array or ``"initial"``.

    Returns:
        A number, an array or ``"initial"``.

    Raises:
        InvalidArgumentError: If it is none of these.

    Example:
        >>> check_radius("Sphere", 2)
        2
    """
    if isinstance(radius, str) and radius == _INITIAL:
        return _INITIAL
    return check_bound(owner, "radius", radius, minimum=0)


def check_radius_shape(constraint: Any, shape: Sequence[int]) -> None:
    """Raise if a radius is not one number for each vector of a weight.

    Args:
        constraint: The constraint, by its `radius`, which broadcasts to the weight.
        shape: The weight's shape.

    Raises:
        ValueError: If it differs along the axes of a vector.
    """
    radius = constraint.radius
    if not isinstance(radius, np.ndarray):
        return
    sizes = (1,) * (len(shape) - radius.ndim) + radius.shape
    if any(sizes[axis] != 1 for axis in constraint.vector_axes(shape)):
        raise ValueError(
            f"{type(constraint).__name__}: `radius` must be of size 1 along the axes of a vector, "
            f"axis={constraint.axis!r} of a weight of shape {tuple(shape)}. Received: an array of "
            f"shape {radius.shape}."
        )


def radius_bounds(radius: Bound | str) -> tuple[float, float]:
    """Return the smallest and the largest radius.

    Args:
        radius: A number, an array or ``"initial"``.

    Returns:
        Two numbers; anything from 0 for what is not known yet.

    Example:
        >>> radius_bounds(2.0)
        (2.0, 2.0)
    """
    return (0.0, math.inf) if isinstance(radius, str) else extent(radius)


def initial_radius(constraint: Constraint, w: Array) -> Any:
    """Return what a constraint measures of each vector of a weight.

    Args:
        constraint: The constraint.
        w: The weight.

    Returns:
        A NumPy array of size 1 along the axes of a vector.

    Raises:
        ValueError: If a vector holds a NaN or an infinity.
    """
    part = Part(w, constraint.vector_axes(w.shape), type(constraint).__name__)
    values = convert_to_numpy(run(constraint.measure(part)).values).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f'{type(constraint).__name__}: radius="initial" needs the norms that the weight has. '
            "Received: a weight that holds a NaN or an infinity. Declare it after the weight has "
            "its values."
        )
    return values
