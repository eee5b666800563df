"""Projects weights and gradients by the loops for sets of vectors, in their own storage."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Collection, Sequence
from functools import cached_property, lru_cache
from itertools import compress
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from feasible.constraints import (
    Box,
    FixedSum,
    L1Ball,
    MaxNorm,
    MinMaxNorm,
    NofM,
    NormConstraint,
    Simplex,
    Sphere,
    UnitNorm,
)
from feasible.constraints.precision import Precision, precision
from feasible.constraints.thresholds import held_from
from feasible.torch.fast.loop_plan import _ALONE, _SHARED, LoopSizes, loops_for, sizes_of

# Elementwise sets go over memory in rows of so many entries.
_ROW = 4096


class SetPlan:
    """How a loop projects weights that are alike, or gradients of such weights.

    Args:
        name: What is projected: ``"weights"``; ``"gradients"``; or ``"sums"``, gradients of which
            the weights do not matter.
        dtype: Their dtype.
        sizes: How vectors lie in their memory, of which none has several adjacent entries.
        kind: What is done with a vector: the name of a number in `row_loops` or `tangent_loops`.
        numbers: What decides, as the loop wants it.
        mask: A byte for each entry, in the order of memory, where there is a mask.
    """

    def __init__(
        self,
        name: str,
        dtype: torch.dtype,
        sizes: LoopSizes,
        kind: str,
        numbers: Sequence[float],
        mask: Tensor | None = None,
    ) -> None:
        self._name, self._dtype, self._kind = name, dtype, kind
        self._sizes, self._mask = sizes, mask
        self._entries = math.prod(sizes)
        self._numbers = array("d", [*numbers, *[0.0] * (4 - len(numbers))])

    @cached_property
    def _compiled(self) -> tuple[Callable[..., None], Callable[[int], None], Any, int]:
        """What runs the loop, the loop, compiled when there is a weight, and what it is to do."""
        from feasible.torch.fast import openmp, row_loops, set_loops, tangent_loops

        name = "gradients" if self._name == "gradients" else "weights"
        loop = set_loops.compile_set_loop(name, self._dtype)
        kinds = tangent_loops if name == "gradients" else row_loops
        return openmp.run_parallel, loop, set_loops, getattr(kinds, self._kind)

    def project(self, weights: list[Tensor], gradients: list[Tensor] | None = None) -> None:
        """Project weights, or gradients, in their own storage.

        Args:
            weights: The weights, of this dtype, and contiguous in the order of memory.
            gradients: Their gradients, of the same dtype and strides, where these are projected.
        """
        graded = weights if gradients is None else gradients
        if self._name == "sums":
            weights = graded
        if self._entries < _SHARED:
            self._run(weights, graded)
        else:
            for weight, gradient in zip(weights, graded, strict=True):
                self._run([weight], [gradient])

    def _run(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        run, loop, loops, kind = self._compiled
        count, (outer, along, across, _) = len(weights), self._sizes
        threads = torch.get_num_threads() if count * self._entries > _ALONE else 1
        # Columns as rows, of a gradient and its weight, or sums of them; what is noted of a row.
        needed = (
            max(28 * loops.WIDE, 8 * loops.NARROW * (along + loops.PADDING)) if across > 1 else 0
        )
        needed += 8 * along if self._name == "gradients" else 0
        scratch = torch.empty(threads * needed, dtype=torch.uint8)
        own, numbers = scratch.data_ptr(), self._numbers.buffer_info()[0]
        operand = 0 if self._mask is None else self._mask.data_ptr()
        head = (outer, along, across, kind, numbers, operand, own, count)
        pointers = [one.data_ptr() for one in (*weights, *gradients)]
        task = array("q", [*head, *pointers, *[0] * count])
        run(loop, task.buffer_info()[0], threads)
        written = gradients if self._name == "gradients" else compress(weights, task[-count:])
        # What autograd keeps of what was changed is no longer valid.
        if changed := list(written):
            increment_version(changed)


def set_plan(constraint: Any, stored: Tensor, axes: tuple[int, ...]) -> SetPlan | None:
    """Return how a loop projects weights, for a set of which there is one.

    Args:
        constraint: The constraint, of a type in `SETS`.
        stored: A weight, contiguous, with its axes in the order of memory.
        axes: The axes that a vector lies along.

    Returns:
        The plan; None where vectors do not lie in rows or columns, or a bound is an array.
    """
    if not axes:
        sizes: LoopSizes | None = _as_rows(stored.numel())
    else:
        sizes = _as_vectors(stored.shape, axes)
    if sizes is None or sizes.within > 1 or 0 in stored.shape:
        return None
    found = SETS[type(constraint)](constraint, precision("", stored), sizes)
    return None if found is None else _plan("weights", stored.dtype, sizes, *found)


def mask_plan(mask: Tensor, dtype: torch.dtype) -> SetPlan | None:
    """Return how a loop sets entries of weights to zero.

    Args:
        mask: A byte for each entry, zero for those, contiguous, with its axes in the order of
            memory.
        dtype: The weights' dtype.

    Returns:
        The plan; None where memory does not fall into rows.
    """
    sizes = _as_rows(mask.numel())
    return None if sizes is None else SetPlan("weights", dtype, sizes, "MASK", (), mask)


def gradient_plan(constraint: Any, stored: Tensor, axes: tuple[int, ...]) -> SetPlan | None:
    """Return how a loop projects gradients onto the tangent cones of weights.

    Args:
        constraint: The constraint.
        stored: A weight, contiguous, with its axes in the order of memory.
        axes: The axes that a vector lies along.

    Returns:
        The plan; None where there is none for the type, or the vectors.
    """
    # Directions along which a sum stays are those whose own sum is zero.
    is_sum = type(constraint) is FixedSum
    tangent = TANGENTS.get(type(constraint))
    if (
        (tangent is None and not is_sum)
        or loops_for(stored.dtype) is None
        or 0 in stored.shape
        or not axes
    ):
        return None
    sizes = _as_vectors(stored.shape, axes)
    if sizes is None or sizes.within > 1:
        return None
    if tangent is None:
        return _plan("sums", stored.dtype, sizes, "SHIFT", (0.0, 0.0, 0.0))
    found = tangent(constraint, precision("", stored), sizes.along)
    return None if found is None else _plan("gradients", stored.dtype, sizes, *found)


@lru_cache(maxsize=1024)
def _plan(
    name: str, dtype: torch.dtype, sizes: LoopSizes, kind: str, numbers: tuple[float, ...]
) -> SetPlan:
    return SetPlan(name, dtype, sizes, kind, numbers)


def _as_vectors(shape: Sequence[int], axes: Collection[int]) -> LoopSizes | None:
    """Return how vectors lie in memory, a single one as one row."""
    if all(size == 1 for axis, size in enumerate(shape) if axis not in axes):
        return LoopSizes(1, math.prod(shape), 1, 1)
    return sizes_of(shape, axes)


def _as_rows(entries: int) -> LoopSizes | None:
    """Return memory as rows of which each stays in a cache."""
    length = next((size for size in range(_ROW, 0, -1) if entries % size == 0), 1)
    return LoopSizes(entries // length, length, 1, 1) if length > 1 or entries == 1 else None


_Found = tuple[str, tuple[float, ...]] | None


def _box(constraint: Box, stored: Precision, sizes: LoopSizes) -> _Found:
    del stored, sizes
    low, high = constraint.lower, constraint.upper
    if isinstance(low, np.ndarray) or isinstance(high, np.ndarray):
        return None
    return "BOX", (-math.inf if low is None else low, math.inf if high is None else high)


def _fixed_sum(constraint: FixedSum, stored: Precision, sizes: LoopSizes) -> _Found:
    del sizes
    return "SHIFT", (constraint.total, stored.slack, stored.spacing)


def _simplex(constraint: Simplex, stored: Precision, sizes: LoopSizes) -> _Found:
    del sizes
    return "SIMPLEX", (constraint.total, stored.slack, stored.spacing)


def _l1_ball(constraint: L1Ball, stored: Precision, sizes: LoopSizes) -> _Found:
    del sizes
    radius = constraint.radius
    if not isinstance(radius, int | float) or radius == 0:
        return None
    return "L1", (radius, stored.slack, stored.spacing, radius * (1 - stored.inset))


def _n_of_m(constraint: NofM, stored: Precision, sizes: LoopSizes) -> _Found:
    del stored
    is_short = constraint.m <= 32 and sizes.along % constraint.m == 0
    return ("N_OF_M", (constraint.n, constraint.m)) if is_short else None


SETS: dict[type, Callable[[Any, Precision, LoopSizes], _Found]] = {
    Box: _box,
    FixedSum: _fixed_sum,
    L1Ball: _l1_ball,
    NofM: _n_of_m,
    Simplex: _simplex,
}


def _norm_tangent(constraint: NormConstraint, stored: Precision, length: int) -> _Found:
    del length
    slack = 4 * stored.slack
    return "NORM_TANGENT", (
        constraint.min_value * (1 + slack),
        constraint.max_value * (1 - slack),
    )


def _sphere_tangent(constraint: Sphere, stored: Precision, length: int) -> _Found:
    del constraint, stored, length
    return "NORM_TANGENT", (math.inf, 0.0)


def _l1_tangent(constraint: L1Ball, stored: Precision, length: int) -> _Found:
    if not isinstance(constraint.radius, int | float):
        return None
    radius: Any = constraint.radius
    held = held_from(radius, stored, length)
    return "L1_TANGENT", (held, radius * (1 - 4 * stored.slack))


def _simplex_tangent(constraint: Simplex, stored: Precision, length: int) -> _Found:
    held: Any = held_from(constraint.total, stored, length)
    return "SIMPLEX_TANGENT", (held,)


TANGENTS: dict[type, Callable[[Any, Precision, int], _Found]] = {
    **dict.fromkeys((MaxNorm, MinMaxNorm, NormConstraint, UnitNorm), _norm_tangent),
    L1Ball: _l1_tangent,
    Simplex: _simplex_tangent,
    Sphere: _sphere_tangent,
}
