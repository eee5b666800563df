"""Accuracies, as Keras counts them.

Each takes labels and predictions, the batch first, and returns 1 where a prediction is right, and 0
where it is not.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from feasible.losses.loss_functions import align_labels, class_numbers, target_kind
from feasible.registry import Registry

METRICS = Registry("metric", "keras.metrics", any_case=True)


def equal_entries(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return where predictions are the labels."""
    return (y_true == y_pred).float()


@METRICS.built_in()
def binary_accuracy(y_true: Tensor, y_pred: Tensor, threshold: float = 0.5) -> Tensor:
    """Return where predictions are on the labels' side of a threshold."""
    y_true, y_pred = align_labels(y_true, y_pred)
    return (y_true == (y_pred > threshold).to(y_true.dtype)).float()


@METRICS.built_in()
def categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return where the likeliest class is that of a one-hot label."""
    return (y_true.argmax(-1) == y_pred.argmax(-1)).float()


@METRICS.built_in()
def sparse_categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return where the likeliest class is that of a label that is its number."""
    return (class_numbers(y_true, y_pred) == y_pred.argmax(-1)).float()


@METRICS.built_in()
def top_k_categorical_accuracy(y_true: Tensor, y_pred: Tensor, k: int = 5) -> Tensor:
    """Return where fewer than `k` classes are likelier than that of a one-hot label."""
    return sparse_top_k_categorical_accuracy(y_true.argmax(-1), y_pred, k)


@METRICS.built_in()
def sparse_top_k_categorical_accuracy(y_true: Tensor, y_pred: Tensor, k: int = 5) -> Tensor:
    """Return where fewer than `k` classes are likelier than that of a label that is its number."""
    of_label = y_pred.gather(-1, class_numbers(y_true, y_pred).unsqueeze(-1))
    return ((y_pred > of_label).sum(-1) < k).float()


_ACCURACIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "binary": binary_accuracy,
    "categorical": categorical_accuracy,
    "sparse_categorical": sparse_categorical_accuracy,
}


@METRICS.built_in("acc")
def accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return where predictions are right, in the sense that fits the shapes."""
    return _ACCURACIES[target_kind(y_true, y_pred)](y_true, y_pred)
