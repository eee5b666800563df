"""Losses by Keras's names, with Keras's values and gradients.

Each takes labels and predictions, the batch first, and returns a loss for each sample: a tensor of
their shape without the last axis. All but the sparse ones take labels of the predictions' shape,
or with one axis of size 1 more or less, and raise a ValueError for others.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from feasible.registry import Registry

LOSSES = Registry("loss", "keras.losses", any_case=True)

# What Keras keeps probabilities, and what is divided by, away from zero by.
EPSILON = 1e-7

# From labels and predictions to a loss for each sample, or one for all.
LossFunction = Callable[..., Tensor]


def full_precision(y_pred: Tensor) -> Tensor:
    """Return predictions in float32 at least, in which logarithms of probabilities make sense.

    Args:
        y_pred: The predictions, of a floating dtype.

    Returns:
        The same, of float32 if they were of 16 bits.
    """
    return y_pred.float() if y_pred.dtype in (torch.float16, torch.bfloat16) else y_pred


def as_tensors(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Return labels and predictions as tensors, the predictions of a floating dtype.

    Args:
        y_true: The labels: a tensor, an array, or a nested sequence of numbers.
        y_pred: The predictions, likewise.

    Returns:
        Both; tensors as they are.
    """
    if not isinstance(y_pred, Tensor):
        y_pred = torch.tensor(np.asarray(y_pred, np.float32))
    if not y_pred.is_floating_point():
        y_pred = y_pred.float()
    if not isinstance(y_true, Tensor):
        y_true = torch.tensor(np.asarray(y_true), device=y_pred.device)
    return y_true, y_pred


