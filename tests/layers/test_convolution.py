"""Conv1D, Conv2D and Conv3D, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from feasible import layers
from feasible.arguments import InvalidArgumentError

FORMATS = ("channels_last", "channels_first")
# Strides and dilations; Keras does not allow both.
STEPS = ((1, 1), (2, 1), (3, 1), (1, 2), (1, 3))


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_conv1d_is_keras_own(same_as_keras, in_format, size, padding, data_format):
    for kernel_size, (strides, dilation_rate), groups in product((1, 2, 3), STEPS, (1, 2)):
        arguments = {
            "filters": 4,
            "kernel_size": kernel_size,
            "strides": strides,
            "dilation_rate": dilation_rate,
            "groups": groups,
            "padding": padding,
            "data_format": data_format,
        }
        same_as_keras("Conv1D", arguments, in_format((2, size, 6), data_format))


@pytest.mark.parametrize("size", [(7, 12), (10, 11)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_conv2d_is_keras_own(same_as_keras, in_format, size, padding, data_format):
    steps = (*STEPS, ((2, 1), 1), (1, (1, 2)))
    sizes = (1, 2, 3, (3, 2), (1, 4))
    for kernel_size, (strides, dilation_rate), groups in product(sizes, steps, (1, 3)):
        arguments = {
            "filters": 6,
            "kernel_size": kernel_size,
            "strides": strides,
            "dilation_rate": dilation_rate,
            "groups": groups,
            "padding": padding,
            "data_format": data_format,
        }
        same_as_keras("Conv2D", arguments, in_format((2, *size, 3), data_format))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_conv3d_is_keras_own(same_as_keras, in_format, padding, data_format):
    steps = ((1, 1), (2, 1), ((1, 2, 3), 1), (1, 2))
    for kernel_size, (strides, dilation_rate), groups in product((1, 2, (3, 2, 1)), steps, (1, 2)):
        arguments = {
            "filters": 2,
            "kernel_size": kernel_size,
            "strides": strides,
            "dilation_rate": dilation_rate,
            "groups": groups,
            "padding": padding,
            "data_format": data_format,
        }
        same_as_keras("Conv3D", arguments, in_format((2, 5, 6, 7, 2), data_format))


@pytest.mark.parametrize(
    ("arguments", "torch_arguments"),
    [
        ({}, {}),
        ({"padding": "same"}, {"padding": "same"}),
        ({"strides": 2, "groups": 2}, {"stride": 2, "groups": 2}),
        ({"dilation_rate": 2, "use_bias": False}, {"dilation": 2, "bias": False}),
    ],
)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_state_is_that_of_pytorch(rank, arguments, torch_arguments):
    ours = getattr(layers, f"Conv{rank}D")(8, 3, data_format="channels_first", **arguments)
    theirs = getattr(nn, f"Conv{rank}d")(4, 8, 3, **torch_arguments)
    x = torch.randn(2, 4, *(8,) * rank)
    ours(x)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_a_causal_output_depends_on_no_later_input():
    layer = layers.Conv1D(3, 3, padding="causal", dilation_rate=2)
    x = torch.randn(1, 10, 2, requires_grad=True)
    layer(x)[0, 6].sum().backward()
    assert (x.grad[0].abs().sum(-1) > 0).nonzero().flatten().tolist() == [2, 4, 6]


@pytest.mark.parametrize("rank", [2, 3])
def test_only_one_axis_can_be_causal(rank):
    with pytest.raises(InvalidArgumentError, match=r"one of 'valid', 'same'\. .*'causal'"):
        getattr(layers, f"Conv{rank}D")(2, 3, padding="causal")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "`filters` must be an integer of at least 1"),
        ({"filters": 2.5}, "`filters` must be an integer of at least 1"),
        ({"filters": 6, "groups": 4}, "`groups` must be a divisor of filters, which is 6"),
        ({"filters": 6, "groups": 0}, "`groups` must be an integer of at least 1"),
        ({"strides": 2, "dilation_rate": 2}, "`dilation_rate` must be 1 where strides are not"),
        ({"dilation_rate": 0}, "`dilation_rate` must be an integer of at least 1"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"Conv2D: {message}"):
        layers.Conv2D(**{"filters": 4, "kernel_size": 3, **arguments})


def test_the_input_must_have_as_many_channels_as_groups_divide():
    layer = layers.Conv2D(4, 3, groups=2, name="mine")
    with pytest.raises(ValueError, match=r"mine: .* divisible by groups=2\. Received: 3 channels"):
        layer(torch.ones(2, 8, 8, 3))
    assert not layer.built
