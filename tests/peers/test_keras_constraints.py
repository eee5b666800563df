"""Keras: equal where it is right, and better where it was measured to fall short."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import keras
import keras.src.constraints
import numpy as np
import pytest
import torch

import feasible.constraints
from feasible.constraints import (
    Constraint,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    UnitNorm,
    deserialize,
    register,
    serialize,
)
from feasible.constraints.names import CONSTRAINTS


def as_keras(constraint: Constraint) -> Any:
    return keras.constraints.deserialize(json.loads(json.dumps(serialize(constraint))))


def by_keras(constraint: Constraint, values: np.ndarray) -> np.ndarray:
    return as_keras(constraint)(torch.tensor(values)).numpy()


def norm(values: Any) -> np.ndarray:
    return np.sqrt(np.sum(np.square(np.asarray(values, np.float64)), axis=0))


def test_keras_own_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(keras.src.constraints.__file__).parent / "constraints_test.py"
    monkeypatch.setattr(keras.src, "constraints", feasible.constraints)
    spec = importlib.util.spec_from_file_location("constraints_test_of_keras", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.constraints is feasible.constraints
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    assert [text for _, text in result.failures + result.errors] == []
    assert (result.testsRun, result.skipped) == (17, [])


SHAPES = {(4, 5): (0, 1, (0,), (0, 1), (-1,)), (3, 3, 4, 5): (0, (0, 1, 2), (0, 1), -1, (1, 3))}
EQUAL = [
    constraint
    for kind, arguments in (
        (MaxNorm, {"max_value": 1.5}),
        (MinMaxNorm, {"min_value": 1.0, "max_value": 1.5}),
        (MinMaxNorm, {"min_value": 1.0, "max_value": 1.5, "rate": 0.5}),
        (UnitNorm, {}),
    )
    for shape, axes in SHAPES.items()
    for axis in axes
    for constraint in [(kind(**arguments, axis=axis), shape)]
] + [(constraint, shape) for constraint in (NonNeg(), Constraint()) for shape in SHAPES]


@pytest.mark.parametrize(("constraint", "shape"), EQUAL, ids=str)
def test_equal_on_ordinary_weights(constraint: Constraint, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = by_keras(constraint, values)
    np.testing.assert_allclose(constraint(values), expected, atol=1e-5)
    np.testing.assert_allclose(constraint(torch.tensor(values)), expected, atol=1e-5)


@pytest.mark.parametrize("axes", [(0,), (0, 1), ()])
def test_unit_axis_resolved_for_keras(axes: tuple[int, ...]) -> None:
    constraint = MaxNorm(0.5, axis="unit").resolve(axes)
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(by_keras(constraint, values), constraint(values), atol=1e-5)


CONFIGS = [
    MaxNorm(2),
    MaxNorm(2.5, axis=None),
    MinMaxNorm(0.5, 2.0, rate=0.3, axis=[0, 1, 2]),
    NonNeg(),
    UnitNorm(axis=-1),
    UnitNorm(axis=()),
    Constraint(),
]


@pytest.mark.parametrize("constraint", CONFIGS, ids=repr)
def test_configs_both_ways(constraint: Constraint) -> None:
    theirs = as_keras(constraint)
    assert type(theirs) is getattr(keras.constraints, type(constraint).__name__)
    assert theirs.get_config() == constraint.get_config()
    written = keras.constraints.serialize(theirs)
    assert written == serialize(constraint)
    for found in (written, json.loads(json.dumps(written)), keras.constraints.get(written)):
        config = found if isinstance(found, dict) else keras.constraints.serialize(found)
        assert deserialize(config) == constraint


def test_config_of_a_layer_of_keras() -> None:
    layer = keras.layers.Dense(
        2, kernel_constraint=keras.constraints.MaxNorm(2, axis=(0,)), bias_constraint="non_neg"
    )
    config = json.loads(json.dumps(layer.get_config()))
    assert deserialize(config["kernel_constraint"]) == MaxNorm(2, axis=(0,))
    assert deserialize(config["bias_constraint"]) == NonNeg()
    config["kernel_constraint"] = serialize(UnitNorm(axis=(0, 1)))
    theirs = keras.layers.Dense.from_config(config).kernel_constraint
    assert isinstance(theirs, keras.constraints.UnitNorm)
    assert theirs.axis == [0, 1]


@pytest.mark.parametrize("name", sorted(keras.src.constraints.ALL_OBJECTS_DICT))
def test_every_string_of_keras(name: str) -> None:
    theirs = keras.constraints.serialize(keras.constraints.get(name))
    assert serialize(feasible.constraints.get(name)) == theirs


def test_a_constraint_of_keras_in_ours() -> None:
    theirs = keras.constraints.MaxNorm(2, axis=1)
    assert feasible.constraints.get(theirs) is theirs
    assert deserialize(serialize(theirs)) == MaxNorm(2, axis=1)


@pytest.fixture
def _registries(monkeypatch: pytest.MonkeyPatch) -> None:
    registration = keras.src.saving.object_registration
    monkeypatch.setattr(CONSTRAINTS, "_registered", {})
    monkeypatch.setattr(CONSTRAINTS, "_written", dict(CONSTRAINTS._written))
    for name in ("GLOBAL_CUSTOM_OBJECTS", "GLOBAL_CUSTOM_NAMES"):
        monkeypatch.setattr(registration, name, {})


@pytest.mark.usefixtures("_registries")
@pytest.mark.parametrize("module", [__name__, "__main__"])
def test_registered_objects_are_written_as_keras_does(module: str) -> None:
    def get_config(self: Any) -> dict[str, Any]:
        return {"bound": self.bound}

    def init(self: Any, bound: float) -> None:
        self.bound = bound

    def call(self: Any, w: Any) -> Any:
        return w

    members = {"__init__": init, "__call__": call, "get_config": get_config, "__module__": module}
    ours = register("mypkg")(type("Mine", (Constraint,), members))
    theirs = keras.saving.register_keras_serializable("mypkg")(
        type("Mine", (keras.constraints.Constraint,), members)
    )
    assert serialize(ours(2)) == keras.constraints.serialize(theirs(2))
    assert keras.constraints.deserialize(serialize(ours(3))).bound == 3
    assert deserialize(keras.constraints.serialize(theirs(3))) == ours(3)

    function = types.FunctionType(call.__code__, {}, "function_of_mine")
    for decorate in (register("mypkg"), keras.saving.register_keras_serializable("mypkg")):
        assert decorate(function) is function
    assert serialize(function) == keras.constraints.serialize(function)
    assert keras.constraints.deserialize(serialize(function)) is function
    assert deserialize(keras.constraints.serialize(function)) is function


# Where Keras falls short. Each test shows that it does, so that it fails when Keras mends it.


def test_keras_max_norm_is_not_idempotent() -> None:
    values = np.random.default_rng(0).normal(size=(64, 100)).astype(np.float32)
    once = by_keras(MaxNorm(2), values)
    assert (by_keras(MaxNorm(2), once) != once).any()
    ours = MaxNorm(2)(values)
    assert MaxNorm(2)(ours).tobytes() == ours.tobytes()


def test_a_feasible_norm_decays_in_keras() -> None:
    values = torch.tensor([[0.06], [0.08]])
    theirs, ours, keras_constraint = values, values, as_keras(MaxNorm(2))
    for _ in range(10_000):
        theirs = keras_constraint(theirs)
    for _ in range(100):
        ours = MaxNorm(2)(ours)
    assert norm(theirs) == pytest.approx(0.09905, abs=1e-4)
    assert torch.equal(ours, values)


def test_keras_leaves_columns_above_the_bound() -> None:
    # Of ordinary weights fewer, because it divides by a little more than the norm.
    values = np.random.default_rng(0).normal(size=(64, 1000)).astype(np.float32) * 100
    above = np.mean(norm(by_keras(MaxNorm(2), values)) > 2)
    assert 0.3 < above < 0.7
    assert not (norm(MaxNorm(2)(values)) > 2).any()


@pytest.mark.parametrize(("dtype", "size"), [("float16", 316.0), ("float32", 1e30)])
def test_keras_makes_large_vectors_zero(dtype: str, size: float) -> None:
    values = np.full((2, 1), size, dtype)
    assert norm(by_keras(MaxNorm(2), values)) == 0
    assert norm(MaxNorm(2)(values)) == pytest.approx(2, rel=1e-3)


def test_keras_misses_the_bound_from_tiny_vectors() -> None:
    values = np.array([[0.6e-7], [0.8e-7]], np.float32)
    assert norm(by_keras(MinMaxNorm(1, 2), values)) == pytest.approx(0.5, rel=1e-3)
    assert norm(MinMaxNorm(1, 2)(values)) == pytest.approx(1, rel=1e-6)


BAD_ARGUMENTS = [
    ("MinMaxNorm", {"min_value": 2, "max_value": 1}),
    ("MaxNorm", {"max_value": -1}),
    ("MaxNorm", {"max_value": "2"}),
    ("MinMaxNorm", {"rate": 2}),
    ("UnitNorm", {"axis": "a"}),
]


@pytest.mark.parametrize(("name", "arguments"), BAD_ARGUMENTS)
def test_keras_accepts_what_cannot_be(name: str, arguments: dict[str, Any]) -> None:
    getattr(keras.constraints, name)(**arguments)
    with pytest.raises(ValueError, match=next(iter(arguments))):
        getattr(feasible.constraints, name)(**arguments)


ON_JAX = """
import json, keras, numpy as np, feasible.constraints as ours
zeros, results = np.zeros((3, 1), "float16"), {}
for constraint in (ours.UnitNorm(), ours.MinMaxNorm(1, 2)):
    array = keras.ops.convert_to_tensor(zeros)
    theirs = keras.constraints.deserialize(ours.serialize(constraint))
    name = type(constraint).__name__
    results[name] = [np.isnan(theirs(array)).any().item(), np.any(constraint(array)).item()]
print(json.dumps(results))
"""


def test_zero_column_in_float16_is_nan_in_keras_on_jax() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"UnitNorm": [True, False], "MinMaxNorm": [True, False]}
