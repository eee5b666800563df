"""Our constraints in layers of Keras itself, on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import feasible.keras

assert "keras" not in sys.modules  # the other order of imports is that of test_units.py

# ruff: noqa: E402
import keras
import numpy as np
import pytest

import feasible.constraints
from feasible import (
    Constraint,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    RadialConstraint,
    UnitNorm,
    ops,
)

layers = keras.layers
BACKEND = keras.backend.backend()
COMPILED = {"torch": [False], "jax": [True], "tensorflow": [False, True]}[BACKEND]


@feasible.constraints.register(package="inside")
class AtMost(Constraint):
    """Clip entries from above, by the functions that are the same on all backends."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, w: Any) -> Any:
        return ops.minimum(w, self.bound)

    def get_config(self) -> dict[str, Any]:
        return {"bound": self.bound}


@feasible.constraints.register(package="inside")
def halved(w: Any) -> Any:
    return keras.ops.multiply(w, 0.5)


CONSTRAINTS = [
    MaxNorm(0.4, axis="unit"),
    MinMaxNorm(0.2, 0.4, axis="unit"),
    UnitNorm(axis="unit"),
    NonNeg(),
    RadialConstraint("mean"),
    RadialConstraint(),
    AtMost(0.01),
]


def values(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def images(*constraints: Any) -> keras.Model:
    """A model with a convolution for each constraint, side by side."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((7, 7, 2))
    branches = [layers.Conv2D(4, 3, kernel_constraint=one)(inputs) for one in constraints]
    outputs = layers.Dense(2)(layers.Flatten()(layers.Concatenate()([*branches, *branches])))
    return keras.Model(inputs, outputs)


def convolutions(model: keras.Model) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]


def fit(model: keras.Model, compiled: bool = BACKEND != "torch", **options: Any) -> None:
    model.compile(options.pop("optimizer", "sgd"), "mse", jit_compile=compiled)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(16, 7, 7, 2)).astype("float32")
    y = generator.normal(size=(16, 2)).astype("float32")
    model.fit(x, y, batch_size=4, verbose=0, **options)


@pytest.mark.parametrize("compiled", COMPILED)
def test_weights_are_feasible_after_fit(compiled: bool) -> None:
    model = images(*CONSTRAINTS)
    before = [values(layer.kernel) for layer in convolutions(model)]
    fit(model, compiled)
    for layer, start in zip(convolutions(model), before, strict=True):
        kernel = values(layer.kernel)
        np.testing.assert_array_equal(kernel, layer.kernel.constraint(kernel))
        assert np.abs(kernel - start).max() > 1e-3


def test_constraints_survive_saving(tmp_path: Path) -> None:
    model = images(*CONSTRAINTS, halved)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for layer, again in zip(convolutions(model), convolutions(loaded), strict=True):
        assert again.kernel_constraint == layer.kernel_constraint
        assert type(again.kernel_constraint) is type(layer.kernel_constraint)
        assert again.kernel.constraint == layer.kernel.constraint
        np.testing.assert_array_equal(values(again.kernel), values(layer.kernel))


def test_what_is_registered_later_is_known_too() -> None:
    @feasible.constraints.register(package="later")
    class Late(AtMost):
        pass

    entry = keras.saving.serialize_keras_object(Late(2.0))
    assert entry["registered_name"] == "later>Late"
    assert keras.constraints.get(entry) == Late(2.0)
    assert feasible.constraints.get(entry) == Late(2.0)


def test_what_keras_has_stays_its_own() -> None:
    layer = layers.Dense(2, kernel_constraint="max_norm")
    layer.build((None, 3))
    assert type(layer.kernel_constraint) is keras.constraints.MaxNorm
    assert layer.kernel.constraint is layer.kernel_constraint


def test_a_feasible_weight_stays_bit_for_bit_where_kerass_own_drifts() -> None:
    kernels = {}
    for kind in (feasible.MaxNorm, keras.constraints.MaxNorm):
        model = images(kind(0.4, axis=(0, 1, 2)))
        convolutions(model)[0].kernel.assign(
            feasible.MaxNorm(0.3, axis="unit")(values(convolutions(model)[0].kernel))
        )
        before = values(convolutions(model)[0].kernel)
        fit(model, optimizer=keras.optimizers.SGD(0.0), epochs=5)
        kernels[kind] = np.array_equal(values(convolutions(model)[0].kernel), before)
    assert kernels == {feasible.MaxNorm: True, keras.constraints.MaxNorm: False}


def test_under_gradient_accumulation_keras_decides_when() -> None:
    """Keras calls constraints on each micro-batch, which an exact projection does not mind."""
    model = images(MaxNorm(0.4, axis="unit"))
    fit(model, optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    norms = np.sqrt(np.sum(np.square(values(convolutions(model)[0].kernel)), axis=(0, 1, 2)))
    assert norms.max() <= 0.4 * (1 + 1e-6)


def test_a_variable_alone_has_no_units() -> None:
    variable = keras.Variable(np.ones((3, 2), "float32"), name="alone")
    assert values(MaxNorm(1)(variable)).tolist() == MaxNorm(1)(np.ones((3, 2), "float32")).tolist()
    with pytest.raises(ValueError, match=r"the layer of the Keras variable alone\. Import feas"):
        MaxNorm(1, axis="unit")(variable)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_results_have_the_dtype_of_the_variable(dtype: str) -> None:
    variable = keras.Variable(np.ones((3, 2)), dtype=dtype)
    for constraint in (MaxNorm(1), NonNeg()):
        assert keras.backend.standardize_dtype(constraint(variable).dtype) == dtype
