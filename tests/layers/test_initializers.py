"""Initializers: Keras's names, distributions and JSON."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import product

import keras
import numpy as np
import pytest
import torch
from scipy import stats

from feasible.arguments import InvalidArgumentError
from feasible.layers import initializers

PRESETS = [
    f"{author}{shape}" for author in ("Glorot", "He", "Lecun") for shape in ("Normal", "Uniform")
]
DRAWN = [
    ("RandomNormal", {}),
    ("RandomNormal", {"mean": -1.0, "stddev": 2.0}),
    ("RandomUniform", {}),
    ("RandomUniform", {"minval": -1.0, "maxval": 3.0}),
    ("TruncatedNormal", {}),
    ("TruncatedNormal", {"mean": 3.0, "stddev": 0.5}),
    *((name, {}) for name in PRESETS),
    ("HeNormal", {"input_axes": [0], "output_axes": [1]}),
    *(
        ("VarianceScaling", {"scale": scale, "mode": mode, "distribution": distribution})
        for scale, mode, distribution in product(
            (0.1, 2.0),
            ("fan_in", "fan_out", "fan_avg"),
            ("truncated_normal", "untruncated_normal", "uniform"),
        )
    ),
    ("Orthogonal", {}),
    ("Orthogonal", {"gain": 2.0}),
]
BOUNDED = ("truncated_normal", "uniform")
FIXED = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {}),
    ("Constant", {"value": -2.5}),
    ("Identity", {}),
]
# What Keras has for the STFTSpectrogram layer only is left out.
KERAS = sorted(
    name
    for name in keras.src.initializers.ALL_OBJECTS_DICT
    if "stft" not in name.lower() and name.lower() != "initializer"
)


@initializers.register(package="tests")
def halves(shape, dtype=None):
    return torch.full(shape, 0.5, dtype=dtype)


@initializers.register(package="tests", name="Ramp")
class Increasing(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return np.arange(np.prod(shape)).reshape(shape)


@pytest.mark.parametrize("shape", [(120, 40), (3, 3, 8, 40), (5000,)], ids=str)
@pytest.mark.parametrize(("name", "arguments"), DRAWN, ids=str)
def test_the_distribution_is_keras_own(name, arguments, shape):
    if len(shape) < 2 and ("input_axes" in arguments or name == "Orthogonal"):
        shape = (80, 20)
    torch.manual_seed(1)
    ours = getattr(initializers, name)(**arguments)(shape, torch.float32)
    theirs = getattr(keras.initializers, name)(**arguments, seed=2)(shape, "float32")
    assert tuple(ours.shape) == shape
    assert ours.dtype == torch.float32
    ours, theirs = ours.numpy().ravel(), theirs.numpy().ravel()
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    assert abs(ours.mean() - theirs.mean()) < 6 * theirs.std() / np.sqrt(ours.size)
    assert ours.std() == pytest.approx(theirs.std(), rel=0.06)
    if "Uniform" in name or "Truncated" in name or arguments.get("distribution") in BOUNDED:
        bounds = [ours.min(), ours.max()]
        assert bounds == pytest.approx(
            [theirs.min(), theirs.max()], abs=0.01 * float(np.ptp(theirs))
        )


@pytest.mark.parametrize("stddev", [0.0, 1.0, 0.05])
def test_nothing_lies_beyond_two_deviations(stddev):
    values = initializers.TruncatedNormal(1.0, stddev, seed=0)((100, 100), torch.float64)
    assert float((values - 1).abs().max()) <= 2 * stddev
    assert float((values - 1).abs().max()) >= 1.99 * stddev
    # The deviation of a standard normal variable between -2 and 2 is 0.87962566.
    assert float(values.std()) == pytest.approx(0.87962566 * stddev, rel=0.02)


def test_a_truncated_variance_is_the_one_that_was_asked_for():
    values = initializers.VarianceScaling(3.0, seed=0)((100, 1000))
    assert float(values.var()) == pytest.approx(3 / 100, rel=0.02)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((), {}),
        ((7,), {}),
        ((3, 5), {}),
        ((2, 3, 5), {}),
        ((3, 3, 4, 8), {}),
        ((2, 2, 2, 3, 4), {}),
        ((3, 4, 5), {"input_axes": [0, 1], "output_axes": [2]}),
        ((3, 4, 5), {"input_axes": [-1], "output_axes": [0, 1]}),
        ((3, 4, 5), {"input_axes": [-1]}),
    ],
    ids=str,
)
def test_units_are_counted_as_keras_counts_them(shape, axes):
    theirs = keras.src.initializers.random_initializers.compute_fans(shape, **axes)
    assert initializers.compute_fans(shape, **axes) == theirs


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6), (3, 3, 2, 5), (2, 2, 30)], ids=str)
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    matrix = initializers.Orthogonal(gain=3.0)(shape, torch.float64).flatten(0, -2)
    rows, columns = matrix.shape
    gram = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    torch.testing.assert_close(gram, 9 * torch.eye(min(rows, columns), dtype=torch.float64))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (0, 4)], ids=str)
@pytest.mark.parametrize(("name", "arguments"), FIXED, ids=str)
def test_what_is_not_drawn_is_what_keras_gives(name, arguments, shape, dtype):
    ours = getattr(initializers, name)(**arguments)(shape, getattr(torch, dtype))
    assert torch.equal(ours, getattr(keras.initializers, name)(**arguments)(shape, dtype))
    assert ours.dtype == getattr(torch, dtype)


@pytest.mark.parametrize(("name", "arguments"), DRAWN + FIXED, ids=str)
def test_the_config_is_keras_own(name, arguments):
    ours = getattr(initializers, name)(**arguments)
    saved = json.loads(json.dumps(initializers.serialize(ours)))
    theirs = keras.initializers.serialize(getattr(keras.initializers, name)(**arguments))
    if name == "Identity":
        theirs["config"] = {"gain": 1.0}  # Keras forgets it, but takes it.
    assert saved == theirs
    assert keras.initializers.deserialize(saved).get_config().items() <= saved["config"].items()
    assert initializers.get(saved) == ours


@pytest.mark.parametrize("name", KERAS)
def test_every_name_of_keras_is_known(name):
    arguments = {"value": 0.0} if name.lower() == "constant" else {}
    theirs = keras.initializers.deserialize({"class_name": name, "config": arguments})
    assert type(initializers.get(name)).__name__ == type(theirs).__name__
    assert initializers.get({"class_name": name, "config": {}}) == initializers.get(name)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_an_array_is_a_constant(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for constant in (initializers.get(array), initializers.get(torch.tensor(array))):
        assert constant((2, 3), torch.float64).tolist() == array.tolist()
        saved = json.loads(json.dumps(initializers.serialize(constant)))
        assert saved == keras.initializers.serialize(keras.initializers.Constant(array))
        assert initializers.get(saved) == constant
        with pytest.raises(ValueError, match=r"shape \(3, 2\).*shape \(2, 3\)"):
            constant((3, 2))


def test_arrays_of_keras_tensors_are_read():
    config = keras.initializers.serialize(keras.initializers.Constant(torch.arange(3.0)))
    assert initializers.get(config)((3,)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("name", "arguments"), DRAWN, ids=str)
def test_a_seed_gives_the_same_values_at_each_call(name, arguments):
    state = torch.get_rng_state()
    initializer = getattr(initializers, name)(**arguments, seed=-3)
    values = initializer((4, 5))
    assert torch.equal(values, initializer((4, 5)))
    assert torch.equal(values, copy.deepcopy(initializer)((4, 5)))
    assert torch.equal(values.to(torch.bfloat16), initializer((4, 5), torch.bfloat16))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(values, getattr(initializers, name)(**arguments, seed=4)((4, 5)))


@pytest.mark.parametrize(("name", "arguments"), DRAWN, ids=str)
def test_without_a_seed_they_come_from_the_generator_of_pytorch(name, arguments):
    initializer = getattr(initializers, name)(**arguments)
    torch.manual_seed(0)
    first, second = initializer((4, 5)), initializer((4, 5))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(initializer((4, 5)), first)


def test_the_dtype_is_by_default_that_of_pytorch():
    assert initializers.RandomNormal()((2,)).dtype == torch.float32


def test_they_are_values():
    assert initializers.HeNormal(seed=1) == initializers.HeNormal(1)
    assert initializers.HeNormal(seed=1) != initializers.HeNormal(2)
    assert initializers.HeNormal() != initializers.HeUniform()
    assert initializers.Zeros() != 0
    assert len({initializers.HeNormal(), initializers.HeNormal(), initializers.Zeros()}) == 2
    assert repr(initializers.Constant(0.5)) == "Constant(value=0.5)"
    assert pickle.loads(pickle.dumps(initializers.Constant([1.0]))) == initializers.Constant([1.0])


def test_a_registered_one_is_found_again():
    keras.saving.register_keras_serializable("tests")(halves)
    saved = initializers.serialize(halves)
    assert saved == keras.initializers.serialize(halves)
    assert initializers.get(saved) is halves
    saved = initializers.serialize(Increasing())
    assert saved["registered_name"] == "tests>Ramp"
    assert type(initializers.get(saved)) is Increasing


def test_what_could_not_be_found_again_is_not_saved():
    assert initializers.get(torch.ones) is torch.ones
    with pytest.raises(InvalidArgumentError, match=r"initializers\.register"):
        initializers.serialize(torch.ones)


class Unregistered(initializers.Initializer):
    pass


def test_one_that_is_not_registered_is_found_among_custom_objects():
    saved = initializers.serialize(Unregistered())
    with pytest.raises(ValueError, match="Unknown initializer 'Unregistered'"):
        initializers.get(saved)
    assert type(initializers.get(saved, {"Unregistered": Unregistered})) is Unregistered


def test_a_class_is_made_an_instance():
    assert initializers.get(initializers.Ones) == initializers.Ones()


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("glorotuniform", "Did you mean"),
        (None, "initializer=None"),
        (1.5, "initializer=1.5"),
        ({"class_name": "Ones", "config": 3}, "class_name"),
        ({"class_name": "SystemExit", "config": {}}, "Unknown initializer 'SystemExit'"),
    ],
    ids=str,
)
def test_what_is_no_initializer_is_refused(identifier, message):
    with pytest.raises(ValueError, match=message):
        initializers.get(identifier)


@pytest.mark.parametrize(
    ("name", "arguments", "argument"),
    [
        ("RandomNormal", {"stddev": -1.0}, "stddev"),
        ("TruncatedNormal", {"mean": "0"}, "mean"),
        ("RandomUniform", {"minval": 1.0, "maxval": 0.0}, "maxval"),
        ("RandomUniform", {"minval": float("nan")}, "minval"),
        ("VarianceScaling", {"scale": 0.0}, "scale"),
        ("VarianceScaling", {"mode": "fan"}, "mode"),
        ("VarianceScaling", {"distribution": "cauchy"}, "distribution"),
        ("GlorotUniform", {"seed": 1.5}, "seed"),
        ("HeNormal", {"seed": {"class_name": "SeedGenerator"}}, "seed"),
        ("Orthogonal", {"gain": None}, "gain"),
        ("Identity", {"gain": "x"}, "gain"),
        ("Constant", {"value": "x"}, "value"),
        ("Constant", {"value": None}, "value"),
        ("Constant", {"value": {}}, "value"),
        ("Constant", {"value": {"class_name": "__numpy__", "config": None}}, "value"),
    ],
    ids=str,
)
def test_arguments_are_checked(name, arguments, argument):
    with pytest.raises(InvalidArgumentError, match=rf"{name}: `{argument}` must be .*Received"):
        getattr(initializers, name)(**arguments)


@pytest.mark.parametrize(("name", "shape"), [("Identity", (2, 2, 2)), ("Orthogonal", (3,))])
def test_a_shape_that_cannot_be_filled_is_refused(name, shape):
    with pytest.raises(ValueError, match=rf"{name}: a weight must have 2 axes"):
        getattr(initializers, name)()(shape)
