"""What holds for every set: blocks that are feasible within rounding keep their bits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from feasible.backends import Array, astype, wide_dtype
from feasible.constraints.euclidean import norms, squares
from feasible.constraints.parts import Part, ProjectionResult, Steps, refuse_complex, run

if TYPE_CHECKING:
    from feasible.constraints.base import Constraint


class Measurement(NamedTuple):
    """What a constraint found of each block of a weight.

    Attributes:
        values: Its quantity, such as a norm.
        violations: How far it is from being feasible: 0 within rounding, NaN where it holds a NaN.
    """

    values: Array
    violations: Array


def project_whole(constraint: Constraint, part: Part) -> Array:
    """Return a weight that is whole here, projected.

    Args:
        constraint: The constraint, by its `project`.
        part: The weight.

    Returns:
        An array of the weight's shape, dtype, device and library.
    """
    refuse_complex(constraint, part.w, part.owner)
    found = run(constraint.project(part))
    # Not by `projection_steps`, because PyTorch's compiler follows no generator inside another.
    if _is_settled(part, found):
        return _settled(part, found)
    return run(_gated(part, found, constraint.roundings(part)))


def projection_steps(constraint: Constraint, part: Part) -> Steps:
    """Project a part of a weight, yielding partial sums.

    Args:
        constraint: The constraint, by its `project`.
        part: The part.

    Yields:
        Sums, and receives totals.

    Returns:
        An array of the part's shape, dtype, device and library.
    """
    refuse_complex(constraint, part.w, part.owner)
    found = yield from _followed(constraint.project(part))
    if _is_settled(part, found):
        return _settled(part, found)
    return (yield from _gated(part, found, constraint.roundings(part)))


def tangent_whole(constraint: Constraint, part: Part, gradient: Array) -> Array:
    """Return a gradient projected onto the tangent cone of a weight that is whole here.

    Args:
        constraint: The constraint, by its `project_tangent`.
        part: The weight.
        gradient: The gradient, of its shape.

    Returns:
        An array of the gradient's shape, dtype, device and library.
    """
    wide = astype(gradient, wide_dtype(gradient))
    return astype(run(constraint.project_tangent(part, wide)), gradient.dtype)


def tangent_steps(constraint: Constraint, part: Part, gradient: Array) -> Steps:
    """Project a part of a gradient, yielding partial sums.

    Args:
        constraint: The constraint, by its `project_tangent`.
        part: The part of the weight.
        gradient: The gradient there.

    Yields:
        Sums, and receives totals.

    Returns:
        An array of the gradient's shape, dtype, device and library.
    """
    wide = astype(gradient, wide_dtype(gradient))
    found = yield from _followed(constraint.project_tangent(part, wide))
    return astype(found, gradient.dtype)


def measure_steps(constraint: Constraint, part: Part) -> Steps:
    """Measure how far a projection moves each block, where a set has no closed form of that.

    Args:
        constraint: The constraint, by its `project`.
        part: The weight or a part of it.

    Yields:
        Sums, and receives totals.

    Returns:
        What was found: the distances.
    """
    found = yield from _followed(constraint.project(part))
    target = found[0] if isinstance(found, tuple) else found
    return (yield from moves(part, target, constraint.roundings(part)))


def moves(part: Part, target: Array, tolerance: float = 1.0) -> Steps:
    """Measure how far blocks are from where they belong.

    Args:
        part: The weight or a part of it.
        target: The nearest feasible entries, in any float dtype.
        tolerance: How many roundings of its dtype count as none.

    Yields:
        Sums, and receives totals.

    Returns:
        What was found: the distances.
    """
    xp = part.xp
    # As it would be stored, so that what a projection leaves as it is has not moved.
    stored = astype(target, part.w.dtype)
    distance = _difference(part, stored)
    if not part.axes:
        size = xp.where(part.w == part.w, xp.abs(distance), math.nan)
        found = xp.where(stored == part.w, xp.zeros_like(size), size)
        return Measurement(found, found)
    distances, sizes = yield from _norms_of(part, distance)
    still = distances <= tolerance * _rounding(part, sizes)
    found = xp.where(still, xp.zeros_like(distances), distances)
    found = xp.where(xp.isfinite(sizes), found, math.nan)
    return Measurement(found, found)


def _followed(steps: Any) -> Steps:
    """Follow a generator, or return at once what is none."""
    return (yield from steps) if hasattr(steps, "send") else steps


def _is_settled(part: Part, found: ProjectionResult) -> bool:
    """Return whether it is known which blocks stay, without looking how far they moved."""
    return isinstance(found, tuple) or not part.axes or found is part.w


def _settled(part: Part, found: ProjectionResult) -> Array:
    xp, w = part.xp, part.w
    if found is w:
        return w
    if isinstance(found, tuple):
        entries, stays = found
    else:
        # An entry that is a block of its own: -0.0 is no other than 0.0, and NaN stays.
        entries = astype(found, w.dtype)
        stays = (entries == w) | (w != w)
    entries = astype(entries, w.dtype)
    # NumPy would return the machine's order of bytes.
    return entries if stays is False else astype(xp.where(stays, w, entries), w.dtype)


def _gated(part: Part, found: Array, tolerance: float) -> Steps:
    """Keep the bits of blocks that moved no further than rounding, and of those without a norm."""
    xp, w = part.xp, part.w
    entries = astype(found, w.dtype)
    distance = squares(part, _difference(part, entries))
    totals = yield (*distance, *squares(part, w))
    distances, sizes = (
        norms(part, some).value for some in (totals[: len(distance)], totals[len(distance) :])
    )
    stays = (distances <= tolerance * _rounding(part, sizes)) | ~xp.isfinite(sizes)
    return astype(xp.where(stays, w, entries), w.dtype)


def _difference(part: Part, entries: Array) -> Array:
    """Return by how much entries differ from the weight's; by nothing where that has no number."""
    xp, wide = part.xp, part.wide
    entries = astype(entries, wide.dtype)
    return xp.where(xp.isfinite(wide), entries, 0.0) - part.finite


def _norms_of(part: Part, distance: Array) -> Steps:
    own = squares(part, distance)
    totals = yield (*own, *squares(part, part.w))
    return tuple(norms(part, some).value for some in (totals[: len(own)], totals[len(own) :]))


def _rounding(part: Part, sizes: Array) -> Array:
    """Return how far the rounding of its entries may move a block of some norm."""
    stored = part.precision
    return stored.slack * sizes + stored.spacing * math.sqrt(part.length)
