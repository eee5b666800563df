"""RNN around cells, beside Keras's: states, steps, cells of the user's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import feasible
from feasible import layers
from feasible.arguments import InvalidArgumentError

SHAPE = (3, 6, 5)


@pytest.mark.parametrize("name", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("flags", [{}, {"return_sequences": True, "return_state": True}], ids=str)
def test_it_is_keras_own(same_layer, name, flags):
    def make(library):
        constraint = "unit_norm"
        return getattr(library, name)(4, kernel_constraint=constraint)

    ours = layers.RNN(make(layers), **flags)
    theirs = keras.layers.RNN(make(keras.layers), **flags)
    same_layer(ours, theirs, SHAPE)


class Minimal(layers.Layer):
    """A cell as Keras's documentation of RNN has it: the output is the sum of what came."""

    state_size = 5

    def call(self, inputs, states):
        return inputs + states[0], [inputs + states[0]]


@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_cell_of_the_users(return_sequences):
    layer = layers.RNN(Minimal(), return_sequences, return_state=True)
    x = torch.randn(SHAPE)
    output, state = layer(x)
    sums = x.cumsum(1)
    torch.testing.assert_close(output, sums if return_sequences else sums[:, -1])
    torch.testing.assert_close(state, sums[:, -1])
    shape = (None, 6, 5) if return_sequences else (None, 5)
    assert layer.compute_output_shape((None, 6, 5)) == (shape, (None, 5))


class Wide(Minimal):
    """A cell whose output is no state."""

    state_size = (5, 5)
    output_size = 2

    def get_initial_state(self, batch_size):
        return [torch.ones(batch_size, 5), torch.zeros(batch_size, 5)]

    def call(self, inputs, states):
        return inputs[:, :2], [states[0] + inputs, states[1]]


def test_a_cell_of_the_users_with_its_own_states_and_output():
    layer = layers.RNN(Wide(), return_state=True)
    x = torch.randn(SHAPE)
    output, first, second = layer(x)
    torch.testing.assert_close(output, x[:, -1, :2])
    torch.testing.assert_close(first, 1 + x.sum(1))
    assert not second.any()
    assert layer.compute_output_shape((None, 6, 5)) == ((None, 2), (None, 5), (None, 5))


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_it_begins_with_the_states_it_is_given(name):
    ours = getattr(layers, name)(4, return_state=True, return_sequences=True)
    theirs = getattr(keras.layers, name)(4, return_state=True, return_sequences=True)
    x = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    theirs.build(SHAPE)
    ours(x)
    ours.set_weights(theirs.get_weights())
    states = [np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)]
    states = states * (2 if name == "LSTM" else 1)
    wanted = theirs(x, initial_state=[torch.as_tensor(one) for one in states])
    for found, want in zip(ours(x, initial_state=states), wanted, strict=True):
        torch.testing.assert_close(found, want, rtol=0, atol=1e-5)
    if len(states) == 1:
        torch.testing.assert_close(ours(x, torch.as_tensor(states[0])), ours(x, states))
    # The second half goes on where the first one ended.
    _, *middle = ours(x[:, :3])
    torch.testing.assert_close(ours(x[:, 3:], middle)[0], ours(x)[0][:, 3:])


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_stateful_goes_on_as_keras_does(name):
    ours = getattr(layers, name)(4, stateful=True)
    theirs = getattr(keras.layers, name)(4, stateful=True)
    x = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    theirs.build(SHAPE)
    ours.build_once(SHAPE)
    ours.set_weights(theirs.get_weights())
    for batch in x:
        torch.testing.assert_close(ours(batch), theirs(batch), rtol=0, atol=1e-5)
    for layer in (ours, theirs):
        layer.reset_state()
    torch.testing.assert_close(ours(x[0]), theirs(x[0]), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="which had 3 examples"):
        ours(x[0, :2])
    ours.reset_states()
    assert ours(x[0, :2]).shape == (2, 4)


def test_stateful_trains_after_it_was_evaluated():
    x, y = np.zeros((8, 6, 5), np.float32), np.ones((8, 4), np.float32)
    model = feasible.Sequential([layers.Input(batch_shape=(4, 6, 5)), layers.GRU(4, stateful=True)])
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=4, verbose=0)
    model.predict(x, batch_size=4)
    before = model.layers[0].get_weights()[2]
    model.fit(x, y, batch_size=4, verbose=0)
    assert np.abs(model.layers[0].get_weights()[2] - before).max() > 0


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_a_constraint_that_is_assigned_holds_after_the_next_step(name):
    layer = getattr(layers, name)(4, input_shape=(6, 5))
    layer.recurrent_constraint = "non_neg"
    layer(torch.randn(SHAPE)).sum().backward()
    torch.optim.SGD(layer.parameters(), 0.1).step()
    assert layer.recurrent_constraint == layer.cell.recurrent_constraint
    assert (layer.cell.recurrent_kernel >= 0).all()
    assert (layer.cell.kernel < 0).any()


def test_attributes_are_those_of_the_cell():
    layer = layers.LSTM(4)
    layer.activation = torch.relu
    assert layer.cell.activation is torch.relu
    assert layer.cell.kernel_of_pytorch is None


@pytest.mark.parametrize(
    "make", [layers.LSTM, lambda n, **more: layers.RNN(layers.GRUCell(n), **more)]
)
def test_trainable_goes_for_the_cell(make):
    frozen = make(4, trainable=False)
    frozen(torch.randn(SHAPE))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    frozen.trainable = True
    assert all(parameter.requires_grad for parameter in frozen.parameters())
    assert frozen.cell.trainable


def test_it_builds_on_the_meta_device():
    with torch.device("meta"):
        layer = layers.LSTM(4)
        layer.build_once((None, 6, 5))
    assert all(parameter.is_meta for parameter in layer.parameters())


@pytest.mark.parametrize(
    "cell", [None, 4, nn.LSTMCell(3, 4), layers.Dense(3), [layers.Dense(3)]], ids=str
)
def test_what_is_no_cell_is_refused(cell):
    with pytest.raises(InvalidArgumentError, match=r"`cells?` must be"):
        layers.RNN(cell)


@pytest.mark.parametrize("shape", [(3, 5), (3, 0, 5)])
def test_an_input_without_steps_is_refused(shape):
    with pytest.raises(ValueError, match="3 axes or more: batch, steps, features"):
        layers.LSTM(4)(torch.ones(shape))


@pytest.mark.parametrize(
    "argument",
    [{"use_cudnn": False}, {"implementation": 1}, {"zero_output_for_mask": True}],
    ids=str,
)
def test_what_chooses_among_ways_to_compute_the_same_is_taken(argument):
    assert layers.LSTM(4, **argument).units == 4


def test_what_a_layer_lacks_is_refused():
    assert layers.LSTM(4, time_major=False, recurrent_regularizer=None).units == 4
    with pytest.raises(TypeError, match="there is no argument `time_major`"):
        layers.LSTM(4, time_major=True)
    assert layers.LSTM(4, recurrent_regularizer="l2").recurrent_regularizer.l2 == 0.01
