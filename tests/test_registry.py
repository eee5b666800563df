"""Names of classes and functions, and the JSON of what they make."""

from __future__ import annotations

import json

import numpy as np
import pytest

from feasible.arguments import InvalidArgumentError
from feasible.config_values import decode_value
from feasible.object_json import find_object, to_json
from feasible.registry import Registry


def double(x):
    return 2 * x


class Power:
    def __init__(self, exponent=2):
        self.exponent = exponent

    def __call__(self, x):
        return x**self.exponent

    def get_config(self):
        return {"exponent": self.exponent}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@pytest.fixture
def registry():
    registry = Registry(
        "activation",
        "keras.activations",
        base="Layer",
        decorator="feasible.layers.activations.register",
    )
    registry.add(double, "double", "twice")
    return registry


def test_of_several_names_the_first_is_written(registry):
    assert registry.find("twice") is registry.find("double") is double
    assert registry.name_of(double) == "double"


def test_functions_and_classes_of_a_user_are_found_by_their_full_names(registry):
    def halve(x):
        return x / 2

    assert registry.register("mine")(halve) is halve
    registry.register("mine", name="Root")(Power)
    assert registry.find("mine>halve") is halve
    config = to_json(registry, Power(0.5))
    assert config == {
        "module": __name__,
        "class_name": "Power",
        "config": {"exponent": 0.5},
        "registered_name": "mine>Root",
    }
    assert find_object(registry, config)(9.0) == 3.0
    assert to_json(registry, halve)["config"] == "mine>halve"


def test_classes_built_in_are_those_of_keras(registry):
    registry.add(Power, "Power")
    config = to_json(registry, Power(3))
    assert config["module"] == "keras.activations"
    assert config["registered_name"] is None
    assert find_object(registry, config)(2) == 8
    assert find_object(registry, {"class_name": "Power", "config": None})(3) == 9


def test_registering_again_replaces(registry):
    registry.register("mine", name="f")(double)
    registry.register("mine", name="f")(abs)
    assert registry.find("mine>f") is abs


def test_what_is_no_name_or_config_comes_back(registry):
    assert find_object(registry, double) is double
    assert find_object(registry, 3) == 3


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"class_name": 3, "config": {}},
        {"class_name": "double", "config": {}},
        {"class_name": "double", "config": {}, "registered_name": ["double"]},
        {"class_name": "function", "config": {}},
    ],
    ids=str,
)
def test_a_dict_must_be_a_config(registry, config):
    with pytest.raises(ValueError, match="activation"):
        find_object(registry, config)


def test_a_class_is_not_saved_as_an_instance(registry):
    registry.add(Power, "Power")
    with pytest.raises(InvalidArgumentError, match=r"feasible\.layers\.activations\.register"):
        to_json(registry, Power)


def test_what_cannot_be_hashed_has_no_name(registry):
    assert registry.name_of([]) is None


def test_what_keras_lacks_is_written_as_ours(registry):
    registry.add(Power, "Power", of_keras=False)
    config = to_json(registry, Power(3))
    assert (config["module"], config["registered_name"]) == (
        "feasible.activations",
        "feasible>Power",
    )
    assert find_object(registry, config)(2) == 8


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("MSE", "mean_squared_error"), ("MeanSquaredError", "mean_squared_error"), ("L1", "l1")],
)
def test_capitals_and_underscores_may_make_no_difference(wanted, name):
    losses = Registry("loss", "keras.losses", any_case=True)
    losses.add(double, "mean_squared_error", "mse")
    losses.add(abs, "l1")
    assert losses.name_of(losses.find(wanted)) == name
    with pytest.raises(ValueError, match="Did you mean 'mean_squared_error'"):
        losses.find("mean_square_error")


def test_an_alias_is_listed_once_with_what_it_resembles(registry):
    registry.add(Power, "PowerOf", "powerof")
    with pytest.raises(ValueError, match=r"Known are double, twice, PowerOf\."):
        registry.find("xyz")


def test_followers_learn_of_what_is_registered_before_and_after(registry):
    registry.register("mine")(abs)
    told = []
    registry.when_added(lambda package, name, thing: told.append((package, name, thing)))
    registry.register("mine")(max)
    assert told == [("feasible", "double", double), ("mine", "abs", abs), ("mine", "max", max)]


def test_arrays_are_written_and_read_by_content(registry):
    registry.add(Power, "Power")
    config = json.loads(json.dumps(to_json(registry, Power(np.array([1, 2], "int8")))))
    assert config["config"]["exponent"] == {
        "class_name": "__numpy__",
        "config": {"value": [1, 2], "dtype": "int8"},
    }
    found = decode_value(config["config"]["exponent"])
    assert (found.dtype, found.tolist()) == (np.int8, [1, 2])
    assert decode_value({"deep": [config["config"]["exponent"]]})["deep"][0].shape == (2,)


@pytest.mark.parametrize(
    "config",
    [
        {"value": [1], "dtype": "U1000000000"},
        {"value": [300], "dtype": "int8"},
        {"value": [[1], [1, 2]], "dtype": "float32"},
        {"value": ["a"], "dtype": "float32"},
        {"value": [1], "dtype": "object"},
        {"value": [1], "dtype": None},
        {"value": [1], "dtype": ["a"]},
        {"value": {}, "dtype": "float32"},
    ],
    ids=str,
)
def test_what_is_no_array_of_numbers_is_refused(config):
    with pytest.raises(ValueError, match="array"):
        decode_value({"class_name": "__numpy__", "config": config})
