"""Each regularizer beside Keras's: values, gradients, configs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import regularizers
from feasible.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]
WEIGHT = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_value_gradient_and_config_are_those_of_keras(name, arguments):
    theirs = getattr(keras.regularizers, name)(**arguments)
    config = keras.regularizers.serialize(theirs)
    found = []
    for one in (
        theirs,
        getattr(regularizers, name)(**arguments),
        regularizers.deserialize(config),
    ):
        weight = torch.tensor(WEIGHT, requires_grad=True)
        value = one(weight)
        if value.requires_grad:
            value.backward()
        found.append((value.detach(), weight.grad))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0])
    assert regularizers.serialize(regularizers.deserialize(config)) == config


def test_names_of_keras_are_taken():
    assert regularizers.get("l1") == regularizers.get("L1") == L1(0.01)
    assert regularizers.get("l2") == L2() == regularizers.l2(0.01)
    assert regularizers.get("l1_l2") == L1L2()
    assert regularizers.l1_l2(0.1, 0.2) == L1L2(0.1, 0.2)
    assert type(regularizers.get("orthogonal_regularizer")) is OrthogonalRegularizer
    assert regularizers.get(None) is None
    assert hash(L1()) == hash(L1(0.5))


def test_those_of_users_are_registered():
    @regularizers.register(package="tests")
    class Largest(Regularizer):
        def __init__(self, by=1.0):
            self.by = by

        def __call__(self, x):
            return self.by * x.abs().max()

    again = regularizers.get(regularizers.serialize(Largest(2.0)))
    assert again(torch.tensor([1.0, -3.0])) == 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: L1(-1), "`l1` must be a finite number at least 0"),
        (lambda: L2("much"), "`l2` must be a finite number"),
        (lambda: OrthogonalRegularizer(mode="row"), "one of 'rows', 'columns'"),
        (lambda: OrthogonalRegularizer()(torch.ones(3)), r"2 axes. Received: shape \(3,\)"),
        (lambda: regularizers.get("l3"), "Unknown regularizer 'l3'"),
        (lambda: regularizers.get(3), "`regularizer` must be None, a name"),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
