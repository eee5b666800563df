"""Keras's callbacks do in `fit` what they do in Keras's."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import feasible
from feasible import callbacks
from feasible.layers import Dense
from feasible.models import Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = RNG.normal(size=(64, 1)).astype("float32")


def pair() -> tuple[Any, Any]:
    ours = Sequential([Dense(8, "tanh"), Dense(1)])
    theirs = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
    ours(X[:1])
    theirs(X[:1])
    weights = [RNG.normal(size=w.shape) for w in theirs.get_weights()]
    for model, of in ((ours, feasible), (theirs, keras)):
        model.set_weights(weights)
        model.compile(of.optimizers.SGD(0.2), "mse")
    return ours, theirs


CALLBACKS = {
    "early": lambda of, folder: of.EarlyStopping(patience=1, min_delta=0.02),
    "best": lambda of, folder: of.EarlyStopping(patience=2, restore_best_weights=True),
    "baseline": lambda of, folder: of.EarlyStopping(patience=2, baseline=0.01),
    "late": lambda of, folder: of.EarlyStopping(patience=0, start_from_epoch=3, min_delta=10),
    "plateau": lambda of, folder: of.ReduceLROnPlateau(
        factor=0.5, patience=1, min_delta=0.05, cooldown=1, min_lr=0.01
    ),
    "schedule": lambda of, folder: of.LearningRateScheduler(lambda epoch, rate: rate * 0.8),
    "one argument": lambda of, folder: of.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
    "csv": lambda of, folder: of.CSVLogger(folder / f"{of.__name__}.csv"),
    "nan": lambda of, folder: of.TerminateOnNaN(),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_does_what_that_of_keras_does(name: str, tmp_path: Path) -> None:
    ours, theirs = pair()
    options = {"epochs": 8, "batch_size": 16, "shuffle": False, "verbose": 0}
    found, wanted = (
        model.fit(X, Y, validation_split=0.25, callbacks=[CALLBACKS[name](of, tmp_path)], **options)
        for model, of in ((ours, callbacks), (theirs, keras.callbacks))
    )
    assert found.epoch == wanted.epoch
    assert set(found.history) == set(wanted.history)
    for key, values in wanted.history.items():
        np.testing.assert_allclose(found.history[key], values, rtol=1e-3, atol=1e-5)
    for own, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-4)
    assert ours.history is found
    assert found.model is ours
    if name == "csv":
        tables = [
            list(csv.reader((tmp_path / f"{of.__name__}.csv").read_text().splitlines()))
            for of in (callbacks, keras.callbacks)
        ]
        assert tables[0][0] == tables[1][0]
        assert len(tables[0]) == len(tables[1]) == 9


HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_epoch_end",
    "on_train_end",
)


@pytest.mark.parametrize("of", [callbacks, keras.callbacks])
def test_hooks_are_called_in_the_order_of_keras(of: Any) -> None:
    ours, theirs = pair()
    logs = []
    for model, base in ((ours, of), (theirs, keras.callbacks)):
        seen: list[str] = []
        kind = type(
            "Seen",
            (base.Callback,),
            {
                hook: (lambda self, *a, hook=hook, seen=seen, **k: seen.append(hook))
                for hook in HOOKS
            },
        )
        model.fit(
            X, Y, validation_data=(X, Y), epochs=2, batch_size=32, verbose=0, callbacks=[kind()]
        )
        logs.append(seen)
    assert logs[0] == logs[1]


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("{epoch:02d}-{val_loss:.2f}.weights.h5", {"save_weights_only": True}),
        ("best.keras", {"save_best_only": True}),
        ("steps.weights.h5", {"save_weights_only": True, "save_freq": 2}),
    ],
)
def test_a_checkpoint_is_there_to_be_loaded(
    path: str, options: dict[str, Any], tmp_path: Path
) -> None:
    model, _ = pair()
    checkpoint = callbacks.ModelCheckpoint(tmp_path / path, **options)
    history = model.fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0, callbacks=[checkpoint])
    names = sorted(file.name for file in tmp_path.iterdir())
    if "{" in path:
        wanted = [
            path.format(epoch=n + 1, val_loss=v) for n, v in enumerate(history.history["val_loss"])
        ]
        assert names == sorted(wanted)
    else:
        assert names == [path]
    if path.endswith(".keras"):
        assert feasible.load_model(tmp_path / path).count_params() == model.count_params()
    else:
        model.load_weights(tmp_path / names[-1])


def test_a_lambda_and_a_model_that_stops() -> None:
    model, _ = pair()
    epochs: list[int] = []

    def stop(epoch: int, logs: Any) -> None:
        epochs.append(epoch)
        model.stop_training = epoch == 1

    callback = callbacks.LambdaCallback(on_epoch_end=stop)
    assert model.fit(X, Y, epochs=5, verbose=0, callbacks=callback).epoch == [0, 1] == epochs


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: callbacks.EarlyStopping(mode="up"), "`mode` must be one of"),
        (lambda: callbacks.EarlyStopping(patience=-1), "`patience`"),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.5), "`factor` must be a number below 1"),
        (
            lambda: callbacks.ModelCheckpoint("m.h5"),
            "`filepath` must be a path that ends in .keras",
        ),
        (lambda: callbacks.ModelCheckpoint("m.keras", save_freq="day"), "`save_freq` must be"),
        (lambda: callbacks.LambdaCallback(on_epoch=print), "`on_epoch` must be one of"),
        (lambda: pair()[0].fit(X, Y, verbose=0, callbacks=[3]), "`callbacks` must be callbacks"),
    ],
)
def test_errors_say_what_is_allowed(make: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make()


def test_a_value_that_is_not_there_is_warned_of() -> None:
    model, _ = pair()
    with pytest.warns(UserWarning, match="watches 'val_loss', which is not there"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping()])


def test_a_model_with_nothing_to_train_fits_with_a_warning() -> None:
    model, _ = pair()
    model.trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="nothing of it is trained"):
        model.fit(X, Y, verbose=0)
    for own, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, other)
