"""Conv1DTranspose, Conv2DTranspose and Conv3DTranspose, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import keras
import pytest
import torch
from torch import nn

from feasible import layers
from feasible.arguments import InvalidArgumentError

FORMATS = ("channels_last", "channels_first")


def steps(*strides: int) -> list[dict[str, object]]:
    """Strides with every output padding below them, and dilations, which exclude strides."""
    padded = [
        {"strides": stride, "output_padding": added}
        for stride in strides
        for added in (None, *range(stride))
    ]
    return [*padded, *({"dilation_rate": rate} for rate in (2, 3))]


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_conv1d_transpose_is_keras_own(same_as_keras, in_format, size, padding, data_format):
    for kernel_size, step in product((1, 2, 3, 4, 5), steps(1, 2, 3)):
        given = {"filters": 3, "kernel_size": kernel_size, **step}
        given |= {"padding": padding, "data_format": data_format}
        same_as_keras("Conv1DTranspose", given, in_format((2, size, 2), data_format))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_conv2d_transpose_is_keras_own(same_as_keras, in_format, padding, data_format):
    mixed = [
        {"strides": (2, 1)},
        {"strides": (1, 3), "output_padding": (0, 2)},
        {"strides": (2, 3), "output_padding": (1, 0)},
        {"dilation_rate": (1, 2)},
    ]
    for kernel_size, step in product((1, 2, 3, (4, 1)), [*steps(1, 2, 4), *mixed]):
        given = {"filters": 3, "kernel_size": kernel_size, **step}
        given |= {"padding": padding, "data_format": data_format}
        same_as_keras("Conv2DTranspose", given, in_format((2, 4, 5, 2), data_format))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_conv3d_transpose_is_keras_own(same_as_keras, in_format, padding, data_format):
    for kernel_size, step in product((1, 3, (2, 3, 4)), steps(1, 2)):
        given = {"filters": 3, "kernel_size": kernel_size, **step}
        given |= {"padding": padding, "data_format": data_format}
        same_as_keras("Conv3DTranspose", given, in_format((2, 2, 3, 4, 2), data_format))


@pytest.mark.parametrize(
    ("arguments", "torch_arguments"),
    [
        ({}, {}),
        ({"strides": 2, "padding": "same", "kernel_size": 4}, {"stride": 2, "padding": 1}),
        ({"strides": 3, "output_padding": 2}, {"stride": 3, "output_padding": 2}),
        ({"dilation_rate": 2, "use_bias": False}, {"dilation": 2, "bias": False}),
    ],
)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_state_is_that_of_pytorch(rank, arguments, torch_arguments):
    given = {"filters": 5, "kernel_size": 3, "data_format": "channels_first", **arguments}
    ours = getattr(layers, f"Conv{rank}DTranspose")(**given)
    theirs = getattr(nn, f"ConvTranspose{rank}d")(4, 5, given["kernel_size"], **torch_arguments)
    x = torch.randn(2, 4, *(4,) * rank)
    ours(x)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output_padding": 2, "strides": 2}, r"`output_padding` must be below the strides, .*\(2"),
        ({"output_padding": (0, 1)}, "`output_padding` must be below the strides"),
        ({"output_padding": -1}, "`output_padding` must be an integer of at least 0"),
        ({"strides": 2, "dilation_rate": 2}, "`dilation_rate` must be 1 where strides are not"),
        ({"filters": 0}, "`filters` must be an integer of at least 1"),
        ({"padding": "causal"}, "`padding` must be one of 'valid', 'same'"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"Conv2DTranspose: {message}"):
        layers.Conv2DTranspose(**{"filters": 4, "kernel_size": 3, **arguments})


def test_an_output_without_entries_is_refused():
    layer = layers.Conv1DTranspose(2, 2, strides=3, padding="same", output_padding=0)
    with pytest.raises(ValueError, match=r"the output would have sizes \(0,\)"):
        layer(torch.ones(1, 1, 3))


def test_keras_has_another_order_of_arguments_for_volumes():
    ours = layers.Conv3DTranspose(2, 3, 2, "same", "channels_first", 1)
    theirs = keras.layers.Conv3DTranspose(2, 3, 2, "same", "channels_first", 1)
    assert (ours.data_format, ours.output_padding) == ("channels_first", (1, 1, 1))
    assert (theirs.data_format, theirs.output_padding) == (ours.data_format, ours.output_padding)
