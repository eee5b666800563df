"""Input and InputLayer: sizes, and Keras's configs."""

from __future__ import annotations

import json

import keras
import pytest

from feasible.arguments import InvalidArgumentError
from feasible.layers import Input, InputLayer


@pytest.mark.parametrize(
    "arguments",
    [
        {"shape": (784,)},
        {"shape": [28, 28, 1], "batch_size": 32},
        {"shape": (None, 3), "dtype": "int32", "name": "ids"},
        {"batch_shape": (None, 8)},
        {"batch_shape": [4, None]},
        {"shape": ()},
    ],
    ids=str,
)
def test_the_config_is_keras_own(arguments):
    ours, theirs = InputLayer(**arguments), keras.layers.InputLayer(**arguments)
    if "name" not in arguments:
        theirs.name = "input_layer"
    saved = json.loads(json.dumps(ours.get_config()))
    whole = json.loads(json.dumps(theirs.get_config()))
    assert saved.items() <= whole.items()
    assert InputLayer.from_config(whole).get_config() == saved
    assert keras.layers.InputLayer.from_config(saved).get_config() == theirs.get_config()
    assert ours.batch_shape == theirs.batch_shape
    assert Input(**arguments).dtype == theirs.dtype


def test_an_input_stands_for_the_tensor_of_its_layer():
    stands = Input((3,), 2)
    assert isinstance(stands.node.module, InputLayer)
    assert (stands.shape, stands.dtype) == ((2, 3), "float32")
    assert repr(stands.node.module) == "Input(batch_shape=(2, 3), dtype='float32')"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`shape` must be"),
        ({"shape": (1,), "batch_shape": (1, 1)}, "`shape` must be"),
        ({"shape": 784}, r"a tuple of sizes, such as \(784,\)\. Received: shape=784"),
        ({"shape": "784"}, "`shape` must be"),
        ({"shape": (-1,)}, "`shape` must be an integer"),
        ({"shape": (2.5,)}, "`shape` must be an integer"),
        ({"shape": (2,), "batch_size": 0}, "`batch_size` must be"),
        ({"batch_shape": (2, 2), "batch_size": 2}, "`batch_size` must be"),
        ({"shape": (2,), "dtype": "string"}, "`dtype` must be"),
        ({"shape": (2,), "dtype": "float"}, "`dtype` must be"),
        ({"shape": (2,), "name": "a/b"}, "`name` must be"),
    ],
    ids=str,
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Input(**arguments)


@pytest.mark.parametrize("argument", ["sparse", "ragged", "optional"])
def test_what_keras_has_beyond_is_refused(argument):
    with pytest.raises(TypeError, match=f"InputLayer: there is no argument `{argument}`"):
        Input((3,), **{argument: True})
