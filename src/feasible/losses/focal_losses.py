"""Losses for labels that are rare, or for regions of an image, and for sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from feasible.losses.loss_functions import (
    EPSILON,
    LOSSES,
    as_tensors,
    binary_crossentropy,
    elementwise,
)


@LOSSES.built_in()
@elementwise
def binary_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the mean binary cross entropy, entries less weighted that are right: Lin, 2017.

    Args:
        y_true: The labels.
        y_pred: The predictions.
        apply_class_balancing: Whether to weight labels of 1 by `alpha`, and others by the rest.
        alpha: The weight of labels of 1.
        gamma: The power by which right entries weigh less.
        from_logits: Whether predictions are logits.
        label_smoothing: How far labels are moved towards one half.

    Returns:
        A loss for each sample.
    """
    y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing
    p = torch.sigmoid(y_pred) if from_logits else y_pred
    losses = binary_crossentropy(y_true.unsqueeze(-1), p.unsqueeze(-1))
    losses = losses * (1 - (y_true * p + (1 - y_true) * (1 - p))).pow(gamma)
    if apply_class_balancing:
        losses = losses * (y_true * alpha + (1 - y_true) * (1 - alpha))
    return losses.mean(-1)


@LOSSES.built_in()
@elementwise
def categorical_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross entropy, classes less weighted that are right: Lin, 2017.

    Args:
        y_true: The labels, one-hot.
        y_pred: The predictions.
        alpha: What it is multiplied by: a number, or one for each class.
        gamma: The power by which right classes weigh less.
        from_logits: Whether predictions are logits.
        label_smoothing: How far labels are moved towards equal ones.

    Returns:
        A loss for each sample.
    """
    y_true = y_true * (1 - label_smoothing) + label_smoothing / y_true.shape[-1]
    p = functional.softmax(y_pred, -1) if from_logits else y_pred
    p = (p / p.sum(-1, keepdim=True)).clamp(EPSILON, 1 - EPSILON)
    weights = torch.as_tensor(alpha, dtype=p.dtype, device=p.device) * (1 - p).pow(gamma)
    return -(weights * y_true * p.log()).sum(-1)


@LOSSES.built_in()
@elementwise
def tversky(
    y_true: Tensor,
    y_pred: Tensor,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: int | Sequence[int] | None = None,
) -> Tensor:
    """Return 1 less the Tversky index of two regions: Salehi and others, 2017.

    Args:
        y_true: The labels.
        y_pred: The predictions.
        alpha: The weight of what is in the label alone, as Keras has it.
        beta: The weight of what is in the prediction alone.
        axis: The axes to sum over; None for all.

    Returns:
        One number, or as many as the axes leave.
    """
    axes = _axes(axis, y_pred)
    both = (y_true * y_pred).sum(axes)
    missed, wrong = (y_true * (1 - y_pred)).sum(axes), (y_pred * (1 - y_true)).sum(axes)
    return 1 - both / (both + alpha * missed + beta * wrong + EPSILON)


@LOSSES.built_in()
@elementwise
def dice(y_true: Tensor, y_pred: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return 1 less the Dice coefficient of two regions.

    Args:
        y_true: The labels.
        y_pred: The predictions.
        axis: The axes to sum over; None for all.

    Returns:
        One number, or as many as the axes leave.
    """
    axes = _axes(axis, y_pred)
    sizes = y_true.sum(axes) + y_pred.sum(axes)
    return 1 - 2 * (y_true * y_pred).sum(axes) / (sizes + EPSILON)


@LOSSES.built_in()
def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """Return the connectionist temporal classification loss: Graves and others, 2006.

    Args:
        y_true: Numbers of classes, of shape (batch, length), followed by zeros; 0 is the blank.
        y_pred: Logits of shape (batch, steps, classes).

    Returns:
        A loss for each sample.

    Raises:
        ValueError: If there are not as many axes.
    """
    y_true, y_pred = as_tensors(y_true, y_pred)
    if y_true.ndim != 2 or y_pred.ndim != 3:
        raise ValueError(
            "ctc: labels must be of shape (batch, length), and predictions of (batch, steps, "
            f"classes). Received: labels of shape {tuple(y_true.shape)}, predictions of "
            f"{tuple(y_pred.shape)}."
        )
    labels = y_true.long()
    steps = torch.full((len(labels),), y_pred.shape[1], dtype=torch.long)
    lengths = (labels != 0).sum(-1).cpu()
    logs = functional.log_softmax(y_pred, -1).transpose(0, 1)
    return functional.ctc_loss(logs, labels, steps, lengths, blank=0, reduction="none")


def _axes(axis: int | Sequence[int] | None, values: Tensor) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(values.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)
