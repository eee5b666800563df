"""Each metric beside Keras's, over several weighted batches."""

from __future__ import annotations

import copy

import keras
import numpy as np
import pytest
import torch

from feasible import metrics
from feasible.models.compiled_metrics import CompiledMetrics

RNG = np.random.default_rng(0)
COUNT = 60
BITS = RNG.integers(0, 2, size=(COUNT, 1)).astype(np.float32)
SCORES = np.clip(0.3 * BITS + RNG.uniform(0, 0.7, size=(COUNT, 1)), 0, 1).astype(np.float32)
CLASSES = RNG.integers(0, 7, size=COUNT)
ONE_HOT = np.eye(7, dtype=np.float32)[CLASSES]
PROBABILITIES = RNG.dirichlet(np.ones(7), size=COUNT).astype(np.float32)
NUMBERS = RNG.normal(size=(COUNT, 3)).astype(np.float32)
POSITIVE = RNG.uniform(0.1, 1, size=(COUNT, 3)).astype(np.float32)
WEIGHTS = RNG.uniform(0, 2, size=COUNT).astype(np.float32)

CASES = [
    ("Accuracy", {}, BITS, np.round(SCORES)),
    ("BinaryAccuracy", {"threshold": 0.4}, BITS, SCORES),
    ("CategoricalAccuracy", {}, ONE_HOT, PROBABILITIES),
    ("SparseCategoricalAccuracy", {}, CLASSES, PROBABILITIES),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT, PROBABILITIES),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, CLASSES, PROBABILITIES),
    ("MeanSquaredError", {}, NUMBERS, POSITIVE),
    ("MeanAbsoluteError", {}, NUMBERS, POSITIVE),
    ("MeanAbsolutePercentageError", {}, NUMBERS, POSITIVE),
    ("MeanSquaredLogarithmicError", {}, POSITIVE, NUMBERS),
    ("CosineSimilarity", {}, NUMBERS, POSITIVE),
    ("LogCoshError", {}, NUMBERS, POSITIVE),
    ("Hinge", {}, BITS, SCORES),
    ("SquaredHinge", {}, BITS, SCORES),
    ("CategoricalHinge", {}, ONE_HOT, PROBABILITIES),
    ("KLDivergence", {}, ONE_HOT, PROBABILITIES),
    ("Poisson", {}, POSITIVE, POSITIVE[::-1].copy()),
    ("BinaryCrossentropy", {"from_logits": True}, BITS, SCORES),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {}, CLASSES, PROBABILITIES),
    ("Precision", {}, BITS, SCORES),
    ("Precision", {"thresholds": [0.3, 0.6]}, BITS, SCORES),
    ("Recall", {"thresholds": 0.4}, BITS, SCORES),
    ("AUC", {}, BITS, SCORES),
]


def gathered(metric, y_true, y_pred, weighted):
    for start in range(0, COUNT, 25):
        part = slice(start, start + 25)
        metric.update_state(y_true[part], y_pred[part], WEIGHTS[part] if weighted else None)
    return np.asarray(metric.result())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options", "y_true", "y_pred"), CASES)
def test_value_and_name_are_those_of_keras(name, options, y_true, y_pred, weighted):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    wanted = gathered(theirs, y_true, y_pred, weighted)
    np.testing.assert_allclose(gathered(ours, y_true, y_pred, weighted), wanted, rtol=2e-5)
    assert ours.name == theirs.name.rstrip("_0123456789")
    ours.reset_state()
    assert np.all(gathered(ours, y_true, y_pred, weighted) == pytest.approx(wanted, rel=2e-5))


class Largest(metrics.Metric):
    def __init__(self, name="largest", **options):
        super().__init__(name=name, **options)
        self.most = self.add_weight(name="most", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.most.assign(torch.maximum(self.most, (y_true - y_pred).abs().max()))

    def result(self):
        return self.most


def test_they_are_gathered_by_a_model():
    given = [Largest(), metrics.BinaryAccuracy(name="right"), "mae"]
    found = CompiledMetrics(given, None, ())
    for _ in range(2):
        label, prediction = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.25], [0.5]])
        found.update_state(label, prediction)
        values = {name: float(value) for name, value in found.result().items()}
        found.reset_state()
        assert values == {"largest": 0.75, "right": 0.5, "mae": 0.625}


def test_state_is_copied_and_moved():
    mean = metrics.Mean()
    mean.update_state([1.0, 3.0])
    copied = copy.deepcopy(mean).double()
    copied.update_state([8.0])
    assert (float(mean.result()), float(copied.result())) == (2, 4)
    assert float(metrics.Sum()([1, 2], [1, 3])) == 7
    assert float(metrics.Mean().result()) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.BinaryAccuracy(limit=1), "Its arguments are: name, dtype, threshold"),
        (lambda: metrics.Precision(2), "`thresholds` must be a finite number at least 0 and"),
        (lambda: metrics.AUC(curve="PR"), "`curve` must be one of 'ROC'"),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_metric_of_ones_own_is_registered_with_the_decorator_of_saving():
    from feasible.metrics import Mean
    from feasible.models import metrics
    from feasible.saving import register_keras_serializable

    @register_keras_serializable(package="saved")
    class Halved(Mean):
        def result(self):
            return super().result() / 2

    assert type(metrics.get("saved>Halved")) is Halved
