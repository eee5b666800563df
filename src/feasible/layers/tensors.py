"""Tensors of what may be an array of another library."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def as_tensor(value: Any) -> Tensor:
    """Return a tensor of what may be an array, without a copy where it can be.

    Args:
        value: A tensor, an array or nested sequences of numbers.

    Returns:
        A tensor of the same dtype.
    """
    if isinstance(value, Tensor):
        return value
    # PyTorch takes no array that is read-only, has negative strides or another order of bytes.
    array = np.require(value, requirements=["C", "W"])
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("="), copy=False))
