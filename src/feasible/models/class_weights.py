"""Weights of the loss by class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_integer, check_number
from feasible.models.data import unpack


def class_weight_table(class_weight: dict[int, float]) -> Tensor:
    """Return weights by number of class, those that are not named 1; the last is for all further.

    Args:
        class_weight: Weights by number of class.

    Returns:
        A tensor of one more weight than the largest number.

    Raises:
        InvalidArgumentError: If a class is not a number, or a weight is not at least 0.

    Example:
        >>> class_weight_table({1: 5.0})
        tensor([1., 5., 1.])
    """
    if not isinstance(class_weight, dict) or not class_weight:
        raise InvalidArgumentError(
            "fit", "class_weight", class_weight, "a dict from number of class to weight"
        )
    numbers = [check_integer("fit", "class_weight", number, minimum=0) for number in class_weight]
    table = torch.ones(max(numbers) + 2)
    for number, weight in class_weight.items():
        table[number] = check_number("fit", f"class_weight[{number}]", weight, minimum=0)
    return table


def weights_of_classes(y_true: Tensor | None, table: Tensor) -> Tensor:
    """Return the weight of each sample's class.

    Args:
        y_true: Labels: numbers of classes, with or without an axis of size 1, or one-hot vectors;
            None where the data has none.
        table: What `class_weight_table` returned.

    Returns:
        One weight a sample; or a step, where labels have more axes.

    Raises:
        ValueError: If there are no labels.
    """
    if y_true is None:
        raise ValueError("`class_weight` needs labels, and the data has none.")
    if y_true.ndim > 1:
        y_true = y_true.argmax(-1) if y_true.shape[-1] != 1 else y_true.squeeze(-1)
    return table[y_true.round().long().clamp(max=len(table) - 1)]


def weighted_batch(batch: Any, table: Tensor) -> tuple[Any, Any, Tensor]:
    """Return a batch whose samples are weighted by their classes, too.

    Args:
        batch: Inputs, labels and, it may be, weights.
        table: What `class_weight_table` returned.

    Returns:
        Inputs, labels and weights.
    """
    x, y, sample_weight = unpack(batch)
    of_classes = weights_of_classes(y, table)
    return x, y, of_classes if sample_weight is None else sample_weight * of_classes
