"""Layers are written as Keras writes them, and read from what it writes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from feasible import MaxNorm, NonNeg, layers
from feasible.layers import Conv2D, Dense, InputLayer, Layer
from feasible.layers.nested import LAYERS
from feasible.models.layer_config import (
    check_entry,
    layer_config,
    layer_from_config,
)

BUILT_IN = {kind.__name__: kind for kind in LAYERS.things}


def built(layer: Layer, shape: tuple[int, ...]) -> Layer:
    layer(np.ones((1, *shape), np.float32))
    return layer


def test_a_layer_is_written_as_keras_writes_it() -> None:
    layer = built(Dense(2, kernel_constraint=MaxNorm(axis="unit"), name="last"), (3,))
    entry = layer_config(layer, torch.float32)
    config = entry.pop("config")
    assert entry == {
        "module": "keras.layers",
        "class_name": "Dense",
        "registered_name": None,
        "build_config": {"input_shape": [None, 3]},
    }
    assert (config["name"], config["units"], config["activation"]) == ("last", 2, "linear")
    assert config["dtype"]["config"] == {"name": "float32"}
    assert config["kernel_constraint"] == {
        "module": "keras.constraints",
        "class_name": "MaxNorm",
        "config": {"max_value": 2, "axis": [0]},
        "registered_name": None,
    }
    assert json.loads(json.dumps(config)) == config


def test_a_layer_without_weights_has_nothing_to_build() -> None:
    assert "build_config" not in layer_config(built(layers.ReLU(), (3,)), torch.float32)


def test_the_constraint_of_a_bias_that_is_switched_off_stays_an_argument() -> None:
    layer = Conv2D(2, 1, use_bias=False, bias_constraint=MaxNorm(3, axis="unit"))
    config = layer_config(built(layer, (4, 4, 1)), torch.float32)["config"]
    assert config["bias_constraint"]["config"] == {"max_value": 3, "axis": []}


def test_the_constraint_that_is_written_is_the_one_that_acts() -> None:
    layer = built(Dense(2, kernel_constraint=MaxNorm(3)), (3,))
    layer.kernel_constraint = NonNeg()
    config = layer_config(layer, torch.float32)["config"]
    assert config["kernel_constraint"]["class_name"] == "NonNeg"


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"InputLayer", "Lambda"}))
def test_each_layer_is_known_under_keras_name(name: str) -> None:
    arguments = {
        "axes": 1,
        "dims": [1],
        "n": 2,
        "scale": 2.0,
        "stddev": 0.5,
        "units": 2,
        "filters": 2,
        "kernel_size": 2,
        "pool_size": 2,
        "rate": 0.5,
        "activation": "relu",
        "target_shape": [1],
        "input_dim": 2,
        "output_dim": 2,
        "equation": "ab,bc->ac",
        "output_shape": [2],
        "num_heads": 2,
        "key_dim": 2,
        "head_dim": 2,
        "num_query_heads": 2,
        "num_key_value_heads": 1,
        "cell": {"class_name": "GRUCell", "config": {"units": 2, "dtype": "float32"}},
        "cells": [{"class_name": "LSTMCell", "config": {"units": 2, "dtype": "float32"}}],
        "layer": {"class_name": "LSTM", "config": {"units": 2, "dtype": "float32"}},
    }
    required = layers.configs.layer_arguments(BUILT_IN[name])
    config = {
        argument: arguments[argument]
        for argument, default in required.items()
        if argument in arguments and default is not None
    }
    entry = {"module": "keras.layers", "class_name": name, "config": config}
    layer = layer_from_config(entry, {})
    assert type(layer) is BUILT_IN[name]
    again = layer_from_config(layer_config(layer, torch.float32), {})
    assert {**again.get_config(), "dtype": None} == layer.get_config()


def test_an_input_is_no_layer_but_is_read() -> None:
    config = {"batch_shape": [None, 3], "dtype": "float32", "sparse": False, "ragged": False}
    entry = {"module": "keras.layers", "class_name": "InputLayer", "config": config}
    assert isinstance(layer_from_config(entry, {}), InputLayer)


class Mine(Dense):
    """A layer of a user's."""


def test_a_users_own_class_comes_before_one_of_ours() -> None:
    entry = {"module": "mine", "class_name": "Dense", "config": {"units": 2}}
    assert type(layer_from_config(entry, {"Dense": Mine})) is Mine
    entry["registered_name"] = "mine>Dense"
    assert type(layer_from_config(entry, {"mine>Dense": Mine})) is Mine
    with pytest.raises(ValueError, match=r"custom_objects=\{'mine>Dense': \.\.\.\}"):
        layer_from_config(entry, {})


def test_the_name_of_a_class_is_ascii() -> None:
    layer = type("Größe", (Layer,), {})(name="size")
    with pytest.raises(ValueError, match="size: the name of its class must be ASCII"):
        layer_config(layer, torch.float32)


def test_a_class_that_is_no_layer_is_none() -> None:
    entry = {"module": "mine", "class_name": "Popen", "config": {}}
    with pytest.raises(ValueError, match="is a Popen, unknown here"):
        layer_from_config(entry, {"Popen": dict})


def twice(x: Any) -> Any:
    return 2 * x


class Twos:
    """An initializer of a user's."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return torch.full(shape, 2.0, dtype=dtype)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Twos:
        return cls(**config)


@pytest.mark.parametrize(
    "activation",
    [
        "twice",
        {"module": "m", "class_name": "function", "config": "twice", "registered_name": "twice"},
    ],
)
def test_functions_and_initializers_are_found_among_custom_objects(activation: Any) -> None:
    initializer = {"class_name": "Twos", "config": {"count": 3}, "registered_name": "m>Twos"}
    config = {"units": 1, "activation": activation, "kernel_initializer": initializer}
    entry = {"module": "keras.layers", "class_name": "Dense", "config": config}
    layer = layer_from_config(entry, {"twice": twice, "m>Twos": Twos})
    assert layer.activation is twice
    assert layer.kernel_initializer.count == 3
    with pytest.raises(ValueError, match="twice"):
        layer_from_config(entry, {})


@pytest.mark.parametrize(
    "entry",
    [None, [], {}, {"class_name": "Dense"}, {"class_name": 1, "config": {}}],
)
def test_what_describes_nothing_is_refused(entry: Any) -> None:
    with pytest.raises(ValueError, match="each layer must be a dict"):
        check_entry(entry)
