"""Sets negative entries to zero in place, by PyTorch's operations."""

from __future__ import annotations

import torch
from torch import Tensor

from feasible.torch.stacking import stacked_groups


class ClippingPlan:
    """How `NonNeg` projects weights where there is no compiled loop, small ones at once."""

    @torch.no_grad()
    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of one shape, dtype and device.
        """
        for some in stacked_groups(weights, weights[0].numel()):
            if len(some) == 1:
                _clip(some[0])
            else:
                torch._foreach_copy_(some, list(_clip(torch.stack(some)).unbind()))


def _clip(weight: Tensor) -> Tensor:
    # Below a threshold of the largest negative number; a maximum might turn -0.0 into 0.0.
    limits = torch.finfo(weight.dtype)
    return torch.threshold_(weight, -limits.smallest_normal * limits.eps, 0.0)
