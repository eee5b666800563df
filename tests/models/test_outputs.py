"""Losses and metrics of several outputs, and steps of ones own, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

import feasible
from feasible import layers, metrics
from feasible.models import Model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype(np.float32)
A = RNG.normal(size=(40, 2)).astype(np.float32)
B = (X[:, :1] > 0).astype(np.float32)
W = RNG.uniform(size=40).astype(np.float32)


def two_ended(library, model_class=None, ends=list):
    """A model with two outputs, named a and b."""
    source = library.layers.Input((5,))
    hidden = library.layers.Dense(4, activation="tanh", name="hidden")(source)
    a = library.layers.Dense(2, name="a")(hidden)
    b = library.layers.Dense(1, activation="sigmoid", name="b")(hidden)
    outputs = [a, b] if ends is list else {"b": b, "a": a}
    return (model_class or library.Model)(source, outputs)


def both(ends=list, classes=(None, None)):
    ours = two_ended(feasible, classes[0], ends)
    theirs = two_ended(keras, classes[1], ends)
    for layer in theirs.layers:
        if layer.weights:
            ours.get_layer(layer.name).set_weights(layer.get_weights())
    return ours, theirs


CASES = [
    ({"loss": ["mse", "binary_crossentropy"]}, [A, B]),
    ({"loss": "mse", "metrics": [["mae"], ["accuracy", "mse"]]}, [A, B]),
    ({"loss": {"a": "mse", "b": "mae"}, "loss_weights": {"a": 0.5, "b": 2.0}}, [A, B]),
    ({"loss": {"b": "binary_crossentropy", "a": None}}, [A, B]),
    (
        {
            "loss": ["mse", "mae"],
            "loss_weights": [1.0, 0.25],
            "metrics": {"b": "accuracy"},
            "weighted_metrics": [["mse"], ["accuracy"]],
        },
        [A, B],
    ),
]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # Keras's, of an output without loss
@pytest.mark.parametrize(("arguments", "y"), CASES)
@pytest.mark.parametrize("weights", [None, W])
def test_values_and_their_names_are_those_of_keras(arguments, y, weights):
    found, wanted = [], []
    for model, results in zip(both(), (found, wanted), strict=True):
        model.compile("sgd", **arguments)
        options = {"verbose": 0, "sample_weight": weights}
        history = model.fit(
            X, y, epochs=2, batch_size=16, shuffle=False, validation_data=(X, y), **options
        )
        results.append(history.history)
        results.append(model.evaluate(X, y, return_dict=True, **options))
        results.append({"listed": model.evaluate(X, y, **options)})
        results.append({"trained": model.train_on_batch(X, y, sample_weight=weights)})
    for own, given in zip(found, wanted, strict=True):
        assert list(own) == list(given)
        for name, value in given.items():
            np.testing.assert_allclose(own[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_outputs_in_a_dict_go_by_their_keys():
    ours, theirs = both(dict)
    y = {"a": A, "b": B}
    for model in (ours, theirs):
        model.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"b": ["mse"]})
    found, wanted = (
        one.fit(X, y, batch_size=16, shuffle=False, verbose=0).history for one in (ours, theirs)
    )
    assert list(found) == list(wanted)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4)
    assert set(ours.predict(X, verbose=0)) == {"a", "b"}


def test_one_output_has_weighted_metrics_and_inputs_may_stand_in_lists():
    found, wanted = [], []
    for library, results in ((feasible, found), (keras, wanted)):
        source = library.layers.Input((5,))
        model = library.Model(source, library.layers.Dense(1)(source))
        model.set_weights([np.full((5, 1), 0.5), np.zeros(1)])
        model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae", "mse"])
        x, y = ([X], [B]) if library is feasible else (X, B)
        fitted = model.fit(x, y, sample_weight=W, shuffle=False, verbose=0)
        results.append(fitted.history)
    assert list(found[0]) == list(wanted[0])
    for name, value in wanted[0].items():
        np.testing.assert_allclose(found[0][name], value, rtol=1e-4)


class Doubling(feasible.Model):
    """A step of ones own, with metrics of its own."""

    def __init__(self, *ends):
        super().__init__(*ends)
        self.tracker = metrics.Mean(name="doubled")

    def train_step(self, data):
        x, y = data
        y_pred = self(x, training=True)
        loss = 2 * self.compute_loss(x=x, y=y, y_pred=y_pred)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.tracker.update_state(loss)
        return {"doubled": self.tracker.result()}

    @property
    def metrics(self):
        return [self.tracker]


def test_a_step_of_ones_own_is_taken():
    source = layers.Input((5,))
    model = Doubling(source, layers.Dense(1, kernel_constraint="non_neg")(source))
    model.compile("sgd", "mse")
    history = model.fit(X, B, epochs=2, verbose=0)
    assert list(history.history) == ["doubled"]
    assert history.history["doubled"][1] < history.history["doubled"][0]
    assert model.get_weights()[0].min() >= 0
    assert "tracker" not in dict(model.named_modules())
    assert isinstance(model.train_on_batch(X, B), float)


class Watched(Model):
    """Overrides what a step is made of."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss + (1.0 if training else 0.0)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        found = super().compute_metrics(x, y, y_pred, sample_weight)
        return {**found, "batch": torch.tensor(float(len(x)))}

    def predict_step(self, data):
        return [-one for one in super().predict_step(data)]


