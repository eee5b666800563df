"""SeparableConv1D and SeparableConv2D, beside Keras's and PyTorch's."""

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
            "filters": 4,
            "kernel_size": kernel_size,
            "strides": strides,
            "padding": padding,
            "data_format": data_format,
            "dilation_rate": dilation_rate,
            "depth_multiplier": multiplier,
        }
        name = f"SeparableConv{len(size)}D"
        same_as_keras(name, arguments, in_format((2, *size, 3), data_format))


@pytest.mark.parametrize("rank", [1, 2])
def test_the_state_is_that_of_two_of_pytorch(rank):
    ours = getattr(layers, f"SeparableConv{rank}D")(
        5, 3, depth_multiplier=2, data_format="channels_first"
    )
    x = torch.randn(2, 4, *(8,) * rank)
    ours(x)
    convolution = getattr(nn, f"Conv{rank}d")
    depthwise, pointwise = convolution(4, 8, 3, groups=4, bias=False), convolution(8, 5, 1)
    state = ours.state_dict()
    assert list(state) == ["depthwise_weight", "pointwise_weight", "bias"]
    depthwise.load_state_dict({"weight": state["depthwise_weight"]})
    pointwise.load_state_dict({"weight": state["pointwise_weight"], "bias": state["bias"]})
    torch.testing.assert_close(ours(x), pointwise(depthwise(x)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "`filters` must be an integer of at least 1"),
        ({"depth_multiplier": 0}, "`depth_multiplier` must be an integer of at least 1"),
        ({"padding": "causal"}, "`padding` must be one of 'valid', 'same'"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"SeparableConv1D: {message}"):
        layers.SeparableConv1D(**{"filters": 2, "kernel_size": 3, **arguments})
