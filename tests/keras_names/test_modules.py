"""What is imported by Keras's names, with the root changed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

import feasible
from feasible import activations, backend, initializers, random, saving, utils

# Names of Keras that are not here, by module: the note says why.
LEFT_OUT = {
    "initializers": {"STFT", "STFTInitializer", "stft"},
    "activations": {"threshold"},
    "backend": {"is_keras_tensor", "result_type"},
    "random": {"beta", "binomial", "categorical", "dropout", "gamma"},
    "optimizers": {
        "LossScaleOptimizer",
        "Muon",
        "MultiOptimizer",
        "OptimizerMap",
        "ScheduleFreeAdamW",
        "legacy",
    },
    "regularizers": set(),
}


@pytest.mark.parametrize("module", LEFT_OUT)
def test_names_of_keras_are_here(module):
    theirs = {one for one in dir(getattr(keras, module)) if not one.startswith("_")}
    assert theirs - set(dir(getattr(feasible, module))) == LEFT_OUT[module]
    for one in theirs - LEFT_OUT[module]:
        assert getattr(getattr(feasible, module), one) is not None


def test_names_are_imported_as_from_keras():
    from feasible.activations import relu
    from feasible.initializers import he_normal
    from feasible.optimizers import SGD
    from feasible.optimizers.schedules import ExponentialDecay

    assert relu(torch.tensor([-1.0])) == 0
    assert type(he_normal(seed=1)) is initializers.HeNormal
    assert SGD(ExponentialDecay(0.1, 10, 0.5)).learning_rate == pytest.approx(0.1)
    assert activations.get("relu")(torch.tensor([-1.0])) == 0


def test_labels_and_rows():
    for numbers, count in (([0, 2, 1], None), ([[0], [2]], 4), (np.array([[1, 0]]), 2)):
        ours, theirs = (one.utils.to_categorical(numbers, count) for one in (feasible, keras))
        np.testing.assert_array_equal(ours, theirs)
    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(rows), keras.utils.normalize(rows))
    with pytest.raises(ValueError, match="from 0 to num_classes - 1 = 1"):
        utils.to_categorical([0, 2], 2)


def test_seeds_are_seeds():
    utils.set_random_seed(3)
    first = torch.rand(2), np.random.rand()
    utils.set_random_seed(3)
    assert torch.equal(first[0], torch.rand(2))
    assert first[1] == np.random.rand()
    for draw in (random.normal, random.uniform, random.truncated_normal):
        assert torch.equal(draw((3,), seed=1), draw((3,), seed=1))
    assert random.randint((50,), 2, 4, seed=1).unique().tolist() == [2, 3]
    assert sorted(random.shuffle([1, 2, 3], seed=1).tolist()) == [1, 2, 3]
    generator = random.SeedGenerator(1)
    assert not torch.equal(random.normal((3,), seed=generator), random.normal((3,), seed=generator))


def test_functions_and_classes_are_registered_by_their_kind():
    @saving.register_keras_serializable("tests")
    def halved(x):
        return x / 2

    @utils.register_keras_serializable("tests")
    class Descent(feasible.optimizers.Optimizer):
        pass

    assert activations.get("tests>halved") is halved
    assert type(feasible.optimizers.get("tests>Descent")) is Descent


def test_the_backend_is_what_it_is():
    assert backend.backend() == "torch"
    assert backend.standardize_dtype(torch.float16) == "float16"
    assert backend.is_int_dtype("uint8")
    assert backend.is_float_dtype(None)
    assert backend.get_uid("tests_a") + 1 == backend.get_uid("tests_a")
    backend.clear_session()
    with pytest.raises(ValueError, match="one of 'float32'"):
        backend.set_floatx("float16")
