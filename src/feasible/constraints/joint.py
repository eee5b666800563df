"""Vectors that go through several weights, as if these were one."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.backends import Array
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement
from feasible.constraints.parts import Part, added_together, run_together


def joint_parts(
    constraint: Constraint, weights: Sequence[Array], shapes: Sequence[Sequence[int]]
) -> list[Part]:
    """Return weights as a set sees them whose vectors go through all.

    Args:
        constraint: The constraint of all.
        weights: The weights, or what of them is here.
        shapes: The shapes of the whole weights.

    Returns:
        A part for each.

    Raises:
        ValueError: If the weights have not as many vectors each.
    """
    found = [constraint.vectors(shape) for shape in shapes]
    if len({count for count, _ in found}) > 1:
        counts = ", ".join(str(count) for count, _ in found)
        raise ValueError(
            f"{constraint!r} goes through several parameters, which must have as many vectors "
            f"each. Received: {counts} vectors, of shapes {', '.join(map(str, shapes))}. Use "
            "axis=None for one vector through all of them."
        )
    length = sum(length for _, length in found)
    owner = type(constraint).__name__
    return [
        Part(weight, constraint.vector_axes(shape), owner, length=length)
        for weight, shape in zip(weights, shapes, strict=True)
    ]


def measure_joint(constraint: Constraint, weights: Sequence[Array]) -> Measurement:
    """Measure weights whose vectors go through all of them.

    Args:
        constraint: The constraint, without ``"unit"``.
        weights: The weights, in the layout in which the constraint counts axes.

    Returns:
        What was found of each vector.

    Example:
        >>> import numpy as np
        >>> from feasible import MaxNorm
        >>> measure_joint(MaxNorm(1, axis=None), [np.array([3.0]), np.array([4.0])]).values
        array([5.])
    """
    parts = joint_parts(constraint, weights, [tuple(weight.shape) for weight in weights])
    steps = [constraint.measure(part) for part in parts]
    found: Measurement = run_together(steps, added_together)[0]
    return found
