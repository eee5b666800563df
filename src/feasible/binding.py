"""Fits a constraint to a parameter: its axes are found and checked, doubtful ones warned of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, TypeVar

from feasible.constraints import Constraint

ConstraintT = TypeVar("ConstraintT")

# The layout in which a constraint's axes are counted: Keras's, or the one a weight is stored in.
Layout = Literal["keras", "native"]


def resolve_constraint(
    owner: str,
    constraint: ConstraintT,
    shape: Sequence[int],
    unit_axes: Sequence[int] | None,
    unknown: str = "",
    *,
    warn: bool = True,
) -> ConstraintT | Constraint:
    """Return a constraint as it acts on a parameter of this shape.

    Args:
        owner: The parameter, for messages.
        constraint: The constraint, or any callable, which comes back as it is.
        shape: The parameter's shape, in the layout in which the constraint counts axes.
        unit_axes: The axes that hold the weights incident to one unit, or None if they are unknown.
        unknown: How the axes can be made known, for the message.
        warn: Whether to warn of doubtful axes.

    Returns:
        The constraint, ``"unit"`` replaced by the axes it stands for.

    Raises:
        ValueError: If the parameter does not have the constraint's axes, or ``"unit"`` is unknown.

    Example:
        >>> from feasible import MaxNorm
        >>> resolve_constraint("dense.kernel", MaxNorm(2, axis="unit"), (3, 5), (0,))
        MaxNorm(max_value=2, axis=(0,))
    """
    if not isinstance(constraint, Constraint):
        return constraint
    if unit_axes is None and constraint.in_units:
        raise ValueError(
            f"{owner}: {constraint!r} needs to know which axes hold one unit's weights, and they "
            f"are not known. {unknown}, or give the axes as integers."
        )
    resolved = constraint.resolve(() if unit_axes is None else unit_axes)
    try:
        resolved.check_shape(shape)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from error
    if warn:
        _warn_of_surprises(owner, resolved, shape, unit_axes)
    return resolved


def _warn_of_surprises(
    owner: str, constraint: Constraint, shape: Sequence[int], unit_axes: Sequence[int] | None
) -> None:
    if getattr(constraint, "axis", None) == 0 and len(shape) > 2:
        unit = constraint.along([0] if unit_axes is None else unit_axes)
        (count, length), (units, weights) = constraint.vectors(shape), unit.vectors(shape)
        if count != units:
            warnings.warn(
                f"{owner}: {constraint!r} on a kernel of shape {tuple(shape)} takes norms along "
                f'axis 0 only: {count} vectors of {length}. axis="unit" takes one a unit: {units} '
                f"vectors of {weights}. To mean axis 0, write axis=(0,).",
                UserWarning,
                stacklevel=2,
            )
    if (doubt := constraint.doubt(shape)) is not None:
        warnings.warn(f"{owner}: {doubt}", UserWarning, stacklevel=2)
