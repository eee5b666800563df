"""Brings vectors to a radius in place, those of norm zero, too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from feasible.constraints import Sphere


class SpherePlan:
    """How `Sphere` projects weights where vectors are rescaled in place.

    Args:
        rescaling: The plan that rescales vectors, and leaves those of norm zero.
        constraint: The constraint, its axes counted in the order of memory.
        axes: These axes.
    """

    def __init__(self, rescaling: Any, constraint: Sphere, axes: tuple[int, ...]) -> None:
        self._rescaling = rescaling
        self._constraint = constraint
        self._axes = axes

    @torch.no_grad()
    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device, with their axes in the order of
                memory.
        """
        self._rescaling.project(weights)
        for weight in weights:
            first = tuple(
                slice(0, 1) if axis in self._axes else slice(None) for axis in range(weight.ndim)
            )
            # A vector of norm zero has a zero there, and others that have are looked at, too.
            suspects = weight[first] == 0
            if suspects.any() and not (weight != 0).any(self._axes or None, True)[suspects].all():
                weight.copy_(self._constraint(weight))
