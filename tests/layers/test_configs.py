"""Arguments of layers: checked, saved as Keras saves them, and shown."""

from __future__ import annotations

import json

import keras
import pytest
import torch

from feasible import constraints, layers
from feasible.arguments import InvalidArgumentError
from feasible.constraints import MaxNorm
from feasible.layers import Dense, Dropout, Flatten, Layer

X = torch.randn(8, 3)


class Scale(Layer):
    def __init__(self, factor=2.0, *, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.offset = offset

    def call(self, inputs):
        return self.factor * inputs + self.offset


class TestName:
    def test_it_is_by_default_that_of_the_class(self):
        for name in layers.__all__:
            if isinstance(kind := getattr(layers, name), type) and kind is not layers.InputLayer:
                theirs = keras.src.utils.naming.to_snake_case(kind.__name__)
                assert layers.layer.checked_name(kind.__name__, None) == theirs

    def test_a_layer_says_whether_it_was_given_one(self):
        assert (Dense(1).name, Dense(1).named) == ("dense", False)
        assert (Dense(1, name="a").name, Dense(1, name="a").named) == ("a", True)

    @pytest.mark.parametrize("name", ["a/b", "", 3])
    def test_it_must_be_a_string_without_slashes(self, name):
        with pytest.raises(InvalidArgumentError, match="Dense: `name` must be a string without"):
            Dense(1, name=name)


class TestDtype:
    @pytest.mark.parametrize(
        "dtype",
        [
            "float64",
            torch.float64,
            keras.saving.serialize_keras_object(keras.DTypePolicy("float64")),
        ],
    )
    def test_it_may_be_a_name_a_dtype_or_a_policy_of_keras(self, dtype):
        layer = Dense(2, dtype=dtype)
        assert layer(X).dtype == torch.float64
        assert layer.get_config()["dtype"] == "float64"

    @pytest.mark.parametrize(
        "dtype", ["int32", "float", "mixed_float16", "x", 3, {}, {"config": 3}]
    )
    def test_it_must_be_floating(self, dtype):
        if dtype == "float":
            assert Dense(1, dtype=dtype).dtype == torch.float32
        else:
            with pytest.raises(
                InvalidArgumentError, match="Dense: `dtype` must be a floating dtype"
            ):
                Dense(1, dtype=dtype)


class TestConfig:
    def test_a_subclass_needs_none_of_its_own(self):
        layer = Scale(3.0, offset=1.0, name="s", trainable=False, dtype="float16")
        config = json.loads(json.dumps(layer.get_config()))
        assert config == {
            "name": "s",
            "trainable": False,
            "dtype": "float16",
            "factor": 3.0,
            "offset": 1.0,
        }
        other = Scale.from_config(config)
        assert other.get_config() == config
        assert repr(other) == "Scale(factor=3.0, offset=1.0)"

    def test_a_layer_without_arguments_has_those_of_every_layer(self):
        class Same(Layer):
            pass

        assert Same(input_shape=(3,)).get_config() == {
            "name": "same",
            "trainable": True,
            "dtype": None,
        }
        assert torch.equal(Same()(X), X)

    def test_a_function_that_cannot_be_saved_can_be_shown(self):
        layer = Dense(2, activation=torch.sin, kernel_initializer=torch.ones)
        assert "sin" in repr(layer)
        with pytest.raises(InvalidArgumentError, match=r"activations\.register"):
            layer.get_config()

    def test_constraints_are_saved_in_keras_form(self):
        config = Dense(2, kernel_constraint=MaxNorm(3)).get_config()
        assert config["kernel_constraint"] == constraints.serialize(MaxNorm(3))
        assert config["bias_constraint"] is None


class TestUnknownArguments:
    @pytest.mark.parametrize(
        ("kind", "arguments", "message"),
        [
            (
                Dense,
                {"kernel_constrain": None},
                "`kernel_constrain`. Did you mean `kernel_constraint`",
            ),
            (
                Dense,
                {"gamma_regularizer": "l2"},
                "`gamma_regularizer`",
            ),
            (Dense, {"quantization_config": {}}, "`quantization_config`"),
            (Dense, {"xyz": None}, "`xyz`. Known are units, activation, .* Received: xyz=None"),
            (Flatten, {"units": 3}, "`units`. Known are .* Received: units=3"),
            (Dropout, {"noise": 3}, "`noise`. Did you mean `noise_shape`"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_they_are_named(self, kind, arguments, message):
        required = {Dense: [2], Dropout: [0.5]}.get(kind, [])
        with pytest.raises(TypeError, match=f"{kind.__name__}: there is no argument {message}"):
            kind(*required, **arguments)

    def test_what_keras_switches_off_means_nothing(self):
        off = {"kernel_regularizer": None, "activity_regularizer": None, "lora_rank": None}
        assert Dense(2, **off, quantization_config=None).get_config() == Dense(2).get_config()


@pytest.mark.parametrize("shape", [8, (2.5,), "8", (0,), [-1]], ids=str)
def test_an_input_shape_must_be_sizes(shape):
    with pytest.raises(InvalidArgumentError, match="Dense: `input_shape` must be"):
        Dense(2, input_shape=shape)
