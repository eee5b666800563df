"""Metrics by Keras's names, or of torchmetrics, gathered over batches."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
import torchmetrics
from torch import Tensor, nn
from torchmetrics import classification

from feasible.arguments import InvalidArgumentError
from feasible.losses import loss_functions as losses
from feasible.losses.loss_functions import LOSSES, align_labels, full_precision
from feasible.metrics import Metric
from feasible.metrics.accuracies import METRICS
from feasible.registry import snake_case


class BatchMean(torchmetrics.Metric):
    """The mean of what is counted up, over all batches and processes.

    Example:
        >>> mean = BatchMean()
        >>> mean.update(torch.tensor(6.0), 4)
        >>> mean.value
        1.5
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, total: Tensor, count: int) -> None:
        """Count values up.

        Args:
            total: Their sum.
            count: How many they are.
        """
        self.total += total
        self.count += count

    def compute(self) -> Tensor:
        """Return the mean.

        Returns:
            One number.
        """
        return self.total / self.count

    @property
    def value(self) -> float:
        """The mean of what this process has counted up; 0 before there is anything."""
        return float(self.total / self.count.clamp(min=1))


class MetricEntry(NamedTuple):
    """A metric, and what it is updated with.

    Attributes:
        metric: The metric.
        arguments: From labels and predictions to the arguments of its `update`.
    """

    metric: torchmetrics.Metric | Metric
    arguments: Callable[[Tensor, Tensor], tuple[Any, ...]]


def _mean_of(function: Callable[..., Tensor]) -> MetricEntry:
    return MetricEntry(BatchMean(), functools.partial(_total_and_count, function))


def _total_and_count(
    function: Callable[..., Tensor], y_true: Tensor, y_pred: Tensor
) -> tuple[Tensor, int]:
    values = function(y_true, y_pred)
    return values.sum(), values.numel()


