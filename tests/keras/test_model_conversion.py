"""Models go to Keras and come back in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import feasible
from feasible import InvalidArgumentError, MaxNorm, NonNeg, RadialConstraint, Sequential, UnitNorm
from feasible.keras import from_keras, to_keras
from feasible.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Input,
    Layer,
)

GOLDEN = Path(__file__).parents[1] / "keras" / "golden"


def ours() -> Sequential:
    return Sequential(
        [
            Input((6, 6, 2)),
            Conv2D(3, 3, kernel_constraint=RadialConstraint("mean")),
            Conv2DTranspose(2, 2, kernel_constraint=MaxNorm(0.5, axis="unit")),
            BatchNormalization(gamma_constraint=NonNeg()),
            Flatten(),
            Sequential([Dense(4, kernel_constraint=UnitNorm()), Dense(2, trainable=False)]),
        ]
    )


def test_there_and_back() -> None:
    model = ours()
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    model(x)  # in training, which moves the averages
    there = to_keras(model)
    assert isinstance(there, keras.Sequential)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(there.predict(x, verbose=0), expected, atol=1e-5)
    constraint = there.layers[1].kernel_constraint
    assert type(constraint) is keras.constraints.MaxNorm
    assert constraint.get_config() == {"max_value": 0.5, "axis": [0, 1, 3]}
    assert there.layers[0].kernel_constraint == RadialConstraint("mean")
    back = from_keras(there)
    assert not back.training
    np.testing.assert_array_equal(back.predict(x, verbose=0), expected)
    assert back.layers[1].kernel_constraint == MaxNorm(0.5, axis=(0, 1, 3))
    assert [layer.trainable for layer in back.layers[4].layers] == [True, False]


def test_they_share_no_memory() -> None:
    model = ours()
    there = to_keras(model)
    back = from_keras(there)
    before = there.get_weights()
    for one in (model, back):
        one.set_weights([np.zeros_like(weight) for weight in one.get_weights()])
    assert all(np.array_equal(a, b) for a, b in zip(before, there.get_weights(), strict=True))


def test_constraints_of_ours_come_from_keras_as_they_are() -> None:
    dense = keras.layers.Dense(2, kernel_constraint=MaxNorm(0.3, axis="unit"))
    model = from_keras(keras.Sequential([keras.Input((3,)), dense]))
    assert model.layers[0].kernel_constraint == MaxNorm(0.3, axis="unit")


def test_bfloat16() -> None:
    dense = keras.layers.Dense(2, dtype="bfloat16")
    model = from_keras(keras.Sequential([keras.Input((3,)), dense]))
    np.testing.assert_array_equal(
        model.get_weights()[0], keras.ops.convert_to_numpy(dense.kernel.value.float())
    )
    there = to_keras(model)
    assert there.layers[0].kernel.dtype == "bfloat16"
    np.testing.assert_array_equal(
        there.layers[0].kernel.value.float().detach(), dense.kernel.value.float().detach()
    )


def test_a_model_of_keras_2_goes_to_keras_3() -> None:
    model = feasible.load_model(GOLDEN / "eegnet.h5")
    x = np.random.default_rng(0).normal(size=(3, 4, 64, 1)).astype(np.float32)
    there = to_keras(model)
    np.testing.assert_allclose(there.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("model", [3, keras.Sequential([keras.layers.Dense(2)])], ids=["3", "new"])
def test_what_is_no_built_model_is_refused(model: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`model` must be a keras\.Model that is built"):
        from_keras(model)


def test_code_is_refused() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(abs, name="code")])
    with pytest.raises(ValueError, match="the layer 'code' is a Lambda, unknown here"):
        from_keras(model)


class Twice(Layer):
    def call(self, inputs: Any) -> Any:
        return 2 * inputs


class TwiceInKeras(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def test_layers_of_ones_own() -> None:
    model = Sequential([Dense(2, input_shape=(3,)), Twice()])
    there = to_keras(model, custom_objects={"Twice": TwiceInKeras})
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(there(x).detach(), model(x).detach(), atol=1e-6)
    back = from_keras(there, custom_objects={"TwiceInKeras": Twice})
    np.testing.assert_allclose(back(x).detach(), model(x).detach(), atol=1e-6)


def test_what_is_not_built_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be taken to Keras before they are made"):
        to_keras(Sequential([Dense(2)]))
