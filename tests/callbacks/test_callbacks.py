"""Callbacks in a run of `fit` beside the same of Keras."""

from __future__ import annotations

import csv

import keras
import numpy as np
import pytest
import torch

import feasible
from feasible import callbacks
from feasible.layers import Dense, Input
from feasible.models import Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype(np.float32)
Y = X[:, :1] * 2 + RNG.normal(size=(48, 1)).astype(np.float32)


def model_of(library, rate=0.5, loss="mse", momentum=0.9):
    """A model that overshoots, so that its loss goes up and down."""
    model = library.Sequential([library.layers.Input((3,)), library.layers.Dense(1)])
    model.set_weights([np.full((3, 1), 0.5), np.zeros(1)])
    model.compile(library.optimizers.SGD(rate, momentum=momentum), loss, metrics=["mae"])
    return model


def fitted(library, make, **options):
    """A model that was fitted with callbacks, the callbacks, and the history."""
    model = model_of(library)
    given = make(library.callbacks)
    history = model.fit(
        X,
        Y,
        **{"epochs": 12, "verbose": 0, "shuffle": False, "validation_split": 0.25, **options},
        callbacks=given,
    )
    return model, given, history


def stopping(**options):
    return lambda module: [module.EarlyStopping(**options)]


@pytest.mark.parametrize(
    "make",
    [
        stopping(),
        stopping(patience=2, restore_best_weights=True),
        stopping(monitor="loss", patience=1, min_delta=0.3),
        stopping(monitor="val_mae", mode="max", patience=3, restore_best_weights=True),
        stopping(patience=1, start_from_epoch=4),
        stopping(baseline=1.5, patience=2, restore_best_weights=True),
        lambda module: [module.ReduceLROnPlateau(patience=1, factor=0.5, min_lr=0.1)],
        lambda module: [module.ReduceLROnPlateau("loss", patience=0, cooldown=2, min_delta=0.5)],
        lambda module: [module.LearningRateScheduler(lambda epoch, rate: rate * 0.8)],
        lambda module: [module.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))],
        lambda module: [module.TerminateOnNaN()],
    ],
)
def test_a_run_with_a_callback_is_that_of_keras(make):
    ours, _, found = fitted(feasible, make)
    theirs, _, wanted = fitted(keras, make)
    assert list(found.history) == list(wanted.history)
    assert found.epoch == wanted.epoch
    for name, values in wanted.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=2e-3, err_msg=name)
    for own, given in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, given, rtol=2e-3, atol=1e-4)


HOOKS = [f"on_{phase}_{end}" for phase in ("train", "test", "predict") for end in ("begin", "end")]
HOOKS += [f"on_epoch_{end}" for end in ("begin", "end")]
HOOKS += [
    f"on_{phase}_batch_{end}" for phase in ("train", "test", "predict") for end in ("begin", "end")
]


def recording(base, calls):
    """A callback that notes its hooks down, with the names of their values."""

    def noted(name):
        def hook(self, *arguments, **named):
            *numbers, logs = [*arguments, *named.values()]
            keys = sorted(logs or {})
            plain = all(isinstance(logs[one], float) for one in keys if one != "outputs")
            calls.append((name, *numbers, keys, plain))

        return hook

    return type("Recording", (base,), {name: noted(name) for name in HOOKS})()


def test_hooks_are_called_when_and_with_what_keras_calls_them():
    found, wanted = [], []
    for library, calls in ((feasible, found), (keras, wanted)):
        model = model_of(library)
        callback = recording(library.callbacks.Callback, calls)
        model.fit(X, Y, epochs=2, verbose=0, validation_split=0.25, callbacks=[callback])
        calls.append(dict(callback.params))
        model.evaluate(X, Y, verbose=0, callbacks=[callback])
        model.predict(X, verbose=0, callbacks=[callback])
    assert found == wanted


