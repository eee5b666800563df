"""PReLU, beside Keras's and PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.layers import PReLU


@pytest.mark.parametrize("shared_axes", [None, 1, [1], [1, 2], (2, 3), [1, 2, 3]], ids=str)
def test_it_is_keras_own(same_as_keras, shared_axes):
    arguments = {
        "shared_axes": shared_axes,
        "alpha_initializer": "he_normal",
        "alpha_constraint": "non_neg",
    }
    same_as_keras("PReLU", arguments, (2, 3, 4, 5))


def test_sizes_along_shared_axes_may_differ_from_batch_to_batch():
    layer = PReLU(shared_axes=[1, 2])
    for size in (3, 4):
        assert layer(torch.ones(2, size, size, 5)).shape == (2, size, size, 5)
    assert layer.alpha.shape == (1, 1, 5)
    with pytest.raises(ValueError, match=r"p_re_lu: the input must have \(1, 1, 5\) sizes"):
        layer(torch.ones(2, 3, 3, 4))


def test_it_is_that_of_pytorch_where_channels_differ():
    ours, theirs = PReLU(shared_axes=[2, 3]), nn.PReLU(5)
    x = torch.randn(2, 5, 3, 3)
    ours(x)
    nn.init.normal_(ours.weight)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight.flatten())
    assert torch.equal(ours(x), theirs(x))


def test_it_serves_as_an_activation():
    from feasible.layers import Dense

    dense = Dense(2, activation=PReLU(alpha_initializer="ones"), kernel_initializer="ones")
    assert dense(-torch.ones(1, 3)).tolist() == [[-3.0, -3.0]]
    assert len(dense.get_weights()) == 3


@pytest.mark.parametrize("axes", [0, -1, "1", [1, 0], 1.5], ids=str)
def test_shared_axes_are_counted_from_the_batch(axes):
    with pytest.raises(InvalidArgumentError, match="PReLU: `shared_axes` must be an integer of at"):
        PReLU(shared_axes=axes)


@pytest.mark.parametrize(
    ("axes", "shape"), [([3], (None, 3, 4)), (None, (None, None, 4)), ([2], (None, None, 4))]
)
def test_an_input_that_leaves_sizes_open_is_refused(axes, shape):
    with pytest.raises(ValueError, match="p_re_lu: the input must have known sizes"):
        PReLU(shared_axes=axes).build_once(shape)
