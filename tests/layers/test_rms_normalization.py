"""RMSNormalization, beside Keras's and PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import feasible
from feasible.arguments import InvalidArgumentError
from feasible.layers import RMSNormalization

# Keras on PyTorch normalizes over the last axes, whichever are named, if those named are adjacent.
KERAS = [((4, 3), -1), ((4, 3), 1), ((4, 5, 3), [-2, -1]), ((2, 3, 4, 5), [1, 2, 3])]
OTHERS = [((4, 5, 3), 1), ((2, 3, 4, 5), [1, 3]), ((2, 3, 4, 5), [3, 1]), ((2, 3, 4, 5), [-1, 1])]


@pytest.mark.parametrize(("shape", "axis"), KERAS, ids=str)
def test_it_is_keras_own(same_as_keras, shape, axis):
    for epsilon in (1e-6, 0.1):
        same_as_keras("RMSNormalization", {"axis": axis, "epsilon": epsilon}, shape)


@pytest.mark.parametrize(("shape", "axis"), KERAS + OTHERS, ids=str)
def test_it_is_the_formula(shape, axis):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    layer = RMSNormalization(axis, dtype="float64")
    layer(x)
    axes = tuple(sorted(np.atleast_1d(axis) % len(shape)))
    scale = rng.normal(size=[shape[one] for one in axes])
    layer.set_weights([scale])
    broadcast = [size if one in axes else 1 for one, size in enumerate(shape)]
    expected = x / np.sqrt((x**2).mean(axes, keepdims=True) + 1e-6) * scale.reshape(broadcast)
    np.testing.assert_allclose(layer(x).detach(), expected, rtol=1e-10, atol=1e-10)


def test_the_state_is_that_of_pytorch():
    ours, theirs = RMSNormalization([1, 2]), nn.RMSNorm((5, 3), eps=1e-6)
    x = torch.randn(2, 5, 3)
    ours(x)
    nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_takes_half_precision_under_autocast(dtype):
    layer = RMSNormalization()
    x = 3 + torch.randn(64, 5)
    expected = layer(x)
    with torch.autocast("cpu", dtype):
        y = layer(x.to(dtype))
    torch.testing.assert_close(y.float(), expected, rtol=0, atol=0.05)


def test_rules_know_the_scale_as_gamma():
    layer = RMSNormalization()
    layer(torch.ones(2, 3))
    feasible.torch.constrain(layer, {(RMSNormalization, "gamma"): feasible.NonNeg()})
    with torch.no_grad():
        layer.scale.fill_(-1)
    feasible.torch.project(layer)
    assert layer.scale.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("axis", [[], [1, 1], "1", 1.5, None], ids=str)
def test_the_axis_must_be_integers(axis):
    with pytest.raises(InvalidArgumentError, match="RMSNormalization: `axis` must be an int or"):
        RMSNormalization(axis)
