"""What `compile` takes as a metric: Keras's, torchmetrics', or a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.losses import loss_functions as losses
from feasible.losses.loss_functions import LOSSES, align_labels, full_precision
from feasible.metrics import AUC, Mean, MeanMetricWrapper, Metric, Precision, Recall
from feasible.metrics.accuracies import METRICS
from feasible.metrics.metric_base import METRIC_CLASSES
from feasible.registry import snake_case

_ALLOWED = "names, metrics of feasible.metrics or torchmetrics, and functions (y_true, y_pred)"


@METRICS.built_in()
def cosine_similarity(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the cosine of the angle between label and prediction; the loss is minus this."""
    return -losses.cosine_similarity(y_true, y_pred)


class _RootMean(MeanMetricWrapper):
    """The root of the mean of squared errors."""

    def __init__(self) -> None:
        super().__init__(losses.mean_squared_error, "root_mean_squared_error")

    def result(self) -> Tensor:
        """Return the root."""
        return super().result().sqrt()


# Those that are no means over samples.
_GATHERED: dict[str, Callable[[], Metric]] = {
    "root_mean_squared_error": _RootMean,
    "precision": Precision,
    "recall": Recall,
    "auc": AUC,
}
for _name, _gathered in _GATHERED.items():
    METRICS.add(_gathered, _name)
for _loss in LOSSES.things:
    if _loss is not losses.cosine_similarity:
        METRICS.add(_loss, *LOSSES.names(_loss))


class TorchMetric(Metric):
    """A metric of torchmetrics, which takes predictions first, by the names of Keras's.

    Args:
        metric: The metric. A copy of it is used.
        name: Its name.
    """

    def __init__(self, metric: Any, name: str) -> None:
        super().__init__(name=name)
        self.metric = metric.clone()
        self.metric.reset()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: The labels.
            y_pred: The predictions.
            sample_weight: None.

        Raises:
            InvalidArgumentError: If there are weights, which these metrics do not take.
        """
        if sample_weight is not None:
            raise InvalidArgumentError(
                "compile",
                "weighted_metrics",
                self.metric,
                "metrics of feasible.metrics: those of torchmetrics take no weights",
            )
        y_true, y_pred = align_labels(y_true, full_precision(y_pred.detach()))
        self.metric.update(y_pred, y_true)

    def result(self) -> Any:
        """Return what was gathered, over all processes."""
        return self.metric.compute()

    def reset_state(self) -> None:
        """Begin anew."""
        self.metric.reset()

    def compute(self) -> Any:
        """Return what was gathered, over all processes."""
        return self.metric.compute()


class LossMean(Mean):
    """The mean of batches' losses, weighted by their sizes."""

    @torch.no_grad()
    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            values: Its loss.
            sample_weight: How many samples it has; None for one.
        """
        if not isinstance(values, Tensor) or not isinstance(sample_weight, int | None):
            super().update_state(values, sample_weight)
            return
        count = 1 if sample_weight is None else sample_weight
        # Plain tensors: it is done at each step, and takes a tenth of the time.
        self.total.data.add_(values.detach().mean(), alpha=count)
        self.count.data.add_(count)


def get(identifier: Any) -> Metric:
    """Return the metric that an entry of `compile`'s argument stands for.

    Args:
        identifier: One of Keras's names, a metric of feasible.metrics or torchmetrics, or a
            function ``(y_true, y_pred)``.

    Returns:
        A metric. It is the user's own where that is one of feasible.metrics.

    Raises:
        ValueError: If there is no metric of that name.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("mse").name, get(lambda y_true, y_pred: y_pred).name
        ('mse', '<lambda>')
    """
    name = _name_of(identifier)
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        found = _by_name(identifier)
    elif inspect.isclass(identifier) and issubclass(identifier, Metric):
        found, name = identifier(), ""
    elif _is_of_torchmetrics(identifier):
        found = TorchMetric(identifier, name)
    elif callable(identifier) and not inspect.isclass(identifier):
        found = MeanMetricWrapper(identifier, name)
    else:
        raise InvalidArgumentError("compile", "metrics", identifier, f"a list of {_ALLOWED}")
    found.name = name or found.name
    return found


def _by_name(name: str) -> Metric:
    classes = {one.__name__: one for one in METRIC_CLASSES.things}
    if name in classes:
        return _made(classes[name], name)
    # What users registered has its package before its name.
    found = (METRIC_CLASSES if ">" in name else METRICS).find(name)
    return _made(found, name)


def _made(found: Any, name: str) -> Metric:
    if isinstance(found, type) and issubclass(found, Metric):
        return found()
    return MeanMetricWrapper(found, name)


def unfolded(identifier: Any) -> list[Any]:
    """Return the metrics of a collection of torchmetrics; of anything else, itself.

    Args:
        identifier: What stands for metrics.

    Returns:
        What stands for a metric each.
    """
    is_collection = type(identifier).__name__ == "MetricCollection"
    return list(identifier.values()) if is_collection else [identifier]


def _is_of_torchmetrics(metric: Any) -> bool:
    return any(
        kind.__module__.startswith("torchmetrics.") and kind.__name__ == "Metric"
        for kind in type(metric).__mro__
    )


def _name_of(metric: Any) -> str:
    if isinstance(metric, str):
        return metric
    if isinstance(metric, functools.partial):
        return _name_of(metric.func)
    return str(getattr(metric, "__name__", None) or snake_case(type(metric).__name__))