def test_callbacks_of_keras_itself_work(tmp_path):
    theirs = keras.callbacks
    given = [
        theirs.EarlyStopping("loss", patience=1, min_delta=10.0, restore_best_weights=True),
        theirs.ReduceLROnPlateau("loss", patience=1, min_delta=10.0),
        theirs.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
        theirs.CSVLogger(str(tmp_path / "log.csv")),
        theirs.TerminateOnNaN(),
        theirs.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        theirs.ModelCheckpoint(str(tmp_path / "best.keras"), "loss", save_best_only=True),
        theirs.ModelCheckpoint(str(tmp_path / "a.weights.h5"), save_weights_only=True),
        theirs.ProgbarLogger(),
        theirs.History(),
    ]
    model = model_of(feasible, rate=0.01)
    history = model.fit(X, Y, epochs=9, verbose=0, callbacks=given)
    assert given[-1].epoch == [0, 1]
    assert history is given[-1]
    assert float(model.optimizer.learning_rate) < 0.01
    assert (tmp_path / "best.keras").exists()
    with pytest.raises(ValueError, match="`overwrite` must be True to replace"):
        model.save_weights(tmp_path / "a.weights.h5", overwrite=False)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_a_csv_log_is_that_of_keras(tmp_path):
    rows = []
    for library in (feasible, keras):
        path = tmp_path / f"{library.__name__}.csv"
        logger = library.callbacks.CSVLogger(str(path), separator=";")
        model_of(library).fit(
            X,
            Y,
            epochs=3,
            verbose=0,
            shuffle=False,
            callbacks=[logger],
            validation_data=(X, Y),
            validation_freq=2,
        )
        model_of(library).fit(
            X,
            Y,
            epochs=1,
            verbose=0,
            shuffle=False,
            callbacks=[library.callbacks.CSVLogger(str(path), separator=";", append=True)],
        )
        with path.open() as file:
            rows.append(list(csv.reader(file, delimiter=";")))
    assert [row[0] for row in rows[0]] == [row[0] for row in rows[1]]
    assert rows[0][0] == rows[1][0]
    assert [len(row) for row in rows[0]] == [len(row) for row in rows[1]]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("{epoch:02d}-{val_loss:.2f}.keras", {}),
        ("best-{epoch}.keras", {"save_best_only": True}),
        ("{epoch}.weights.h5", {"save_weights_only": True, "monitor": "mae", "mode": "max"}),
        ("{epoch}-{batch}.weights.h5", {"save_weights_only": True, "save_freq": 3}),
        ("b{epoch}.keras", {"save_best_only": True, "initial_value_threshold": 1.2}),
    ],
)
def test_checkpoints_are_saved_when_keras_saves_them(tmp_path, name, options):
    found = []
    for library in (feasible, keras):
        folder = tmp_path / library.__name__
        folder.mkdir()

        def make(module, path=folder / name):
            return [module.ModelCheckpoint(str(path), **options)]

        model, _, _ = fitted(library, make, epochs=6, batch_size=12)
        found.append(sorted(path.name for path in folder.iterdir()))
        if library is feasible and options.get("save_weights_only"):
            model.load_weights(folder / found[0][0])
    assert found[0] == found[1]


def test_averages_are_there_while_the_model_is_evaluated():
    def run(library):
        model = library.Sequential([library.layers.Input((3,)), library.layers.Dense(1)])
        model.set_weights([np.full((3, 1), 0.5), np.zeros(1)])
        optimizer = library.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8)
        model.compile(optimizer, "mse")
        history = model.fit(
            X,
            Y,
            epochs=3,
            batch_size=8,
            verbose=0,
            shuffle=False,
            validation_data=(X, Y),
            callbacks=[library.callbacks.SwapEMAWeights()],
        )
        return history.history["val_loss"], model.get_weights()[0]

    found, wanted = run(feasible), run(keras)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-3)
    with pytest.raises(ValueError, match="use_ema=True"):
        model_of(feasible).fit(X, Y, verbose=0, callbacks=callbacks.SwapEMAWeights())


def test_a_loss_that_is_no_number_ends_training(capsys):
    model = model_of(feasible, rate=1e30)
    history = model.fit(X, Y, epochs=5, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert len(history.epoch) == 1
    assert "training ends" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="the loss is"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])


def test_learning_rates_of_pytorchs_optimizers_change_too():
    model = Sequential([Input((3,)), Dense(1)])
    model.compile(torch.optim.SGD(model.parameters(), 0.5), "mse")
    halving = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=halving)
    assert history.history["learning_rate"] == [0.25, 0.125]


class OfLightning:
    """Has hooks of another kind."""

    def on_train_epoch_end(self, trainer, pl_module):
        pass


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: callbacks.EarlyStopping(mode="least"), "`mode` must be one of"),
        (lambda: callbacks.EarlyStopping(patience=-1), "`patience` must be an integer of at least"),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.5), "`factor` must be a number below 1"),
        (lambda: callbacks.LearningRateScheduler(0.1), "`schedule` must be a function"),
        (lambda: callbacks.ModelCheckpoint("a.h5"), "ends in .keras"),
        (lambda: callbacks.ModelCheckpoint("a.keras", save_freq=0), "'epoch', or a number"),
        (lambda: callbacks.LambdaCallback(on_epoch_ends=print), "one of on_batch_begin"),
        (lambda: callbacks.BackupAndRestore(""), "the path of a folder"),
        (lambda: callbacks.BackupAndRestore("a", "batch"), "'epoch', or a number of batches"),
        (
            lambda: model_of(feasible).fit(X, Y, callbacks=[OfLightning()]),
            "Lightning's have other hooks",
        ),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_tensorboard_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        callbacks.TensorBoard(tmp_path)


def test_tensorboard_gets_values(tmp_path):
    pytest.importorskip("tensorboard")
    board = callbacks.TensorBoard(tmp_path, histogram_freq=1, update_freq=2)
    model_of(feasible).fit(X, Y, validation_split=0.25, verbose=0, callbacks=[board])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train", "validation"]
