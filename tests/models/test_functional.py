"""Models made of calls on `Input`, models with a `call`, and layers with weights of their own."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import feasible
from feasible import ops
from feasible.layers import (
    LSTM,
    Add,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Input,
    Lambda,
    Layer,
    Masking,
)
from feasible.models import Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype("float32")
OTHER = RNG.normal(size=(40, 3)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


def two_inputs(of: Any, layers: Any) -> Any:
    one, other = layers.Input((4,), name="one"), layers.Input((3,), name="other")
    shared = layers.Dense(5, "tanh", kernel_constraint="max_norm", kernel_regularizer="l2")
    x = layers.Concatenate()([shared(one), shared(layers.Dense(4)(other))])
    x = x * 2.0 + 1.0
    return of.Model([one, other], layers.Dense(1, "sigmoid")(x))


def test_a_model_of_two_inputs_trains_as_keras_does() -> None:
    ours, theirs = two_inputs(feasible, feasible.layers), two_inputs(keras, keras.layers)
    ours.set_weights(theirs.get_weights())
    found, wanted = (_fitted(model, {"one": X, "other": OTHER}, Y) for model in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    for own, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-4)
    assert feasible.torch.check(ours).ok


def _fitted(model: Any, x: Any, y: Any) -> list[float]:
    model.compile("adam", "binary_crossentropy")
    return model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]


def test_inputs_come_in_any_of_keras_forms() -> None:
    model = two_inputs(feasible, feasible.layers)
    wanted = model([X, OTHER])
    for given in ((X, OTHER), {"other": OTHER, "one": X}, [torch.tensor(X), OTHER]):
        torch.testing.assert_close(model(given), wanted)
    np.testing.assert_allclose(model.predict([X, OTHER], verbose=0), wanted.detach(), atol=1e-6)


def test_layers_are_found_and_inner_outputs_make_models() -> None:
    start = Input((4,), name="start")
    x = Dense(3, name="hidden")(start)
    model = Model(start, Dense(2, name="end")(x), name="whole")
    assert [layer.name for layer in model.layers] == ["start", "hidden", "end"]
    assert list(model.state_dict()) == ["hidden.weight", "hidden.bias", "end.weight", "end.bias"]
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 2))
    assert model.output_names == ["end"]
    features = Model(model.input, model.get_layer("hidden").output)
    torch.testing.assert_close(features(X), model.get_layer("hidden")(torch.tensor(X)))
    stack = Sequential([Input((4,)), Dense(3, name="first"), Dense(2)])
    early = Model(stack.inputs, stack.layers[0].output)
    assert early(X).shape == (40, 3)


def test_models_are_layers_of_models() -> None:
    start = Input((4,))
    inner = Model(start, Dense(4, kernel_constraint="unit_norm")(start), name="inner")
    outer = Input((4,))
    model = Model(outer, inner(inner(outer)))
    assert model.count_params() == 20
    assert len(model.get_weights()) == 2
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0)
    assert feasible.torch.check(model).ok
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(copied(X), model(X))


@pytest.mark.parametrize("nest", ["list", "dict"])
def test_several_outputs_come_in_the_nest_they_were_given_in(nest: str) -> None:
    start = Input((4,))
    ends = {"a": Dense(1, name="a")(start), "b": Dense(2, name="b")(start)}
    model = Model(start, ends if nest == "dict" else list(ends.values()))
    found = model.predict(X, verbose=0)
    parts = list(found.values()) if nest == "dict" else found
    assert [part.shape for part in parts] == [(40, 1), (40, 2)]


def test_masks_go_with_tensors() -> None:
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    start = Input((None,), dtype="int32")
    x = Dropout(0.5)(Embedding(9, 3, mask_zero=True)(start))
    model = Model(start, LSTM(2)(x)).eval()
    torch.testing.assert_close(model(ids)[0], model(ids[:1, :2])[0])
    steps = Input((None, 3))
    masked = Model(steps, LSTM(2)(Masking()(steps)))
    values = torch.randn(1, 4, 3)
    values[:, 2:] = 0
    torch.testing.assert_close(masked(values)[0], masked.layers[2](values[:, :2])[0])


class Scale(Layer):
    """A layer with a weight, a state and a loss of its own."""

    def __init__(self, start: str = "ones", **options: Any) -> None:
        super().__init__(**options)
        self.start = start

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(
            shape=(input_shape[-1],), initializer=self.start, constraint="non_neg", name="factor"
        )
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training:
            self.seen.assign_add(1.0)
        self.add_loss(0.1 * ops.sum(ops.square(self.factor)))
        return inputs * self.factor


def test_a_layer_has_weights_states_and_losses_of_its_own(tmp_path: Path) -> None:
    model = Sequential([Input((4,)), Scale(), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=10, verbose=0)
    factor, seen = model.layers[0].get_weights()
    assert (factor >= 0).all()
    assert seen == 4
    assert [one.requires_grad for one in model.layers[0].weights] == [True, False]
    model.save(tmp_path / "m.keras")
    loaded = feasible.load_model(tmp_path / "m.keras", custom_objects={"Scale": Scale})
    torch.testing.assert_close(loaded(X), model(X))


def test_losses_of_layers_are_those_of_the_latest_call() -> None:
    model = Sequential([Input((4,)), Scale()])
    model(X)
    model(X)
    assert len(model.losses) == 1
    np.testing.assert_allclose(model.losses[0].detach(), 0.4, rtol=1e-6)


class Lists(Model):
    def __init__(self) -> None:
        super().__init__()
        self.first = Dense(4)
        self.blocks = []
        for _ in range(2):
            self.blocks.append(Dense(4, kernel_constraint="unit_norm"))
        self.last = Dense(1)

    def call(self, x: Any, training: bool | None = None) -> Any:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def test_layers_in_lists_are_trained_and_saved(tmp_path: Path) -> None:
    model = Lists()
    model.compile("sgd", "mse")
    before = model(X)
    model.fit(X, Y, verbose=0)
    assert len(model.get_weights()) == 8
    assert model.layers[0] is model.first
    assert feasible.torch.check(model).ok
    model.save_weights(tmp_path / "m.weights.h5")
    again = Lists()
    again(X)
    again.load_weights(tmp_path / "m.weights.h5")
    torch.testing.assert_close(again(X), model(X))
    assert not torch.allclose(before, model(X))


def test_variables_are_assigned_to_as_in_keras() -> None:
    layer = Dense(2)
    layer(X)
    for weight in layer.weights:
        weight.assign(ops.clip(weight, -0.1, 0.1))
    assert layer.weight.abs().max() <= 0.1
    with pytest.raises(ValueError, match=r"`value` must have the weight's shape, \(4, 2\)"):
        layer.weights[0].assign(np.ones((2, 4)))


def test_functions_and_lambdas_stand_in_models() -> None:
    start = Input((4,))
    x = Lambda(lambda v: v * 3)(start)
    x = ops.concatenate([ops.relu(x), start[:, :2]], axis=1) / 2
    model = Model(start, ops.sum(x, axis=1, keepdims=True))
    wanted = (np.maximum(3 * X, 0).sum(1) + X[:, :2].sum(1))[:, None] / 2
    np.testing.assert_allclose(model(X).detach(), wanted, rtol=1e-5)


START = Input((4,), name="start")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: Model(START, None), "`outputs` must be an Input, what layers return"),
        (lambda: Model(START, np.ones(3)), "`outputs` must be an Input, what layers return"),
        (lambda: Model(Input((4,)), Dense(1)(START)), "depend on 'start', which is not among"),
        (
            lambda: Model(START, Dense(1)(START))(np.ones((2, 5))),
            r"'start' must have shape",
        ),
        (lambda: Model([START, Input((2,))], Dense(1)(START))(X), "there must be 2 inputs"),
        (lambda: np.sin(START), None),
        (lambda: np.array(START), "use the functions of feasible.ops in place of NumPy's"),
        (lambda: torch.relu(START), "torch's `relu` was called on an Input"),
        (lambda: bool(START > 0), "neither true nor false"),
        (lambda: Dense(2, gamma_regularizer="l2"), "no argument `gamma_regularizer`"),
        (lambda: Model()(X), "must override `call`"),
        (lambda: Model().input, "there is `input` where a model is made by"),
    ],
)
def test_mistakes_are_named(call: Any, problem: str | None) -> None:
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=problem):
        call()


def test_a_layer_called_with_training_is_in_that_mode_for_the_call() -> None:
    layer = Dropout(0.5)
    layer.eval()
    assert (layer(torch.ones(100), training=True) == 0).any()
    assert not layer.training
    start = Input((100,))
    model = Model(start, Add()([start, Dropout(0.5)(start, training=True)]))
    assert (model.eval()(torch.ones(1, 100)) == 1).any()


def test_a_layer_of_whole_shapes_is_tried_on_zeros() -> None:
    class Halves(Layer):
        def call(self, inputs: Any) -> Any:
            return [inputs[:, : inputs.shape[1] // 2], inputs.mean(1)]

    first, second = Halves()(Input((6, 3)))
    assert (first.shape, second.shape) == ((None, 3, 3), (None, 3))
    assert Concatenate()([second, second]).shape == (None, 6)
