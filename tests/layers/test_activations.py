"""Activations: Keras's names, values, gradients and JSON."""

from __future__ import annotations

import copy
import json
import pickle

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from feasible import layers
from feasible.arguments import InvalidArgumentError
from feasible.layers import activations

# This one of Keras's has arguments without defaults, so that no layer can use it by its name.
KERAS = sorted(set(keras.src.activations.ALL_OBJECTS_DICT) - {"threshold"})


@activations.register(package="tests")
def double(x):
    return 2 * x


@activations.register(package="tests", name="Shifted")
class Shift(layers.Layer):
    def __init__(self, by=1.0, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def call(self, inputs):
        return inputs + self.by


# Keras's sparsemax sums sums: of (1, 1, 1) it makes (0, 0, 0).
@pytest.mark.parametrize("name", sorted({*KERAS} - {"sparsemax"}))
def test_each_is_keras_own(name):
    values = np.concatenate([np.linspace(-9, 9, 60), [-3.0, -1.0, -0.5, 0.5, 1.0, 3.0, 6.0]])
    values = np.append(values, [-100.0, -30.0, 30.0, 60.0, 7.25]).reshape(8, 9).astype(np.float32)
    values = values if name != "glu" else np.hstack([values, values[::-1]])
    ours, theirs = (torch.tensor(values, requires_grad=True) for _ in range(2))
    our_y, their_y = activations.get(name)(ours), keras.activations.get(name)(theirs)
    torch.testing.assert_close(our_y, their_y, rtol=1e-5, atol=1e-5)
    weights = torch.linspace(-1, 2, our_y.numel()).reshape(our_y.shape)
    (our_y * weights).sum().backward()
    (their_y * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", KERAS)
def test_each_is_saved_as_keras_saves_it_and_found_again(name):
    saved = activations.serialize(activations.get(name))
    assert saved == keras.activations.serialize(keras.activations.get(name))
    assert activations.get(saved) is activations.get(name)
    whole = {"module": "builtins", "class_name": "function", "config": saved}
    assert activations.get(whole) is activations.get(name)


@pytest.mark.parametrize("name", KERAS)
def test_each_can_be_pickled_and_copied(name):
    function = activations.get(name)
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function


@pytest.mark.parametrize("arguments", [{}, {"negative_slope": 0.3}], ids=str)
@pytest.mark.parametrize("threshold", [0.0, 1.0])
@pytest.mark.parametrize("max_value", [None, 0.0, 2.5, 6])
def test_relu_is_keras_own(arguments, threshold, max_value):
    x = torch.tensor([-np.inf, -7.0, -0.5, 0.0, 0.5, 1.5, 2.5, 7.0, np.inf])
    arguments = {**arguments, "max_value": max_value, "threshold": threshold}
    torch.testing.assert_close(
        activations.relu(x, **arguments), keras.activations.relu(x, **arguments)
    )


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_sparsemax_is_the_nearest_point_of_the_simplex(size):
    x = torch.tensor(np.random.default_rng(size).normal(size=(20, size)) * 2)
    y = activations.sparsemax(x)
    assert bool((y >= 0).all())
    torch.testing.assert_close(y.sum(-1), torch.ones(20, dtype=torch.float64))
    # What is moved to is as far for each entry that is not zero, and nearer for the others.
    shift = x - y
    common = shift.masked_fill(y == 0, -np.inf).max(-1, keepdim=True).values
    assert bool((shift <= common + 1e-12).all())
    assert bool(((shift - common).abs()[y > 0] < 1e-12).all())


def test_none_is_linear():
    assert activations.get(None) is activations.linear
    assert activations.serialize(activations.linear) == "linear"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (functional.relu, "relu"),
        (torch.relu, "relu"),
        (torch.tanh, "tanh"),
        (functional.tanh, "tanh"),
        (torch.sigmoid, "sigmoid"),
        (functional.sigmoid, "sigmoid"),
        (torch.exp, "exponential"),
        (functional.gelu, "gelu"),
    ],
)
def test_functions_of_pytorch_are_saved_by_keras_names(function, name):
    assert activations.get(function) is function
    assert activations.serialize(function) == name


def test_a_registered_function_is_saved_by_its_name():
    saved = activations.serialize(double)
    keras.saving.register_keras_serializable("tests")(double)
    assert saved == keras.activations.serialize(double)
    assert activations.get(json.loads(json.dumps(saved))) is double
    assert activations.get("tests>double") is double


def test_a_registered_layer_is_saved_with_its_arguments():
    saved = activations.serialize(Shift(3.0))
    assert saved["registered_name"] == "tests>Shifted"
    found = activations.get(json.loads(json.dumps(saved)))
    assert type(found) is Shift
    assert found.by == 3.0


@pytest.mark.parametrize("layer", ["ReLU", "Softmax"])
def test_a_layer_is_saved_as_keras_saves_it(layer):
    arguments = {"max_value": 2.0} if layer == "ReLU" else {"axis": [1, 2]}
    saved = activations.serialize(getattr(layers, layer)(**arguments))
    theirs = keras.activations.serialize(getattr(keras.layers, layer)(**arguments))
    for config in (saved["config"], theirs["config"]):
        del config["name"], config["dtype"]
    assert saved == theirs
    found = activations.get(saved)
    assert type(found) is getattr(layers, layer)
    assert found.get_config()[next(iter(arguments))] == next(iter(arguments.values()))


@pytest.mark.parametrize(
    "activation", [lambda x: x, nn.GELU(), Shift], ids=["lambda", "module", "class"]
)
def test_what_could_not_be_found_again_is_not_saved(activation):
    with pytest.raises(InvalidArgumentError, match=r"activations\.register"):
        activations.serialize(activation)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("rellu", "Did you mean 'relu'"),
        ("xyzzy", "Known are celu, elu"),
        ("ReLU", "None, a name, a function"),
        (3, "activation=3"),
        (nn.ReLU, "None, a name, a function"),
        ({"class_name": "function", "config": "os.system"}, "Unknown activation 'os.system'"),
        ({"class_name": "LambdaLayer", "config": {}}, "Unknown activation 'LambdaLayer'"),
        ({"class_name": "relu", "config": {}}, "class_name"),
        ({}, "class_name"),
    ],
    ids=str,
)
def test_what_is_no_activation_is_refused(identifier, message):
    with pytest.raises(ValueError, match=message):
        activations.get(identifier)


def test_register_must_be_called():
    with pytest.raises(InvalidArgumentError, match="in parentheses"):
        activations.register(double)
