"""The metrics of all outputs of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.layers.masks import mask_of
from feasible.layers.tensors import as_tensor
from feasible.losses.loss_functions import full_precision
from feasible.metrics import MeanMetricWrapper, Metric
from feasible.models import metrics as known
from feasible.models.outputs import by_output, flat_outputs, for_each_output, names_of_outputs

# What `compile` takes.
Metrics = Sequence[Any] | Mapping[str, Any]


class CompiledMetrics:
    """The metrics that `compile` was given, under the names of a history.

    Args:
        metrics: What stands for metrics: a list, for a model of one output; a list with one of
            these for each output, or a dict by the outputs' names. A dict of what are no outputs'
            names gives metrics names of your own.
        weighted_metrics: The same, of metrics that `sample_weight` weights.
        output_names: The outputs' names, as far as the model knows them.

    Raises:
        ValueError: If there is no metric of some name.
        InvalidArgumentError: If something is no metric.

    Attributes:
        name: The name that the whole goes by, ``"compile_metrics"``.

    Example:
        >>> import torch
        >>> found = CompiledMetrics(["mae", "mae"], None, ())
        >>> found.update_state(torch.ones(2, 1), torch.zeros(2, 1))
        >>> {name: float(value) for name, value in found.result().items()}
        {'mae': 1.0, 'mae_1': 1.0}
    """

    name = "compile_metrics"

    def __init__(self, metrics: Any, weighted_metrics: Any, output_names: Sequence[str]) -> None:
        if type(metrics).__name__ == "MetricCollection":  # of torchmetrics
            metrics = known.unfolded(metrics)
        self.given = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        self.output_names = output_names
        for argument, given in self.given.items():
            _check(argument, given)
        self.names: list[str | None] | None = None
        # For each output, its metrics under the names of a history; the weighted ones apart.
        self._of_outputs: list[dict[str, Metric]] = []
        self._weighted: list[dict[str, Metric]] = []

    def take(self, names: Sequence[str | None]) -> None:
        """Make the metrics of a model's outputs.

        Args:
            names: The outputs' names.
        """
        self.names = list(names)
        used: dict[str, int] = {}
        self._of_outputs = self._named("metrics", used, lambda name, index: f"{name}_{index}")
        self._weighted = self._named("weighted_metrics", used, lambda name, _: name)

    def _named(
        self, argument: str, used: dict[str, int], another: Callable[[str, int], str]
    ) -> list[dict[str, Metric]]:
        assert self.names is not None
        found: list[dict[str, Metric]] = []
        for output, given in zip(self.names, self._for_outputs(argument), strict=True):
            prefix = f"{output}_" if output is not None and len(self.names) > 1 else ""
            entries: dict[str, Metric] = {}
            for own, metric in given:
                name = prefix + own
                if name in used and argument == "weighted_metrics":
                    name = f"{prefix}weighted_{own}"
                taken = used.get(name, 0)
                used[name] = taken + 1
                entries[another(name, taken) if taken else name] = metric
            found.append(entries)
        return found

    def _for_outputs(self, argument: str) -> list[list[tuple[str, Metric]]]:
        assert self.names is not None
        given = self.given[argument]
        if not given:
            return [[] for _ in self.names]
        if len(self.names) == 1:
            by_output = isinstance(given, Mapping) and set(given) == set(self.names)
            one = given[self.names[0]] if by_output else given
            return [_entries(_nested(one, given))]
        return [_entries(one) for one in for_each_output(argument, given, self.names)]

    @property
    def metrics(self) -> list[Metric]:
        """All metrics, in order; none before the first batch."""
        return [one for part in (*self._of_outputs, *self._weighted) for one in part.values()]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: The labels.
            y_pred: What the model returned.
            sample_weight: A weight for each sample, or a list or a dict of these by output.

        Raises:
            ValueError: If there are metrics, and no labels for them.
        """
        if self.names is None:
            self.take(names_of_outputs(y_pred, self.output_names))
            for metric in self.metrics:
                metric.to(flat_outputs(y_pred, self.output_names)[0].device)
        if not self.metrics:
            return
        if y_true is None:
            names = [*self.result()]
            raise ValueError(f"The metrics {names} need labels, and the data has none.")
        assert self.names is not None
        labels = by_output(y_true, self.names)
        outputs = flat_outputs(y_pred, self.names)
        masks = [mask_of(one) for one in outputs]
        predictions = [full_precision(one.detach()) for one in outputs]
        weights = by_output(sample_weight, self.names)
        if len(weights) < len(predictions):
            weights = weights[:1] * len(predictions)
        metrics = zip(self._of_outputs, self._weighted, strict=True)
        values = zip(labels, predictions, weights, masks, strict=False)
        for (plain, weighted), (label, prediction, weight, mask) in zip(
            metrics, values, strict=False
        ):
            for metric in plain.values():
                _update(metric, label, prediction, None, mask)
            for metric in weighted.values():
                _update(metric, label, prediction, weight, mask)

    def result(self) -> dict[str, Any]:
        """Return what was gathered.

        Returns:
            Values by name.
        """
        parts = (*self._of_outputs, *self._weighted)
        return {name: metric.result() for part in parts for name, metric in part.items()}

    def reset_state(self) -> None:
        """Begin anew."""
        for metric in self.metrics:
            metric.reset_state()


def each_metric(metrics: Iterable[Any]) -> list[Any]:
    """Return metrics one by one, those that `compile` was given among them.

    Args:
        metrics: What `Model.metrics` has.

    Returns:
        The metrics, in order.
    """
    return [
        one
        for metric in metrics
        for one in (metric.metrics if isinstance(metric, CompiledMetrics) else [metric])
    ]


def _update(metric: Any, label: Any, prediction: Tensor, weight: Any, mask: Tensor | None) -> None:
    """Take an output's batch into a metric: a mean is over the steps that the mask counts."""
    if mask is not None and isinstance(metric, MeanMetricWrapper):
        counted = mask.to(prediction.dtype)
        if weight is not None:
            given = as_tensor(weight).to(counted)
            counted = counted * given.reshape(*given.shape, *[1] * (counted.ndim - given.ndim))
        weight = counted
    if weight is None:
        metric.update_state(label, prediction)
    else:
        metric.update_state(label, prediction, sample_weight=weight)


def _check(argument: str, given: Any) -> None:
    if given is None:
        return
    if isinstance(given, str) or not isinstance(given, Sequence | Mapping):
        allowed = "a list or a dict of metrics"
        raise InvalidArgumentError("compile", argument, given, allowed)
    for one in given.values() if isinstance(given, Mapping) else given:
        if isinstance(one, list | tuple | dict):
            _check(argument, one)
        elif one is not None:
            for metric in known.unfolded(one):
                known.get(metric)


def _nested(given: Any, whole: Any) -> Any:
    """Return the metrics of one output, which may stand in a list of their own."""
    if isinstance(given, list | tuple) and len(given) == 1 and isinstance(given[0], list | tuple):
        return given[0]
    return given if given is not None else whole


def _entries(given: Any) -> list[tuple[str, Metric]]:
    """Return metrics and the names that they are given, or have."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [(name, known.get(metric)) for name, metric in given.items()]
    listed = given if isinstance(given, list | tuple) else [given]
    found = [known.get(metric) for one in listed for metric in known.unfolded(one)]
    return [(metric.name, metric) for metric in found]
