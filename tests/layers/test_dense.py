"""Dense, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.constraints import MaxNorm
from feasible.layers import Dense


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3), (2, 3, 4, 1)], ids=str)
def test_it_is_keras_own(same_as_keras, shape):
    options = product((1, 6), (None, "relu", "softmax"), (True, False), (None, "max_norm"))
    for units, activation, use_bias, constraint in options:
        if units == 1 and activation == "softmax":
            continue  # Keras warns of it.
        arguments = {
            "units": units,
            "activation": activation,
            "use_bias": use_bias,
            "kernel_initializer": "he_normal",
            "kernel_constraint": constraint,
            "bias_constraint": "non_neg" if constraint else None,
        }
        same_as_keras("Dense", arguments, shape)


@pytest.mark.parametrize("use_bias", [True, False])
def test_the_state_is_that_of_linear(use_bias):
    ours, theirs = Dense(4, use_bias=use_bias), nn.Linear(3, 4, bias=use_bias)
    x = torch.randn(5, 3)
    ours(x)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(x), theirs(x))
    other = nn.Linear(3, 4, bias=use_bias)
    ours.load_state_dict(other.state_dict())
    assert torch.equal(ours(x), other(x))


def test_the_kernel_is_a_view_of_the_weight():
    layer = Dense(2)
    layer(torch.ones(1, 3))
    with torch.no_grad():
        layer.kernel[0, 1] = 7.0
    assert layer.weight[1, 0] == 7.0
    assert layer.kernel.shape == (3, 2)
    layer.kernel.square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, 2 * layer.weight.detach())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2,), r"dense: .*2 axes or more, the last of size known\. Received: shape \(2,\)"),
        ((2, 0), r"input_shape\[-1\].*at least 1"),
    ],
    ids=str,
)
def test_an_input_that_does_not_fit_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        Dense(2)(torch.ones(shape))


def test_another_number_of_features_is_refused():
    layer = Dense(2, name="head")
    layer(torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"head: .*of size 3\. Received: shape \(1, 4\)"):
        layer(torch.ones(1, 4))


def test_an_unknown_number_of_features_is_refused():
    with pytest.raises(ValueError, match=r"of size known\. Received: shape \(None, None\)"):
        Dense(2).build_once((None, None))


@pytest.mark.parametrize("units", [0, -1, 1.5, "3", None, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(InvalidArgumentError, match=r"Dense: `units` must be .*Received: units="):
        Dense(units)


def test_it_is_shown_with_what_is_not_the_default():
    layer = Dense(64, "relu", kernel_constraint=MaxNorm(3), kernel_initializer="he_normal")
    assert repr(layer) == (
        "Dense(units=64, activation='relu', kernel_initializer=HeNormal(seed=None, "
        "input_axes=None, output_axes=None), kernel_constraint=MaxNorm(max_value=3, axis=0))"
    )
    assert repr(Dense(1, activation=np.abs)) == f"Dense(units=1, activation={np.abs!r})"
