"""Projects weights by their constraint's own mathematics, small ones that are alike at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from feasible.constraints import Constraint
from feasible.constraints.gate import project_whole
from feasible.constraints.parts import Part, Place

# Entries of small weights that are projected at once.
_TOGETHER = 1 << 20


class StackingPlan:
    """How any set projects weights that are alike, without waiting for their device.

    Args:
        constraint: The constraint.
        axes: The axes, in the layout in which it counts, that a block lies along.
        order: Which axis, in the order of memory, each axis of that layout is.
        place: Where the weights are in those of which they are parts; None if they are whole.
    """

    def __init__(
        self,
        constraint: Constraint,
        axes: tuple[int, ...],
        order: Sequence[int],
        place: Place | None = None,
    ) -> None:
        self._constraint = constraint
        self._axes = axes
        self._order = tuple(order)
        self._place = place
        self._stored = tuple(map(self._order.index, range(len(self._order))))

    @torch.no_grad()
    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device, with their axes in the order of
                memory.
        """
        for some in stacked_groups(weights, weights[0].numel()):
            if len(some) == 1:
                view = some[0].permute(self._order)
                view.copy_(self._projected(view, 0))
            else:
                found = self._projected(torch.stack(some).permute(_after(self._order)), 1)
                torch._foreach_copy_(some, list(found.permute(_after(self._stored)).unbind()))

    def _projected(self, view: Tensor, stacked: int) -> Tensor:
        axes = tuple(stacked + axis for axis in self._axes)
        owner = type(self._constraint).__name__
        part = Part(view, axes, owner, place=self._place, stacked=stacked)
        found: Tensor = project_whole(self._constraint, part)
        return found


def stacked_groups(weights: list[Any], entries: int) -> Iterator[list[Any]]:
    """Return weights in groups that are small enough to be stacked, larger ones alone.

    Args:
        weights: The weights, or what stands for them, of one shape.
        entries: How many entries each has.

    Returns:
        The groups, in order.
    """
    together = max(_TOGETHER // max(entries, 1), 1)
    return (weights[start : start + together] for start in range(0, len(weights), together))


def _after(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return an order of axes after the one along which weights are stacked."""
    return (0, *(1 + axis for axis in order))
