"""Names of functions and classes, and configs of what they make."""

from __future__ import annotations

import pytest

from feasible.arguments import InvalidArgumentError
from feasible.layers.registration import Registry


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
    return Registry("activation", "keras.activations", {"double": double, "twice": double})


def test_of_several_names_the_first_is_written(registry):
    assert registry.find("twice") is registry.find("double") is double
    assert registry.name_of(double) == "double"


def test_functions_and_classes_of_a_user_are_found_by_their_full_names(registry):
    def halve(x):
        return x / 2

    assert registry.register("mine")(halve) is halve
    registry.register("mine", name="Root")(Power)
    assert registry.find("mine>halve") is halve
    config = registry.config_of(Power(0.5))
    assert config == {
        "module": __name__,
        "class_name": "Power",
        "config": {"exponent": 0.5},
        "registered_name": "mine>Root",
    }
    assert registry.find(config)(9.0) == 3.0
    assert registry.config_of(halve)["config"] == "mine>halve"


def test_classes_built_in_are_those_of_keras(registry):
    registry.add("Power", Power)
    config = registry.config_of(Power(3))
    assert config["module"] == "keras.activations"
    assert config["registered_name"] is None
    assert registry.find(config)(2) == 8
    assert registry.find({"class_name": "Power", "config": None})(3) == 9


def test_registering_again_replaces(registry):
    registry.register("mine", name="f")(double)
    registry.register("mine", name="f")(abs)
    assert registry.find("mine>f") is abs


def test_what_is_no_name_or_config_comes_back(registry):
    assert registry.find(double) is double
    assert registry.find(3) == 3


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
        registry.find(config)


def test_a_class_is_not_saved_as_an_instance(registry):
    registry.add("Power", Power)
    with pytest.raises(InvalidArgumentError, match=r"feasible\.layers\.activations\.register"):
        registry.config_of(Power)


def test_what_cannot_be_hashed_has_no_name(registry):
    assert registry.name_of([]) is None