def _as_given(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    return y_true, y_pred


def _given(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    y_true, y_pred = align_labels(y_true, y_pred)
    return y_pred, y_true


def _flat(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    y_true, y_pred = align_labels(y_true, y_pred)
    return y_pred.flatten(), y_true.flatten().to(y_pred.dtype)


def _scores(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    prediction, label = _flat(y_true, y_pred)
    return prediction, label.long()


def _decisions(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    prediction, label = _scores(y_true, y_pred)
    return (prediction > 0.5).long(), label


@METRICS.built_in()
def cosine_similarity(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the cosine of the angle between label and prediction; the loss is minus this."""
    return -losses.cosine_similarity(y_true, y_pred)


# Those that are no means over samples.
_GATHERED: dict[str, Callable[[], MetricEntry]] = {
    "root_mean_squared_error": lambda: MetricEntry(
        torchmetrics.MeanSquaredError(squared=False), _flat
    ),
    "precision": lambda: MetricEntry(classification.BinaryPrecision(), _decisions),
    "recall": lambda: MetricEntry(classification.BinaryRecall(), _decisions),
    "auc": lambda: MetricEntry(classification.BinaryAUROC(thresholds=200), _scores),
}
for _name, _gathered in _GATHERED.items():
    METRICS.add(_gathered, _name)
for _loss in LOSSES.things:
    if _loss is not losses.cosine_similarity:
        METRICS.add(_loss, *LOSSES.names(_loss))

Metrics = Iterable[Any] | Mapping[str, Any]


def get(metrics: Metrics | None) -> dict[str, MetricEntry]:
    """Return the metrics that `compile`'s argument stands for, under the names of a history.

    Args:
        metrics: A list of Keras's names, metrics of torchmetrics, functions ``(y_true, y_pred)``;
            a dict gives them names of your own.

    Returns:
        Metrics by name, fresh ones at each call.

    Raises:
        ValueError: If there is no metric of some name.
        InvalidArgumentError: If it is neither a list nor a dict of these.

    Example:
        >>> list(get(["mse", torchmetrics.MeanAbsoluteError(), "mse"]))
        ['mse', 'mean_absolute_error', 'mse_1']
    """
    if metrics is None:
        return {}
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise InvalidArgumentError("compile", "metrics", metrics, "a list or a dict of metrics")
    named = (
        metrics.items()
        if isinstance(metrics, Mapping) and not isinstance(metrics, nn.Module)
        else [(_name_of(metric), metric) for metric in _unfolded(metrics)]
    )
    entries: dict[str, MetricEntry] = {}
    for name, metric in named:
        taken = sum(used == name or used.startswith(f"{name}_") for used in entries)
        entries[name if name not in entries else f"{name}_{taken}"] = _entry(metric)
    return entries


def _unfolded(metrics: Iterable[Any]) -> list[Any]:
    """Return the metrics, with those of collections in place of them."""
    found: list[Any] = []
    for metric in metrics:
        is_collection = isinstance(metric, torchmetrics.MetricCollection)
        found.extend(metric.values() if is_collection else [metric])
    return found


def _name_of(metric: Any) -> str:
    if isinstance(metric, str):
        return metric
    if isinstance(metric, Metric):
        return metric.name
    if isinstance(metric, functools.partial):
        return _name_of(metric.func)
    return str(getattr(metric, "__name__", None) or snake_case(type(metric).__name__))


def _entry(metric: Any) -> MetricEntry:
    if isinstance(metric, str):
        found = METRICS.find(metric)
        return found() if found in _GATHERED.values() else _mean_of(found)
    if isinstance(metric, Metric):
        fresh_one = copy.deepcopy(metric)
        fresh_one.reset_state()
        return MetricEntry(fresh_one, _as_given)
    if isinstance(metric, torchmetrics.Metric):
        fresh = metric.clone()
        fresh.reset()
        return MetricEntry(fresh, _given)
    if callable(metric) and not inspect.isclass(metric):
        return _mean_of(metric)
    raise InvalidArgumentError(
        "compile", "metrics", metric, "a list of names, metrics of torchmetrics or functions"
    )


class EpochMetrics(nn.Module):
    """The loss and the metrics of the batches seen since it was reset.

    Args:
        metrics: What `compile` was given.
    """

    def __init__(self, metrics: Metrics | None) -> None:
        super().__init__()
        self.loss = BatchMean()
        entries = get(metrics)
        self.names = list(entries)
        self.metrics = nn.ModuleList([entry.metric for entry in entries.values()])
        self.arguments = [entry.arguments for entry in entries.values()]

    def update(self, loss: Tensor, count: int, y_true: Tensor | None, y_pred: Any) -> None:
        """Take a batch in.

        Args:
            loss: Its loss.
            count: How many samples it has.
            y_true: Its labels.
            y_pred: The predictions.

        Raises:
            ValueError: If there are metrics, and no labels for them.
        """
        self.loss.update(loss.detach() * count, count)
        if not self.names:
            return
        if y_true is None:
            raise ValueError(f"The metrics {self.names} need labels, and the data has none.")
        y_pred = full_precision(y_pred.detach())
        for metric, arguments in zip(self.metrics, self.arguments, strict=True):
            metric.update(*arguments(y_true, y_pred))  # type: ignore[operator]

    def compute(self) -> dict[str, float]:
        """Return what was gathered, over all processes.

        Returns:
            The loss and the metrics by name.
        """
        results = [metric.compute() for metric in (self.loss, *self.metrics)]
        return dict(zip(["loss", *self.names], map(float, results), strict=True))

    def running(self) -> dict[str, float]:
        """Return what this process can tell at once, between batches.

        Returns:
            The loss and those metrics that are means, by name.
        """
        named = zip(["loss", *self.names], (self.loss, *self.metrics), strict=True)
        return {name: metric.value for name, metric in named if isinstance(metric, BatchMean)}

    def reset(self) -> None:
        """Forget the batches seen."""
        for metric in (self.loss, *self.metrics):
            metric.reset()
