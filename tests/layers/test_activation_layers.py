"""Activation, ELU, LeakyReLU, ReLU and Softmax, beside Keras's."""

from __future__ import annotations

from itertools import product

import keras
import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.layers import ELU, Activation, Dense, LeakyReLU, ReLU, Softmax, activations

KERAS = sorted(set(keras.src.activations.ALL_OBJECTS_DICT) - {"threshold", "glu", "sparsemax"})


@pytest.mark.parametrize("name", KERAS)
def test_activation_is_keras_own(same_as_keras, name):
    same_as_keras("Activation", {"activation": name}, (3, 8))


@pytest.mark.parametrize("max_value", [None, 0.0, 0.75, 6])
def test_relu_is_keras_own(same_as_keras, max_value):
    for negative_slope, threshold in product((0.0, 0.3), (0.0, 0.5)):
        arguments = {
            "max_value": max_value,
            "negative_slope": negative_slope,
            "threshold": threshold,
        }
        same_as_keras("ReLU", arguments, (3, 8))


@pytest.mark.parametrize("slope", [0, 0.3, 2.0])
def test_leaky_relu_and_elu_are_keras_own(same_as_keras, slope):
    same_as_keras("LeakyReLU", {"negative_slope": slope}, (3, 8))
    same_as_keras("ELU", {"alpha": slope}, (3, 8))


@pytest.mark.parametrize(
    "axis", [-1, 1, 2, [1], [1, 2], (-1, 1), [2, 3], [3, 1], [1, 2, 3]], ids=str
)
def test_softmax_is_keras_own(same_as_keras, axis):
    same_as_keras("Softmax", {"axis": axis}, (2, 3, 4, 5))


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 1), (4,)], ids=str)
@pytest.mark.parametrize("axis", [-1, [1, 2]], ids=str)
def test_softmax_passes_over_what_is_masked_as_keras_does(shape, axis):
    x = torch.randn(2, 3, 4)
    mask = torch.arange(torch.Size(shape).numel()).reshape(shape) % 3 > 0
    for given in (mask, mask.float(), torch.zeros(shape, dtype=torch.bool)):
        wanted = keras.layers.Softmax(axis)(x, mask=given)
        torch.testing.assert_close(Softmax(axis)(x, mask=given), wanted)
    with pytest.raises(ValueError, match=r"`mask` must broadcast to the input's shape \(2, 3, 4\)"):
        Softmax(axis)(x, mask=torch.ones(2, 3, dtype=torch.bool))


def test_leaky_relu_takes_the_name_of_keras_2():
    with pytest.warns(UserWarning, match="`alpha` is called `negative_slope`"):
        layer = LeakyReLU(alpha=0.1)
    assert layer.get_config()["negative_slope"] == 0.1


def test_softmax_of_a_large_input_is_finite():
    y = Softmax([1, 2])(1e4 * torch.randn(2, 3, 4))
    torch.testing.assert_close(y.sum((1, 2)), torch.ones(2))


def test_a_module_serves_as_an_activation_and_goes_where_the_layer_goes():
    layer = Activation(nn.PReLU())
    assert len(list(layer.parameters())) == 1
    layer.to(torch.float64)
    assert layer(torch.tensor([-1.0, 2.0], dtype=torch.float64)).tolist() == [-0.25, 2.0]


def test_a_layer_serves_as_an_activation():
    dense = Dense(2, activation=ReLU(max_value=0.5), kernel_initializer="ones")
    assert dense(torch.ones(1, 3)).tolist() == [[0.5, 0.5]]
    theirs = keras.layers.Dense(2, activation=keras.layers.ReLU(max_value=0.5))
    other = Dense.from_config(theirs.get_config())
    assert isinstance(other.activation, ReLU)
    assert other.activation.max_value == 0.5
    config = dense.get_config()
    assert keras.layers.Dense.from_config(config).activation.max_value == 0.5


@pytest.mark.parametrize(
    ("kind", "arguments", "argument"),
    [
        (ReLU, {"max_value": -1.0}, "max_value"),
        (ReLU, {"negative_slope": None}, "negative_slope"),
        (ReLU, {"threshold": -0.5}, "threshold"),
        (LeakyReLU, {"negative_slope": -0.1}, "negative_slope"),
        (ELU, {"alpha": "1"}, "alpha"),
        (Softmax, {"axis": "last"}, "axis"),
        (Softmax, {"axis": []}, "axis"),
    ],
)
def test_arguments_are_checked(kind, arguments, argument):
    with pytest.raises(InvalidArgumentError, match=f"{kind.__name__}: `{argument}` must be"):
        kind(**arguments)


def test_an_axis_that_the_input_lacks_is_refused():
    with pytest.raises(ValueError, match=r"softmax: .*axis=\[2\] for an input of shape \(2, 3\)"):
        Softmax(2)(torch.ones(2, 3))


def test_an_activation_is_needed():
    with pytest.raises(TypeError, match="activation"):
        Activation()
    assert Activation(None).activation is activations.linear
