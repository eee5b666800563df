"""What can be trained on, and which batches an epoch has, beside Keras."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import feasible
from feasible import layers, utils
from feasible.models import Sequential
from feasible.models.data_sources import batches_of
from feasible.models.epochs import Epochs

X = np.arange(140.0, dtype=np.float32).reshape(70, 2)
Y = X.sum(1, keepdims=True)


class Seen(keras.callbacks.Callback):
    """Counts batches, as Keras itself does."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_epoch_begin(self, epoch, logs=None):
        self.steps.append(0)

    def on_train_batch_end(self, batch, logs=None):
        self.steps[-1] += 1


def trained_by(library, data, **options):
    """The numbers of batches an epoch, the epochs' losses, and the warnings."""
    model = library.Sequential([library.layers.Input((2,)), library.layers.Dense(1)])
    model.set_weights([np.full((2, 1), 0.5), np.zeros(1)])
    model.compile(library.optimizers.SGD(1e-5), "mse")
    seen = Seen()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        history = model.fit(**data(library), shuffle=False, verbose=0, callbacks=[seen], **options)
    ran_out = any("ran out" in str(one.message) for one in found)
    return [step for step in seen.steps if step], history.history["loss"], ran_out


def arrays(library):
    return {"x": X, "y": Y}


def small_batches(library):
    return {"x": X, "y": Y, "batch_size": 20}


def data_set(library, **options):
    class Parts(library.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            part = slice(20 * index, 20 * index + 20)
            return X[part], Y[part]

    return {"x": Parts(**options)}


def generator(library):
    return {"x": ((X[i : i + 10], Y[i : i + 10]) for _ in range(3) for i in range(0, 70, 10))}


def loader(library):
    return {"x": DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=30)}


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (arrays, {"epochs": 2}),
        (arrays, {"epochs": 2, "steps_per_epoch": 1}),  # all 70 in a batch
        (arrays, {"epochs": 2, "steps_per_epoch": 4}),
        (small_batches, {"epochs": 2, "steps_per_epoch": 2}),  # goes on: 40, then 30
        (small_batches, {"epochs": 3, "steps_per_epoch": 1}),
        (small_batches, {"epochs": 3, "steps_per_epoch": 3}),  # runs out
        (data_set, {"epochs": 2}),
        (data_set, {"epochs": 2, "steps_per_epoch": 2}),
        (generator, {"epochs": 3, "steps_per_epoch": 7}),
        (loader, {"epochs": 2}),
        (loader, {"epochs": 3, "steps_per_epoch": 1}),
    ],
)
def test_epochs_have_the_batches_of_keras(data, options):
    found, wanted = (trained_by(library, data, **options) for library in (feasible, keras))
    assert found[0] == wanted[0]
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-4)
    assert found[2] == wanted[2]


def test_batches_that_threads_prepare_come_in_order():
    def threaded(library):
        return data_set(library, workers=3, max_queue_size=2)

    found = [trained_by(feasible, data, epochs=2) for data in (data_set, threaded)]
    assert found[0] == found[1]


def test_a_generator_without_a_count_is_gone_through_once():
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(generator(None)["x"], verbose=0)
    assert len(history.epoch) == 1
    with pytest.warns(UserWarning, match="ran out"):
        history = model.fit(generator(None)["x"], epochs=3, verbose=0)
    assert history.epoch == [0]
    assert model.predict((X[i : i + 10] for i in range(0, 70, 10)), verbose=0).shape == (70, 1)


class OfAnotherLibrary:
    """What yields batches of arrays, such as a tf.data.Dataset."""

    def __iter__(self):
        return iter([(X[:40], Y[:40]), (X[40:], Y[40:])])


def test_whatever_yields_batches_is_taken_again_each_epoch():
    model = Sequential([layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(OfAnotherLibrary(), epochs=2, verbose=0, validation_data=OfAnotherLibrary())
    assert history.epoch == [0, 1]
    found = model.evaluate(OfAnotherLibrary(), verbose=0)
    assert found == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)
    assert history.history["val_loss"][1] == pytest.approx(found)


def test_a_data_set_is_told_of_epochs_and_shuffled():
    class Told(utils.Sequence):
        calls = ""

        def __len__(self):
            return 6

        def __getitem__(self, index):
            return X[index : index + 1]

        def on_epoch_begin(self):
            self.calls += "b"

        def on_epoch_end(self):
            self.calls += "e"

    told = Told()
    epochs = Epochs(batches_of(told, shuffle=True))
    orders = []
    for _ in range(2):
        orders.append([float(batch[0, 0]) for batch in epochs])
        epochs.next_epoch()
    assert told.calls == "bebe"
    assert sorted(orders[0]) == sorted(orders[1]) == [0, 2, 4, 6, 8, 10]
    assert orders[0] != orders[1] or orders[0] != sorted(orders[0])


def test_batches_alone_are_shuffled():
    torch.manual_seed(1)
    found = [batch[0][:, 0].tolist() for batch in batches_of(X, batch_size=20, shuffle="batch")]
    assert [len(part) for part in found] == [20, 20, 20, 10]
    assert all(part == sorted(part) for part in found)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batches_of(generator(None)["x"], Y), "`y` must be None: with a generator"),
        (lambda: batches_of(data_set(feasible)["x"], batch_size=3), "a Parts has its own"),
        (lambda: batches_of(None), "`x` must be an array"),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
