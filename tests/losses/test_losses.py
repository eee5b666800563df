"""Each loss beside Keras's: values, gradients, weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

import feasible.losses as classes
from feasible.losses import loss_functions as losses
from feasible.models.loss import get

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(6, 4)).astype(np.float32)
POSITIVE = RNG.uniform(0.05, 3, size=(6, 4)).astype(np.float32)
BITS = RNG.integers(0, 2, size=(6, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 4, size=6)
ONE_HOT = np.eye(4, dtype=np.float32)[CLASSES]
PROBABILITIES = RNG.dirichlet(np.ones(4), size=6).astype(np.float32)
# What a saturated sigmoid gives, and rows that do not add up to 1.
EDGES = np.array([[0, 1, 0.5, 1e-9], [1, 0, 0, 0], [0.2, 0.2, 0.2, 0.2]] * 2, np.float32)

CASES = {
    "mse": (NUMBERS, POSITIVE),
    "mean_squared_error": (NUMBERS[:, 0], POSITIVE[:, :1]),
    "MeanAbsoluteError": (NUMBERS, POSITIVE),
    "mape": (NUMBERS, POSITIVE),
    "mean_absolute_percentage_error": (BITS, POSITIVE),  # labels of 0
    "msle": (POSITIVE, NUMBERS),
    "huber": (3 * NUMBERS, POSITIVE),
    "log_cosh": (NUMBERS, POSITIVE),
    "cosine_similarity": (NUMBERS, POSITIVE),
    "kl_divergence": (PROBABILITIES, POSITIVE / 3),
    "poisson": (POSITIVE, POSITIVE[::-1].copy()),
    "hinge": (BITS, NUMBERS),
    "squared_hinge": (2 * BITS - 1, NUMBERS),
    "categorical_hinge": (ONE_HOT, NUMBERS),
    "binary_crossentropy": (BITS, PROBABILITIES),
    "bce": (BITS, EDGES),
    "categorical_crossentropy": (ONE_HOT, PROBABILITIES),
    "CategoricalCrossentropy": (ONE_HOT, EDGES),
    "sparse_categorical_crossentropy": (CLASSES, PROBABILITIES),
    "SparseCategoricalCrossentropy": (CLASSES[:, None], EDGES),
    "binary_focal_crossentropy": (BITS, PROBABILITIES),
    "categorical_focal_crossentropy": (ONE_HOT, PROBABILITIES),
    "kld": (PROBABILITIES, POSITIVE / 3),
    "ctc": (np.array([[1, 2, 0], [3, 0, 0]] * 3), RNG.normal(size=(6, 5, 4)).astype(np.float32)),
    "dice": (BITS, PROBABILITIES),
    "tversky": (BITS, PROBABILITIES),
}
OF_ALL = ("dice", "tversky")  # one value for all samples
WEIGHTS = np.array([1, 0, 2, 0.5, 3, 1], np.float32)


def of_keras(name: str) -> keras.losses.Loss:
    found = keras.losses.get(name)
    if isinstance(found, keras.losses.Loss):
        return found
    return keras.src.losses.LossFunctionWrapper(found)


def value_and_gradient(loss, y_true, y_pred, weights):
    prediction = torch.tensor(y_pred, requires_grad=True)
    value = loss(torch.as_tensor(y_true), prediction, weights)
    value.backward()
    return value.item(), prediction.grad.numpy()


# Those of OF_ALL have one value for all samples, which takes no weights.
WEIGHTED = [(name, True) for name in CASES if name not in OF_ALL]


@pytest.mark.parametrize(("name", "weighted"), [*((name, False) for name in CASES), *WEIGHTED])
def test_value_and_gradient_are_those_of_keras(name, weighted):
    y_true, y_pred = CASES[name]
    weights = torch.tensor(WEIGHTS) if weighted else None
    value, gradient = value_and_gradient(get(name), y_true, y_pred, weights)
    wanted, wanted_gradient = value_and_gradient(of_keras(name), y_true, y_pred, weights)
    assert value == pytest.approx(wanted, rel=1e-5)
    scale = max(1.0, np.abs(wanted_gradient).max())
    np.testing.assert_allclose(gradient / scale, wanted_gradient / scale, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "y_true"),
    [
        ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, BITS),
        ("BinaryCrossentropy", {"label_smoothing": 0.1}, BITS),
        ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ONE_HOT),
        ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES),
        ("Huber", {"delta": 0.3}, NUMBERS),
        ("CosineSimilarity", {"axis": 0}, NUMBERS),
        ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.0}, BITS),
        ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, BITS),
        ("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3, 0.4]}, ONE_HOT),
        ("CategoricalFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, ONE_HOT),
        ("SparseCategoricalCrossentropy", {"ignore_class": 1}, CLASSES),
        ("Tversky", {"alpha": 0.2, "beta": 0.7}, BITS),
        ("Dice", {"axis": (1,)}, BITS),
    ],
)
def test_configs_of_keras_are_read(name, options, y_true):
    theirs = getattr(keras.losses, name)(**options)
    config = keras.losses.serialize(theirs)
    config["config"].update(options)  # Keras forgets Huber's delta
    y_pred = PROBABILITIES if not options.get("from_logits") else NUMBERS
    value, gradient = value_and_gradient(get(config), y_true, y_pred, None)
    wanted, wanted_gradient = value_and_gradient(theirs, y_true, y_pred, None)
    assert value == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(gradient, wanted_gradient, atol=1e-5)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "same_as"),
    [
        (BITS[:, :1], PROBABILITIES[:, :1], "binary_crossentropy"),
        (CLASSES, PROBABILITIES, "sparse_categorical_crossentropy"),
        (ONE_HOT, PROBABILITIES, "categorical_crossentropy"),
    ],
)
def test_crossentropy_is_the_one_that_fits_the_shapes(y_true, y_pred, same_as):
    y_true, y_pred = torch.tensor(y_true), torch.tensor(y_pred)
    assert get("crossentropy")(y_true, y_pred) == get(same_as)(y_true, y_pred)


@pytest.mark.parametrize(
    ("loss", "same_as"),
    [
        (torch.nn.CrossEntropyLoss(), "from PyTorch"),
        (torch.nn.CrossEntropyLoss, "from PyTorch"),
        (torch.nn.functional.cross_entropy, "from PyTorch"),
        (lambda y_true, y_pred: (y_true * y_pred.log()).sum(-1), "from Keras"),
    ],
)
def test_losses_are_called_in_the_order_of_their_library(loss, same_as):
    label, prediction = torch.tensor(ONE_HOT), torch.tensor(PROBABILITIES)
    value = get(loss)(label, prediction)
    if same_as == "from PyTorch":
        assert value == torch.nn.functional.cross_entropy(prediction, label)
    else:
        assert value == (label * prediction.log()).sum(-1).mean()


def test_a_loss_of_pytorch_takes_weights_where_it_is_not_reduced():
    label, prediction = torch.tensor(NUMBERS), torch.tensor(POSITIVE)
    weights = torch.tensor(WEIGHTS)
    given = get(torch.nn.MSELoss(reduction="none"))(label, prediction, weights)
    assert given == pytest.approx(get("mse")(label, prediction, weights).item())
    with pytest.raises(ValueError, match="reduction='none'"):
        get(torch.nn.MSELoss())(label, prediction, weights)


def test_weights_of_samples_hold_for_all_their_steps():
    label, prediction = torch.zeros(2, 3, 1), torch.ones(2, 3, 1)
    assert get("mse")(label, prediction, torch.tensor([1.0, 3.0])) == 2
    assert get("mse")(label, prediction, torch.tensor([[1.0], [3.0]])) == 2
    steps = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 9.0]])
    assert get("mse")(label, prediction, steps) == 2


def test_predictions_of_16_bits_are_judged_in_32():
    y_true = torch.tensor(CLASSES)
    y_pred = torch.tensor(PROBABILITIES).to(torch.bfloat16)
    loss = get("sparse_categorical_crossentropy")
    assert loss(y_true, y_pred).dtype == torch.float32
    assert loss(y_true, y_pred) == loss(y_true, y_pred.float())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: get("mean_square_error"), "Did you mean 'mean_squared_error'"),
        (lambda: get("nothing_like_it"), "Known are mean_squared_error"),
        (lambda: get(3), "`loss` must be a name, a loss of torch.nn or a function"),
        (
            lambda: get({"class_name": "Huber", "config": {"from_logits": True}}),
            "Its arguments are: delta",
        ),
        (lambda: classes.Huber(reduction="total"), "`reduction` must be one of 'sum_over_batch_"),
        (lambda: classes.ctc(torch.zeros(4), torch.zeros(4, 3)), "labels must be of shape"),
        (
            lambda: get("mse")(torch.zeros(4, 2), torch.zeros(4, 3)),
            r"labels of shape \(4, 2\), predictions of \(4, 3\)",
        ),
        (
            lambda: get("sparse_categorical_crossentropy")(torch.zeros(4, 2), torch.zeros(4, 3)),
            "Labels must be numbers of classes",
        ),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_none_is_no_loss():
    assert get(None) is None


def test_every_loss_is_compared():
    compared = {get(name).function.__name__ for name in CASES}
    assert compared == {one.__name__ for one in losses.LOSSES.things} - {"crossentropy"}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean", None, "none"])
def test_reductions_are_those_of_keras(reduction, weighted):
    weights = WEIGHTS if weighted else None
    for name, (y_true, y_pred) in (
        ("MeanSquaredError", (NUMBERS, POSITIVE)),
        ("SparseCategoricalCrossentropy", (CLASSES, PROBABILITIES)),
    ):
        ours = getattr(classes, name)(reduction=reduction)(y_true, y_pred, weights)
        theirs = getattr(keras.losses, name)(reduction=reduction)(y_true, y_pred, weights)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


def test_a_mean_over_weights():
    options = {"reduction": "mean_with_sample_weight"}
    ours = classes.MeanAbsoluteError(**options)(NUMBERS, POSITIVE, WEIGHTS)
    theirs = keras.losses.MeanAbsoluteError(**options)(NUMBERS, POSITIVE, WEIGHTS)
    assert ours.item() == pytest.approx(theirs.item())


def test_what_is_masked_does_not_count():
    values = torch.tensor([[1.0], [2.0], [9.0]])
    mask = torch.tensor([True, True, False])
    assert classes.MeanAbsoluteError()(torch.zeros(3, 1), values, mask=mask) == 1.5


def test_functions_take_arrays_and_lists():
    assert classes.mse([[0, 1]], [[2.0, 1.0]]).item() == 2
    assert classes.MeanSquaredError()(np.zeros((1, 2)), np.ones((1, 2))).item() == 1
    assert classes.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).item() > 0


class Cubed(classes.Loss):
    def __init__(self, by=1.0, **options):
        super().__init__(**options)
        self.by = by

    def call(self, y_true, y_pred):
        return self.by * (y_true - y_pred).abs().pow(3).mean(-1)

    def get_config(self):
        return {**super().get_config(), "by": self.by}


def test_a_loss_of_the_users_is_called_weighted_and_read_back():
    loss = get(Cubed(2.0, reduction="sum"))
    assert loss(torch.zeros(2, 1, dtype=torch.long), torch.ones(2, 1)) == 4
    assert loss(torch.zeros(2, 1), torch.ones(2, 1), torch.tensor([1.0, 0.0])) == 2
    again = classes.deserialize(classes.serialize(loss), {"Cubed": Cubed})
    assert (again.by, again.reduction, again.name) == (2.0, "sum", "cubed")


def test_names_are_keras_s():
    assert classes.get("mse") is classes.mean_squared_error is classes.MSE
    assert type(classes.get("MeanSquaredError")) is classes.MeanSquaredError
    assert classes.get(None) is None
    for one in classes.__all__:
        assert (
            hasattr(keras.losses, one)
            or one in ("LossFunctionWrapper", "register")
            or (one.isupper() or one in ("bce", "kld", "mae", "mape", "mse", "msle"))
        )
    config = keras.losses.serialize(keras.losses.Huber(name="h"))
    assert classes.serialize(classes.deserialize(config))["config"]["name"] == "h"
    assert classes.serialize(classes.mse)["config"] == "mean_squared_error"
