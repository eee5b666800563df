"""Each metric beside Keras's, over several batches."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
import torchmetrics

from feasible.metrics.accuracies import METRICS
from feasible.models.compiled_metrics import CompiledMetrics
from feasible.models.metrics import LossMean, get

RNG = np.random.default_rng(0)
COUNT = 300
BITS = RNG.integers(0, 2, size=(COUNT, 1)).astype(np.float32)
SCORES = np.clip(0.3 * BITS + RNG.uniform(0, 0.7, size=(COUNT, 1)), 0, 1).astype(np.float32)
CLASSES = RNG.integers(0, 7, size=COUNT)
ONE_HOT = np.eye(7, dtype=np.float32)[CLASSES]
PROBABILITIES = RNG.dirichlet(np.ones(7), size=COUNT).astype(np.float32)
NUMBERS = RNG.normal(size=(COUNT, 3)).astype(np.float32)
POSITIVE = RNG.uniform(0.1, 1, size=(COUNT, 3)).astype(np.float32)

CASES = [
    ("accuracy", BITS, SCORES),
    ("accuracy", BITS[:, 0], SCORES),
    ("accuracy", CLASSES, PROBABILITIES),
    ("accuracy", CLASSES[:, None], PROBABILITIES),
    ("acc", ONE_HOT, PROBABILITIES),
    ("binary_accuracy", BITS, 3 * SCORES - 1),
    ("BinaryAccuracy", ONE_HOT, PROBABILITIES),
    ("categorical_accuracy", ONE_HOT, PROBABILITIES),
    ("sparse_categorical_accuracy", CLASSES, PROBABILITIES),
    ("top_k_categorical_accuracy", ONE_HOT, PROBABILITIES),
    ("sparse_top_k_categorical_accuracy", CLASSES, PROBABILITIES),
    ("precision", BITS, SCORES),
    ("Recall", BITS, SCORES),
    ("recall", ONE_HOT, PROBABILITIES),
    ("auc", BITS, SCORES),
    ("AUC", ONE_HOT, PROBABILITIES),
    ("mse", NUMBERS, POSITIVE),
    ("MSE", NUMBERS[:, 0], POSITIVE[:, :1]),
    ("mae", NUMBERS, POSITIVE),
    ("root_mean_squared_error", NUMBERS, POSITIVE),
    ("cosine_similarity", NUMBERS, POSITIVE),
    ("binary_crossentropy", BITS, SCORES),
    ("sparse_categorical_crossentropy", CLASSES, PROBABILITIES),
]


def gathered(metrics, y_true, y_pred, batch=64) -> dict[str, float]:
    found = CompiledMetrics(metrics, None, ())
    for start in range(0, len(y_true), batch):
        part = slice(start, start + batch)
        found.update_state(torch.as_tensor(y_true[part]), torch.as_tensor(y_pred[part]))
    return {name: float(value) for name, value in found.result().items()}


@pytest.mark.parametrize(("name", "y_true", "y_pred"), CASES)
def test_value_and_name_are_those_of_keras(name, y_true, y_pred):
    theirs = keras.src.trainers.compile_utils.CompileMetrics([name], None)
    for start in range(0, COUNT, 64):
        part = slice(start, start + 64)
        theirs.update_state(torch.as_tensor(y_true[part]), torch.as_tensor(y_pred[part]))
    wanted = {key: float(value) for key, value in theirs.result().items()}
    found = gathered([name], y_true, y_pred)
    assert list(found) == list(wanted)
    # Keras adds up an area in another way.
    tolerance = 2e-3 if name.lower() == "auc" else 1e-5
    assert found[name] == pytest.approx(wanted[name], rel=tolerance)


def test_the_loss_is_the_mean_over_samples():
    mean = LossMean("loss")
    mean.update_state(torch.tensor(0.0), 4)
    mean.update_state(torch.tensor(4.0), 1)
    assert float(mean.result()) == pytest.approx((4 * 0 + 1 * 4) / 5)
    mean.reset_state()
    assert float(mean.result()) == 0


def test_metrics_of_torchmetrics_are_taken():
    given = torchmetrics.Accuracy(task="multiclass", num_classes=7)
    found = gathered([given], CLASSES, PROBABILITIES)
    assert found["multiclass_accuracy"] == gathered(["acc"], CLASSES, PROBABILITIES)["acc"]
    assert given.update_count == 0  # the user's own stays as it is


def test_a_collection_of_torchmetrics_is_its_metrics():
    collection = torchmetrics.MetricCollection(
        [torchmetrics.MeanSquaredError(), torchmetrics.MeanAbsoluteError()]
    )
    for metrics in ([collection], collection):
        found = gathered(metrics, NUMBERS[:, 0], POSITIVE[:, :1])
        named = gathered(["mse", "mae"], NUMBERS[:, 0], POSITIVE[:, :1])
        assert sorted(found.values()) == pytest.approx(sorted(named.values()))


def half_the_difference(y_true, y_pred):
    return (y_true - y_pred).abs() / 2


def test_functions_are_averaged_and_named_after_themselves():
    found = gathered([half_the_difference], NUMBERS, POSITIVE)
    assert found["half_the_difference"] == pytest.approx(np.abs(NUMBERS - POSITIVE).mean() / 2)


def test_a_dict_gives_names():
    found = gathered({"half": half_the_difference, "error": "mae"}, NUMBERS, POSITIVE)
    assert found["half"] == pytest.approx(found["error"] / 2)


def test_names_are_told_apart():
    assert list(gathered(["mse", "mse", "mse"], NUMBERS, POSITIVE)) == ["mse", "mse_1", "mse_2"]


def test_predictions_of_16_bits_are_judged_in_32():
    label, prediction = np.zeros((1, 1)), torch.full((1, 1), 0.1, dtype=torch.bfloat16)
    found = gathered(["mse"], label, prediction)
    assert found["mse"] == prediction.float().item() ** 2 != prediction.square().item()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gathered(["acuracy"], BITS, SCORES), "Did you mean 'accuracy'"),
        (lambda: gathered("accuracy", BITS, SCORES), "`metrics` must be a list or a dict"),
        (lambda: get(3), "a list of names, metrics of feasible.metrics or torchmetrics"),
        (lambda: get(torchmetrics.Accuracy), "metrics of feasible.metrics or torchmetrics"),
        (
            lambda: CompiledMetrics(["mae"], None, ()).update_state(None, torch.zeros(1)),
            r"\['mae'\] need labels",
        ),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_accuracy_and_every_kind_of_loss_is_there():
    names = [name for thing in METRICS.things for name in METRICS.names(thing)]
    assert [get(name).name for name in names] == names
