"""LayerNormalization, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.layers import LayerNormalization

# Keras on PyTorch normalizes over the last axes, whichever are named, if those named are adjacent:
# it raises, or computes something else where the sizes happen to fit.
KERAS = [
    ((4, 3), -1),
    ((4, 3), 1),
    ((4, 5, 3), -1),
    ((4, 5, 3), [1, 2]),
    ((4, 5, 3), [-2, -1]),
    ((2, 3, 4, 5), [2, 3]),
    ((2, 3, 4, 5), [1, 2, 3]),
    ((2, 3, 4, 5), [1, 3]),
    ((2, 3, 4, 5), [3, 1]),
    ((2, 3, 4, 5), (-1,)),
]
OTHERS = [
    ((4, 5, 3), 1),
    ((2, 3, 4, 5), [1, 2]),
    ((2, 3, 3, 3), 1),
    ((2, 3, 4, 5), [-1, 1]),
    ((2, 3, 4, 5), 2),
]


@pytest.mark.parametrize(("shape", "axis"), KERAS, ids=str)
def test_it_is_keras_own(same_as_keras, shape, axis):
    for center, scale, epsilon in product((True, False), (True, False), (1e-3, 0.1)):
        arguments = {
            "axis": axis,
            "epsilon": epsilon,
            "center": center,
            "scale": scale,
            "gamma_constraint": "non_neg" if center else None,
            "beta_constraint": "non_neg" if scale else None,
        }
        same_as_keras("LayerNormalization", arguments, shape)


@pytest.mark.parametrize(("shape", "axis"), KERAS + OTHERS, ids=str)
def test_it_is_the_formula(shape, axis):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    layer = LayerNormalization(axis, dtype="float64")
    layer(x)
    axes = tuple(sorted(np.atleast_1d(axis) % len(shape)))
    sizes = [shape[one] for one in axes]
    gamma, beta = rng.normal(size=(2, *sizes))
    layer.set_weights([gamma, beta])
    broadcast = [size if one in axes else 1 for one, size in enumerate(shape)]
    normal = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-3)
    expected = normal * gamma.reshape(broadcast) + beta.reshape(broadcast)
    np.testing.assert_allclose(layer(x).detach(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("axis", "sizes"), [(-1, (5,)), ([-2, -1], (4, 5)), ([1, 2, 3], (3, 4, 5))]
)
def test_the_state_is_that_of_pytorch(axis, sizes):
    ours, theirs = LayerNormalization(axis), nn.LayerNorm(sizes, eps=1e-3)
    x = torch.randn(2, 3, 4, 5)
    ours(x)
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_takes_half_precision_under_autocast(dtype):
    layer = LayerNormalization()
    x = 3 + torch.randn(64, 5)
    expected = layer(x)
    with torch.autocast("cpu", dtype):
        y = layer(x.to(dtype))
    torch.testing.assert_close(y.float(), expected, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (2, r"axis=\[2\] for an input of shape \(2, 3\)"),
        ([1, -1], r"distinct axes of the input, from -2 to 1"),
        (0, r"known sizes along axis 0"),
    ],
    ids=str,
)
def test_an_axis_that_the_input_lacks_is_refused(axis, message):
    with pytest.raises(ValueError, match=f"layer_normalization: .*{message}"):
        LayerNormalization(axis)(torch.ones(2, 3))


def test_other_sizes_are_refused():
    layer = LayerNormalization([1, 2], center=False, scale=False)
    layer(torch.ones(2, 3, 4))
    with pytest.raises(ValueError, match=r"\(3, 4\) sizes along axis 1, 2\..*shape \(2, 4, 4\)"):
        layer(torch.ones(2, 4, 4))


@pytest.mark.parametrize("axis", [[], [1, 1], "1", 1.5, None, [1.0]], ids=str)
def test_the_axis_must_be_integers(axis):
    with pytest.raises(InvalidArgumentError, match="LayerNormalization: `axis` must be an int or"):
        LayerNormalization(axis)