def align_labels(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Return labels and predictions with as many axes, where one has a last axis of size 1 more.

    Args:
        y_true: The labels, the batch first.
        y_pred: The predictions, the batch first.

    Returns:
        Both, the one with fewer axes unsqueezed.
    """
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        return y_true, y_pred.unsqueeze(-1)
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        return y_true.unsqueeze(-1), y_pred
    return y_true, y_pred


def elementwise(function: Callable[..., Tensor]) -> LossFunction:
    """Give a loss labels of the predictions' shape and dtype.

    Args:
        function: The loss, of two tensors of one shape and dtype.

    Returns:
        The loss of arrays, which raises a ValueError for labels of another shape.
    """

    @functools.wraps(function)
    def checked(y_true: Any, y_pred: Any, *values: Any, **options: Any) -> Tensor:
        y_true, y_pred = align_labels(*as_tensors(y_true, y_pred))
        if y_true.shape != y_pred.shape:
            raise ValueError(
                f"{function.__name__}: labels and predictions must have one shape. Received: "
                f"labels of shape {tuple(y_true.shape)}, predictions of {tuple(y_pred.shape)}."
            )
        return function(y_true.to(y_pred.dtype), y_pred, *values, **options)

    return checked


@LOSSES.built_in("mse")
@elementwise
def mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean of squared differences over the last axis."""
    return (y_pred - y_true).square().mean(-1)


@LOSSES.built_in("mae")
@elementwise
def mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean of absolute differences over the last axis."""
    return (y_pred - y_true).abs().mean(-1)


@LOSSES.built_in("mape")
@elementwise
def mean_absolute_percentage_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean of absolute differences, in hundredths of the label, over the last axis."""
    return 100 * ((y_true - y_pred) / y_true.abs().clamp(min=EPSILON)).abs().mean(-1)


@LOSSES.built_in("msle")
@elementwise
def mean_squared_logarithmic_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean of squared differences of log(1 + value) over the last axis."""
    true, predicted = (torch.log(y.clamp(min=EPSILON) + 1) for y in (y_true, y_pred))
    return (predicted - true).square().mean(-1)


@LOSSES.built_in()
@elementwise
def huber(y_true: Tensor, y_pred: Tensor, delta: float = 1.0) -> Tensor:
    """Return half the squared difference up to `delta`, and a line beyond; mean of the last axis.

    Huber, Robust Estimation of a Location Parameter, 1964.
    """
    return functional.huber_loss(y_pred, y_true, reduction="none", delta=delta).mean(-1)


@LOSSES.built_in("logcosh")
@elementwise
def log_cosh(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean of the logarithm of the difference's hyperbolic cosine over the last axis."""
    difference = y_pred - y_true
    return (difference + functional.softplus(-2 * difference) - math.log(2)).mean(-1)


@LOSSES.built_in()
@elementwise
def cosine_similarity(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return minus the cosine of the angle between label and prediction, along the last axis."""
    true, predicted = (functional.normalize(y, dim=-1, eps=EPSILON) for y in (y_true, y_pred))
    return -(true * predicted).sum(-1)


@LOSSES.built_in("kld", "kullback_leibler_divergence")
@elementwise
def kl_divergence(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of the predicted distribution from the true one."""
    true, predicted = y_true.clamp(EPSILON, 1), y_pred.clamp(EPSILON, 1)
    return (true * torch.log(true / predicted)).sum(-1)


@LOSSES.built_in()
@elementwise
def poisson(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the negative log likelihood of counts under rates, up to a constant."""
    return (y_pred - y_true * torch.log(y_pred + EPSILON)).mean(-1)


def _signs(y_true: Tensor) -> Tensor:
    """Return labels of 0 and 1 as -1 and 1, and others as they are."""
    binary = ((y_true == 0) | (y_true == 1)).all()
    return torch.where(binary, 2 * y_true - 1, y_true)


@LOSSES.built_in()
@elementwise
def hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean of how far predictions are from the margin, for labels of -1 or 0, and 1."""
    return (1 - _signs(y_true) * y_pred).clamp(min=0).mean(-1)


@LOSSES.built_in()
@elementwise
def squared_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the mean square of how far predictions are from the margin."""
    return (1 - _signs(y_true) * y_pred).clamp(min=0).square().mean(-1)


@LOSSES.built_in()
@elementwise
def categorical_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return how far the true class's score is from the margin above the best of the others."""
    best_other = ((1 - y_true) * y_pred).amax(-1)
    return (best_other - (y_true * y_pred).sum(-1) + 1).clamp(min=0)


@LOSSES.built_in("bce")
@elementwise
def binary_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean cross entropy of probabilities, or logits, of each label being 1."""
    y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        return functional.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none").mean(
            -1
        )
    p = y_pred.clamp(EPSILON, 1 - EPSILON)
    return -(y_true * torch.log(p) + (1 - y_true) * torch.log1p(-p)).mean(-1)


def _log_probabilities(y_pred: Tensor, from_logits: bool) -> Tensor:
    if from_logits:
        return functional.log_softmax(y_pred, dim=-1)
    return torch.log((y_pred / y_pred.sum(-1, keepdim=True)).clamp(EPSILON, 1 - EPSILON))


@LOSSES.built_in()
@elementwise
def categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """Return the cross entropy of classes' probabilities, or logits, with one-hot labels."""
    y_true = y_true * (1 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return -(y_true * _log_probabilities(y_pred, from_logits)).sum(-1)


@LOSSES.built_in()
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None
) -> Tensor:
    """Return the cross entropy of classes' probabilities, or logits, with labels as numbers.

    Labels that are `ignore_class` have none.
    """
    y_true, y_pred = as_tensors(y_true, y_pred)
    labels = class_numbers(y_true, y_pred)
    ignored = None if ignore_class is None else labels == ignore_class
    if ignored is not None:
        labels = labels.masked_fill(ignored, 0)
    log_probabilities = _log_probabilities(y_pred, from_logits)
    values = -log_probabilities.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return values if ignored is None else values.masked_fill(ignored, 0)


def class_numbers(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return labels that are numbers of classes, of the predictions' shape but the last axis.

    Args:
        y_true: The labels, with or without a last axis of size 1.
        y_pred: The predictions, of shape (batch, ..., classes).

    Returns:
        The labels as integers.

    Raises:
        ValueError: If their shapes do not fit.
    """
    labels = y_true.squeeze(-1) if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    if labels.shape != y_pred.shape[:-1]:
        raise ValueError(
            "Labels must be numbers of classes, one for each prediction. Received: labels of shape "
            f"{tuple(y_true.shape)}, predictions of shape {tuple(y_pred.shape)}."
        )
    return labels.long()


def target_kind(y_true: Tensor, y_pred: Tensor) -> str:
    """Return what a prediction is of, going by the shapes, as Keras does.

    Args:
        y_true: The labels, the batch first.
        y_pred: The predictions, the batch first.

    Returns:
        ``"binary"``, ``"sparse_categorical"`` or ``"categorical"``.
    """
    if y_pred.shape[-1] == 1:
        return "binary"
    sparse = y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1
    return "sparse_categorical" if sparse else "categorical"


_CROSSENTROPIES = {
    "binary": binary_crossentropy,
    "categorical": categorical_crossentropy,
    "sparse_categorical": sparse_categorical_crossentropy,
}


@LOSSES.built_in("ce")
def crossentropy(y_true: Any, y_pred: Any) -> Tensor:
    """Return the cross entropy that fits the shapes of labels and predictions."""
    y_true, y_pred = as_tensors(y_true, y_pred)
    return _CROSSENTROPIES[target_kind(y_true, y_pred)](y_true, y_pred)