def _theirs():
    class Theirs(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = super().compute_loss(x, y, y_pred, sample_weight, training)
            return loss + (1.0 if training else 0.0)

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            found = super().compute_metrics(x, y, y_pred, sample_weight)
            return {**found, "batch": torch.tensor(float(len(x)))}

        def predict_step(self, data):
            return [-one for one in super().predict_step(data)]

    return Theirs


def test_what_a_step_is_made_of_can_be_overridden():
    found, wanted = [], []
    ours, theirs = both(classes=(Watched, _theirs()))
    for model, results in ((ours, found), (theirs, wanted)):
        model.compile("sgd", ["mse", "mae"], metrics=[["mae"], None])
        history = model.fit(
            X, [A, B], batch_size=16, shuffle=False, verbose=0, validation_data=(X, [A, B])
        )
        results.append(history.history)
        results.append(dict(enumerate(model.predict(X, verbose=0))))
    for own, given in zip(found, wanted, strict=True):
        assert list(own) == list(given)
        for name, value in given.items():
            np.testing.assert_allclose(own[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "y", "message"),
    [
        ({"loss": {"c": "mse"}}, [A, B], "among the outputs' names: a, b"),
        ({"loss": ["mse"] * 3}, [A, B], "an entry for each of the 2 outputs"),
        ({"loss": "mse", "metrics": ["mae"]}, [A, B], "an entry for each of the 2 outputs"),
        ({"loss": "mse"}, [A, B, B], "a label for each of the outputs a, b"),
        ({"loss": ["mse", "msee"]}, [A, B], "Did you mean"),
        ({"loss": "mse", "steps_per_execution": 4}, [A, B], "`steps_per_execution` must be 1"),
    ],
)
def test_errors_say_what_is_allowed(arguments, y, message):
    model = two_ended(feasible)

    def run():
        model.compile("sgd", **arguments)
        model.fit(X, y, verbose=0)

    with pytest.raises(ValueError, match=message):
        run()


def test_a_model_with_nothing_to_train_fits_with_a_warning():
    model = feasible.Sequential([layers.Input((5,)), layers.Dense(1)], trainable=False)
    model.compile("sgd", "mse", metrics=["mae"])
    with pytest.warns(UserWarning, match="nothing of it is trained"):
        history = model.fit(X, B, verbose=0)
    assert list(history.history) == ["loss", "mae"]
