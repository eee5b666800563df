"""Clips gradients in place, as Keras's optimizers do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def clip_each_by_norm(gradients: Sequence[Tensor], most: float) -> None:
    """Scale each gradient whose norm is too large.

    Args:
        gradients: The gradients.
        most: The largest norm.

    Example:
        >>> gradient = torch.tensor([3.0, 4.0])
        >>> clip_each_by_norm([gradient], 1.0)
        >>> gradient
        tensor([0.6000, 0.8000])
    """
    for gradient in gradients:
        gradient.mul_(most / torch.linalg.vector_norm(gradient).clamp(min=most))


def clip_all_by_norm(gradients: Sequence[Tensor], most: float) -> None:
    """Scale all gradients by one number if their common norm is too large.

    Args:
        gradients: The gradients.
        most: The largest norm. One that is infinite or NaN makes all gradients NaN, so that
            nothing hides it.
    """
    norms = torch.stack([torch.linalg.vector_norm(one).to(gradients[0]) for one in gradients])
    norm = torch.linalg.vector_norm(norms)
    scale = most / norm.clamp(min=most) + (norm - norm)
    for gradient in gradients:
        gradient.mul_(scale.to(gradient))


def clip_values(gradients: Sequence[Tensor], most: float) -> None:
    """Clip each entry of each gradient.

    Args:
        gradients: The gradients.
        most: The largest absolute value.
    """
    for gradient in gradients:
        gradient.clamp_(-most, most)
