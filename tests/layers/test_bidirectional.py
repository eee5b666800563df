"""Bidirectional, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import constraints, layers
from feasible.arguments import InvalidArgumentError

SHAPE = (3, 6, 5)
CONSTRAINED = {"kernel_constraint": "max_norm", "bias_constraint": "non_neg"}
# What makes the layer, from the library, and the arguments.
CASES = {
    "concat": (lambda of: of.LSTM(4, **CONSTRAINED), {}),
    "sum": (lambda of: of.GRU(4, return_sequences=True), {"merge_mode": "sum"}),
    "mul": (lambda of: of.SimpleRNN(4, return_sequences=True), {"merge_mode": "mul"}),
    "ave": (lambda of: of.GRU(4, **CONSTRAINED), {"merge_mode": "ave"}),
    "both": (lambda of: of.LSTM(4, return_sequences=True), {"merge_mode": None}),
    "states": (lambda of: of.LSTM(4, return_state=True, return_sequences=True), {}),
    "both, states": (lambda of: of.GRU(4, return_state=True), {"merge_mode": None}),
    "cell": (lambda of: of.RNN(of.LSTMCell(4, **CONSTRAINED), return_sequences=True), {}),
    "films": (lambda of: of.ConvLSTM1D(2, 2, return_sequences=True), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_keras_own(same_layer, name):
    make, arguments = CASES[name]
    shape = (*SHAPE, 2) if name == "films" else SHAPE
    ours = layers.Bidirectional(make(layers), **arguments)
    theirs = keras.layers.Bidirectional(make(keras.layers), **arguments)
    same_layer(ours, theirs, shape)


def test_another_layer_backward_is_keras_own(same_layer):
    ours, theirs = (
        of.Bidirectional(of.LSTM(4), backward_layer=of.GRU(4, go_backwards=True, **CONSTRAINED))
        for of in (layers, keras.layers)
    )
    same_layer(ours, theirs, SHAPE)


def test_both_directions_may_have_units_of_their_own():
    backward = layers.GRU(2, go_backwards=True)
    layer = layers.Bidirectional(layers.LSTM(4), backward_layer=backward)
    # Keras says twice those of the first, which is not what it returns.
    assert layer(torch.randn(SHAPE)).shape == (3, 6)
    assert layer.compute_output_shape((None, 6, 5)) == (None, 6)


def test_both_directions_have_the_constraints_and_weights_of_their_own():
    layer = layers.Bidirectional(layers.LSTM(4, **CONSTRAINED))
    layer(torch.randn(SHAPE)).sum().backward()
    torch.optim.SGD(layer.parameters(), 1.0).step()
    forward, backward = layer.forward_layer, layer.backward_layer
    assert not torch.equal(forward.cell.weight, backward.cell.weight)
    for direction in (forward, backward):
        assert direction.kernel_constraint == constraints.MaxNorm(2)
        assert (direction.cell.kernel.norm(dim=0) <= 2 + 1e-6).all()
        assert (direction.cell.bias >= 0).all()
    assert (forward.name, backward.name) == ("forward_lstm", "backward_lstm")
    assert backward.go_backwards
    assert not forward.go_backwards


def test_a_lambda_is_a_constraint_of_both():
    halve = lambda weight: weight / 2  # noqa: E731
    layer = layers.Bidirectional(layers.GRU(4, kernel_constraint=halve))
    assert layer.forward_layer.kernel_constraint is halve
    assert layer.backward_layer.kernel_constraint is halve


def test_the_layer_that_was_given_stays_as_it_is():
    given = layers.LSTM(4)
    one, other = layers.Bidirectional(given), layers.Bidirectional(given)
    for layer in (one, other):
        layer(torch.randn(SHAPE))
    assert not given.built
    assert given.name == "lstm"
    assert not torch.equal(one.forward_layer.cell.weight, other.forward_layer.cell.weight)


def test_initial_states_go_to_their_directions():
    ours = layers.Bidirectional(layers.LSTM(4))
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(4))
    rng = np.random.default_rng(0)
    x = rng.normal(size=SHAPE).astype(np.float32)
    states = [torch.as_tensor(rng.normal(size=(3, 4)).astype(np.float32)) for _ in range(4)]
    theirs.build(SHAPE)
    ours(x)
    ours.set_weights(theirs.get_weights())
    torch.testing.assert_close(
        ours(x, initial_state=states), theirs(x, initial_state=states), rtol=0, atol=1e-5
    )


def test_stateful_goes_on_as_keras_does():
    ours = layers.Bidirectional(layers.GRU(4, stateful=True))
    theirs = keras.layers.Bidirectional(keras.layers.GRU(4, stateful=True))
    x = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    theirs.build(SHAPE)
    ours.build_once(SHAPE)
    ours.set_weights(theirs.get_weights())
    assert ours.states is None
    for batch in x:
        torch.testing.assert_close(ours(batch), theirs(batch), rtol=0, atol=1e-5)
    assert [state.shape for state in ours.states] == [(3, 4), (3, 4)]
    ours.reset_states()
    theirs.reset_states()
    torch.testing.assert_close(ours(x[0]), theirs(x[0]), rtol=0, atol=1e-5)
    assert ours.stateful


@pytest.mark.parametrize(
    ("layer", "arguments", "message"),
    [
        (layers.Dense(2), {}, "`layer` must be a recurrent layer"),
        (layers.LSTM(2), {"merge_mode": "max"}, "`merge_mode` must be one of 'concat', 'sum'"),
        (layers.LSTM(2), {"backward_layer": layers.LSTM(2)}, "`go_backwards` must be False for"),
        (layers.LSTM(2, go_backwards=True), {}, "`go_backwards` must be False for"),
        (layers.LSTM(2), {"backward_layer": layers.Dense(2)}, "`backward_layer` must be a recurr"),
        (
            layers.LSTM(2),
            {"backward_layer": layers.LSTM(2, go_backwards=True, return_state=True)},
            r"`backward_layer\.return_state` must be that of the layer, False",
        ),
    ],
)
def test_wrong_arguments_are_refused_by_name(layer, arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"Bidirectional: {message}"):
        layers.Bidirectional(layer, **arguments)


def test_a_built_layer_is_refused():
    built = layers.LSTM(2)
    built(torch.randn(SHAPE))
    with pytest.raises(InvalidArgumentError, match="not built yet"):
        layers.Bidirectional(built)


def test_frozen_both_directions_are_frozen():
    layer = layers.Bidirectional(layers.LSTM(2), trainable=False)
    layer(torch.randn(SHAPE))
    assert not any(parameter.requires_grad for parameter in layer.parameters())
