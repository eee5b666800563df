"""DepthwiseConv1D and DepthwiseConv2D, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from feasible import layers
from feasible.arguments import InvalidArgumentError

FORMATS = ("channels_last", "channels_first")
# Keras allows both strides and dilation here.
STEPS = ((1, 1), (2, 1), (3, 1), (1, 2), (2, 2))


@pytest.mark.parametrize("size", [(8,), (7, 10)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_it_is_keras_own(same_as_keras, in_format, size, padding, data_format):
    for kernel_size, (strides, dilation_rate), multiplier in product((1, 2, 3), STEPS, (1, 2)):
        arguments = {
            "kernel_size": kernel_size,
            "strides": strides,
            "padding": padding,
            "depth_multiplier": multiplier,
            "data_format": data_format,
            "dilation_rate": dilation_rate,
        }
        name = f"DepthwiseConv{len(size)}D"
        same_as_keras(name, arguments, in_format((2, *size, 3), data_format))


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("rank", [1, 2])
def test_the_state_is_that_of_pytorch(rank, multiplier):
    ours = getattr(layers, f"DepthwiseConv{rank}D")(
        3, padding="same", depth_multiplier=multiplier, data_format="channels_first"
    )
    theirs = getattr(nn, f"Conv{rank}d")(4, 4 * multiplier, 3, padding="same", groups=4)
    x = torch.randn(2, 4, *(8,) * rank)
    ours(x)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_the_kernel_goes_by_both_names_that_keras_has_given_it():
    layer = layers.DepthwiseConv2D(3)
    layer(torch.ones(1, 5, 5, 2))
    assert torch.equal(layer.kernel, layer.depthwise_kernel)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth_multiplier": 0}, "`depth_multiplier` must be an integer of at least 1"),
        ({"padding": "causal"}, "`padding` must be one of 'valid', 'same'"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"DepthwiseConv1D: {message}"):
        layers.DepthwiseConv1D(3, **arguments)
