"""`fit`, `evaluate` and `predict` beside Keras's."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from feasible.callbacks import Callback, CSVLogger, EarlyStopping, ModelCheckpoint
from feasible.layers import BatchNormalization, Dense, Dropout
from feasible.models import History, Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5))
Y = (X[:, :1] + 0.5 * X[:, 1:2] > 0).astype("float64")
CLASSES = RNG.integers(0, 3, size=90)


def pair(optimizer, loss, metrics, last="sigmoid", units=1):
    """The same model here and in Keras, with the same weights."""
    ours = Sequential([Dense(8, "tanh"), Dense(units, last)])
    theirs = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(units, last)])
    ours(X[:1])
    theirs(X[:1])
    weights = [RNG.normal(size=w.shape) for w in theirs.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    ours.compile(optimizer, loss, metrics=metrics)
    theirs.compile(optimizer, loss, metrics=metrics)
    return ours, theirs


def assert_equal_runs(ours, theirs, x, y, tolerance=1e-5, **arguments):
    arguments = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0, **arguments}
    found, wanted = ours.fit(x, y, **arguments), theirs.fit(x, y, **arguments)
    assert set(found.history) == set(wanted.history)
    for name, values in wanted.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=1e-4, atol=1e-5)
    assert found.epoch == wanted.epoch
    for own, given in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, given, atol=tolerance)


@pytest.mark.parametrize(
    ("optimizer", "tolerance"),
    [("sgd", 1e-5), ("adam", 1e-4), ("rmsprop", 1e-5), ("adamw", 1e-4), ("nadam", 1e-4)],
)
def test_a_run_is_that_of_keras(optimizer, tolerance):
    ours, theirs = pair(optimizer, "binary_crossentropy", ["accuracy", "mse"])
    assert_equal_runs(ours, theirs, X, Y, tolerance, validation_split=0.21)


@pytest.mark.parametrize(
    ("loss", "y", "units", "last"),
    [
        ("sparse_categorical_crossentropy", CLASSES, 3, "softmax"),
        ("sparse_categorical_crossentropy", CLASSES[:, None], 3, "softmax"),
        ("categorical_crossentropy", np.eye(3)[CLASSES], 3, "softmax"),
        ("mse", Y[:, 0], 1, "linear"),
    ],
)
def test_kinds_of_labels_are_those_of_keras(loss, y, units, last):
    ours, theirs = pair("sgd", loss, ["accuracy"], last, units)
    assert_equal_runs(ours, theirs, X, y)


@pytest.mark.parametrize(
    ("y", "loss", "weights"),
    [
        (CLASSES, "sparse_categorical_crossentropy", {"class_weight": {0: 3.0, 2: 0.5}}),
        (np.eye(3)[CLASSES], "categorical_crossentropy", {"class_weight": {1: 0.0}}),
        (CLASSES, "sparse_categorical_crossentropy", {"sample_weight": RNG.uniform(size=90)}),
    ],
)
def test_weights_of_samples_and_classes_are_those_of_keras(y, loss, weights):
    ours, theirs = pair("sgd", loss, ["accuracy"], "softmax", 3)
    assert_equal_runs(ours, theirs, X, y, **weights)
    if "sample_weight" in weights:
        found = ours.evaluate(X, y, verbose=0, **weights)
        assert found == pytest.approx(theirs.evaluate(X, y, verbose=0, **weights), rel=1e-5)
        split = {"validation_split": 0.25, **weights}
        assert_equal_runs(ours, theirs, X, y, **split)


def test_evaluate_and_predict_are_those_of_keras():
    ours, theirs = pair("sgd", "binary_crossentropy", ["accuracy"])
    for batch_size in (None, 7):
        found = ours.evaluate(X, Y, batch_size, verbose=0)
        assert found == pytest.approx(theirs.evaluate(X, Y, batch_size, verbose=0), rel=1e-5)
        found = ours.predict(X, batch_size, verbose=0)
        np.testing.assert_allclose(found, theirs.predict(X, batch_size, verbose=0), atol=1e-6)
    values = ours.evaluate(X, Y, verbose=0, return_dict=True)
    assert values == pytest.approx(theirs.evaluate(X, Y, verbose=0, return_dict=True), rel=1e-5)
    ours, theirs = pair("sgd", "mse", None)
    found = ours.evaluate(X, Y, verbose=0)
    assert found == pytest.approx(theirs.evaluate(X, Y, verbose=0), rel=1e-5)


def small(optimizer="sgd", loss="mse", **options) -> Sequential:
    torch.manual_seed(0)
    model = Sequential([Dense(4, "tanh"), Dense(1)])
    model.compile(optimizer, loss, **options)
    return model


def weights_after(x, y=None, **arguments):
    model = small()
    model.fit(x, y, **{"batch_size": 16, "shuffle": False, "verbose": 0, **arguments})
    return model.get_weights()


class Pairs(Dataset):
    """A Dataset that gives one sample at a time."""

    def __init__(self, *arrays):
        self.arrays = [np.float32(array) for array in arrays]

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, place):
        return tuple(array[place] for array in self.arrays)


class Stream(IterableDataset):
    """A Dataset without a length."""

    def __iter__(self):
        return iter(zip(np.float32(X), np.float32(Y), strict=True))


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "data",
    [
        (torch.tensor(X).float(), torch.tensor(Y).float()),
        (read_only(X), read_only(Y)),
        (np.asfortranarray(X), Y),
        (X[::-1].copy()[::-1], Y),
        (Pairs(X, Y),),
        (Stream(),),
    ],
    ids=["tensors", "read-only", "fortran", "reversed", "Dataset", "IterableDataset"],
)
def test_data_comes_in_many_forms(data):
    for own, wanted in zip(weights_after(*data), weights_after(X, Y), strict=True):
        np.testing.assert_array_equal(own, wanted)


def test_a_loader_has_its_own_batches():
    loader = DataLoader(Pairs(X, Y), batch_size=16)
    model = small()
    history = model.fit(loader, epochs=2, verbose=0, validation_data=loader)
    for own, wanted in zip(model.get_weights(), weights_after(X, Y, epochs=2), strict=True):
        np.testing.assert_array_equal(own, wanted)
    assert history.history["val_loss"][-1] == model.evaluate(X, Y, 16, verbose=0)
    np.testing.assert_array_equal(model.predict(loader, verbose=0), model.predict(X, verbose=0))


def test_datasets_hold_weights_and_class_weights_join_them():
    doubled = np.full(90, 2.0)
    wanted = weights_after(X, Y, sample_weight=doubled)
    for own, given in zip(weights_after(Pairs(X, Y, doubled)), wanted, strict=True):
        np.testing.assert_array_equal(own, given)
    both = weights_after(Pairs(X, Y, doubled), class_weight={0: 0.5, 1: 0.5})
    for own, given in zip(both, weights_after(X, Y), strict=True):
        np.testing.assert_array_equal(own, given)


class TwoInputs(Model):
    """A model whose forward takes a dict, and returns a tuple."""

    def __init__(self):
        super().__init__()
        self.left, self.right = Dense(2), Dense(2)

    def forward(self, x):
        return self.left(x["left"]), self.right(x["right"])

    def compute_loss(self, x, y, y_pred, sample_weight):
        return (y_pred[0] - y_pred[1]).square().mean() + 0 * x["left"].sum()


def test_inputs_and_outputs_may_be_nests_and_the_loss_ones_own():
    model = TwoInputs()
    model.compile("sgd")
    x = {"left": X, "right": X[:, :3]}
    history = model.fit(x, epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    left, right = model.predict(x, verbose=0)
    assert left.shape == right.shape == (90, 2)
    on_batch = model.predict_on_batch(x)
    np.testing.assert_allclose(on_batch[0], left, atol=1e-6)


def test_shuffling_is_determined_by_the_seed():
    def run(seed):
        model = small()
        torch.manual_seed(seed)
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
        return model.get_weights()[0]

    assert (run(1) == run(1)).all()
    assert (run(1) != run(2)).any()
    assert (run(1) != weights_after(X, Y, epochs=2)[0]).any()


def test_each_epoch_draws_every_sample_once_in_another_order():
    orders = []

    class Watched(Sequential):
        def train_step(self, data):
            orders.extend(data[1].flatten().tolist())
            return super().train_step(data)

    model = Watched([Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, np.arange(90.0), epochs=2, verbose=0)
    assert sorted(orders[:90]) == sorted(orders[90:]) == list(range(90))
    assert orders[:90] != orders[90:]
    assert orders[:90] != list(range(90))


def test_the_validation_split_is_taken_from_the_end_before_shuffling():
    model = small()
    history = model.fit(X, Y, validation_split=0.1, verbose=0)
    assert history.history["val_loss"][0] == pytest.approx(
        model.evaluate(X[81:], Y[81:], verbose=0)
    )


def test_steps_and_validation_are_counted_as_in_keras():
    class Counted(Sequential):
        def __init__(self, *layers):
            super().__init__(layers)
            self.sizes = {"trained": [], "validated": []}

        def train_step(self, data):
            self.sizes["trained"].append(len(data[0]))
            return super().train_step(data)

        def test_step(self, data):
            self.sizes["validated"].append(len(data[0]))
            return super().test_step(data)

    model = Counted(Dense(1))
    model.compile("sgd", "mse")
    history = model.fit(
        *(X, Y, 16),
        epochs=3,
        verbose=0,
        validation_data=(X, Y),
        validation_batch_size=40,
        steps_per_epoch=2,
        validation_steps=2,
        validation_freq=2,
    )
    assert model.sizes == {"trained": [16] * 5 + [10], "validated": [40] * 2}
    assert {name: len(values) for name, values in history.history.items()} == {
        "loss": 3,
        "val_loss": 1,
    }


def test_a_second_fit_goes_on_with_the_optimizer():
    def run(parts):
        model = small("adam")
        for epochs in parts:
            model.fit(X, Y, epochs=epochs, shuffle=False, verbose=0)
        return model.get_weights()[0]

    assert (run([2, 2]) == run([4])).all()
    model = small("adam")
    model.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    model.compile("adam", "mse")  # a new optimizer, as in Keras
    model.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    assert (model.get_weights()[0] != run([4])).any()


def test_epochs_are_counted_from_the_initial_one():
    history = small().fit(X, Y, epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4]
    assert small().fit(X, Y, epochs=0, verbose=0).epoch == []


@pytest.mark.parametrize(
    "optimizer",
    [
        {"class_name": "SGD", "config": {"learning_rate": 0.01}},
        functools.partial(torch.optim.SGD, lr=0.01),
        lambda parameters: torch.optim.SGD(parameters, lr=0.01),
    ],
)
def test_optimizers_of_pytorch_are_taken(optimizer):
    model = small(optimizer)
    model.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
    for own, wanted in zip(model.get_weights(), weights_after(X, Y), strict=True):
        np.testing.assert_array_equal(own, wanted)


def test_an_optimizer_over_some_parameters_trains_those():
    model = small()
    model(X[:1])
    before = model.get_weights()
    model.compile(torch.optim.SGD(model.get_layer("dense").parameters(), lr=0.01), nn.MSELoss())
    model.fit(X, Y, verbose=0)
    after = model.get_weights()
    assert (after[0] != before[0]).any()
    np.testing.assert_array_equal(after[2], before[2])


def test_layers_that_are_not_trained_stay():
    model = small("adam")
    model(X[:1])
    model.get_layer("dense").trainable = False
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.get_layer("dense").trainable = True
    model.fit(X, Y, verbose=0)
    assert (model.get_weights()[0] != before[0]).any()


def test_layers_added_after_a_fit_are_trained():
    model = small()
    model.fit(X, Y, verbose=0)
    model.add(Dense(1))
    model(X[:1])
    before = model.get_weights()[-2]
    model.fit(X, Y, verbose=0)
    assert (model.get_weights()[-2] != before).any()


def test_dropout_and_normalization_are_on_in_training_only():
    torch.manual_seed(0)
    model = Sequential([BatchNormalization(), Dropout(0.5), Dense(1)])
    model.compile("sgd", "mse")
    model.eval()
    model.fit(X, Y, verbose=0, validation_split=0.2)
    moving_mean = model.get_layer("batch_normalization").get_weights()[2]
    assert np.abs(moving_mean).max() > 0
    assert not model.training
    first, second = (model.predict(X, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(
        model.get_layer("batch_normalization").get_weights()[2], moving_mean
    )


def test_building_on_the_first_batch_leaves_states_and_random_numbers_alone():
    def draw(source):
        torch.manual_seed(0)
        model = Sequential([BatchNormalization(), Dropout(0.5), Dense(1)])
        model.build_on(source)
        assert model.get_layer("batch_normalization").get_weights()[2].tolist() == [0] * 5
        assert model.training
        return torch.rand(1)

    dataset = TensorDataset(torch.ones(8, 5))
    assert draw(DataLoader(dataset, batch_size=4, shuffle=True)) == draw([torch.ones(4, 5)])


def test_callbacks_stop_and_save(tmp_path):
    saved = ModelCheckpoint(tmp_path / "{epoch}-{val_loss:.4f}.keras", save_best_only=True)
    stop = EarlyStopping("val_loss", patience=1, min_delta=10)
    logger = CSVLogger(tmp_path / "log.csv")
    history = small().fit(
        X, Y, epochs=9, validation_split=0.2, verbose=0, callbacks=[saved, [stop, logger]]
    )
    assert history.epoch == [0, 1]
    best = min(history.history["val_loss"])
    assert any(f"-{best:.4f}.keras" in path.name for path in tmp_path.iterdir())
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[0] == "epoch,loss,val_loss"
    assert len(rows) == 3


def test_the_model_can_be_told_to_stop():
    class Stopping(Callback):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            self.model.stop_training = self.batches == 7

    model = small()
    stopping = Stopping()
    history = model.fit(X, Y, batch_size=18, epochs=9, verbose=0, callbacks=stopping)
    assert stopping.batches == 7
    assert history.epoch == [0, 1]
    model.fit(X, Y, verbose=0)
    assert not model.stop_training


def test_silence_is_silent(tmp_path, monkeypatch, capfd, recwarn):
    monkeypatch.chdir(tmp_path)
    model = small(metrics=["mae"])
    model.fit(X, Y, validation_split=0.2, epochs=2, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert not list(tmp_path.iterdir())


class Late(Model):
    """A model that uses a layer in training only."""

    def __init__(self):
        super().__init__()
        self.first, self.extra = Dense(1), Dense(1)

    def forward(self, x):
        return self.first(x) + (self.extra(x) if self.training else 0)


def test_a_layer_that_would_not_be_trained_is_an_error():
    model = Late()
    model.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="first used in training"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Sequential([Dense(1)]).fit(X, Y), "call `compile` before `fit`"),
        (lambda: Sequential([Dense(1)]).evaluate(X, Y), "call `compile` before `evaluate`"),
        (lambda: small().fit(X), "the loss needs labels"),
        (lambda: small().fit(X, class_weight={0: 2.0}), "`class_weight` needs labels"),
        (lambda: Sequential([Dense(1)]).train_on_batch(X, Y), "`compile` before `train_on_batch`"),
        (lambda: small(loss=None).fit(X, Y), r"the loss needs compile\(loss=...\)"),
        (lambda: small().fit(X, Y[:50]), r"x of \[90\], y of \[50\]"),
        (lambda: small().fit(X[:0], Y[:0]), "of at least 1"),
        (lambda: small().fit(X, Y, validation_split=0.999), "a sample on either side"),
        (lambda: small().fit(X, Y, validation_split=1.5), "`validation_split` must be a finite"),
        (lambda: small().fit(Pairs(X, Y), validation_split=0.5), "a Pairs cannot be split"),
        (lambda: small().fit(Pairs(X, Y), Y), "`y` must be None"),
        (lambda: small().fit(DataLoader(Pairs(X, Y)), batch_size=3), "DataLoader has its own"),
        (lambda: small().fit("x", Y), "`x` must be an array"),
        (lambda: small().fit(X, Y, batch_size=0), "`batch_size` must be an integer of at least 1"),
        (lambda: small().fit(X, Y, epochs=-1), "`epochs` must be an integer of at least 0"),
        (lambda: small().fit(X, Y, verbose=3), "`verbose` must be one of 'auto', 0, 1, 2"),
        (lambda: small().fit(X, Y, class_weight=[1, 2]), "a dict from number of class to weight"),
        (
            lambda: small().fit(X, Y, class_weight={0: 1.0}, sample_weight=np.ones(90)),
            "not both",
        ),
        (
            lambda: small().fit(DataLoader(TensorDataset(*[torch.ones(3, 2)] * 4))),
            "Received: a tuple of 4",
        ),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_predictions_need_no_compile_and_no_labels():
    model = Sequential([Dense(2)])
    assert model.predict(X, verbose=0).shape == (90, 2)
    assert isinstance(small().fit(X, Y, verbose=0), History)


def test_single_batches_are_those_of_keras():
    ours, theirs = pair("sgd", "binary_crossentropy", ["accuracy"])
    weights = RNG.uniform(size=90)
    found = ours.train_on_batch(X, Y, sample_weight=weights)
    assert found == pytest.approx(theirs.train_on_batch(X, Y, sample_weight=weights), rel=1e-5)
    for own, given in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, given, atol=1e-6)
    ours.train_on_batch(X, Y, class_weight={1: 2.0})
    theirs.train_on_batch(X, Y, class_weight={1: 2.0})
    for own, given in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, given, atol=1e-6)
    assert ours.test_on_batch(X, Y, return_dict=True) == pytest.approx(
        ours.evaluate(X, Y, batch_size=90, verbose=0, return_dict=True)
    )
    np.testing.assert_allclose(ours.predict_on_batch(X), theirs.predict_on_batch(X), atol=1e-6)
