"""GroupNormalization, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.layers import GroupNormalization

# Keras takes other negative axes than -1, but groups along another axis then.
KERAS = [((4, 6), -1), ((4, 6), 1), ((4, 5, 6), -1), ((2, 6, 4, 5), 1), ((2, 3, 6, 5), 2)]
OTHERS = [((2, 3, 6, 5), -2), ((4, 6, 5), -2)]


@pytest.mark.parametrize(("shape", "axis"), KERAS, ids=str)
def test_it_is_keras_own(same_as_keras, shape, axis):
    for groups, center, scale, epsilon in product(
        (1, 2, 6, -1), (True, False), (True, False), (1e-3, 0.1)
    ):
        arguments = {
            "groups": groups,
            "axis": axis,
            "epsilon": epsilon,
            "center": center,
            "scale": scale,
            "gamma_constraint": "non_neg" if center else None,
            "beta_constraint": "non_neg" if scale else None,
        }
        same_as_keras("GroupNormalization", arguments, shape)


@pytest.mark.parametrize(("shape", "axis"), KERAS + OTHERS, ids=str)
def test_it_is_the_formula(shape, axis):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    layer = GroupNormalization(3, axis, dtype="float64")
    layer(x)
    gamma, beta = rng.normal(size=(2, 6))
    layer.set_weights([gamma, beta])
    grouped = np.moveaxis(x, axis, 1).reshape(len(x), 3, -1)
    mean, variance = grouped.mean(-1, keepdims=True), grouped.var(-1, keepdims=True)
    normal = (grouped - mean) / np.sqrt(variance + 1e-3)
    normal = normal.reshape(np.moveaxis(x, axis, 1).shape)
    expected = np.moveaxis(normal, 1, -1) * gamma + beta
    expected = np.moveaxis(expected, -1, axis)
    np.testing.assert_allclose(layer(x).detach(), expected, rtol=1e-10, atol=1e-10)


def test_the_state_is_that_of_pytorch():
    ours, theirs = GroupNormalization(2, 1), nn.GroupNorm(2, 6, eps=1e-3)
    x = torch.randn(3, 6, 5)
    ours(x)
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_group_of_one_value_becomes_beta():
    layer = GroupNormalization(-1, beta_initializer="ones")
    torch.testing.assert_close(layer(torch.randn(1, 3)), torch.ones(1, 3))


@pytest.mark.parametrize("groups", [0, -2, 1.5, None])
def test_groups_must_be_counted(groups):
    with pytest.raises(InvalidArgumentError, match="GroupNormalization: `groups` must be"):
        GroupNormalization(groups)


@pytest.mark.parametrize("groups", [4, 12])
def test_groups_must_divide_the_channels(groups):
    message = rf"-1 or a divisor of the number of channels, which is 6\. .*groups={groups}"
    with pytest.raises(ValueError, match=message):
        GroupNormalization(groups)(torch.ones(2, 6))


def test_the_axis_must_be_one():
    with pytest.raises(InvalidArgumentError, match="GroupNormalization: `axis` must be an int"):
        GroupNormalization(axis=[1, 2])
