"""MaxPooling1D-3D and AveragePooling1D-3D, beside Keras's."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional

from feasible import layers

FORMATS = ("channels_last", "channels_first")
KINDS = ("MaxPooling", "AveragePooling")


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_axis_is_keras_own(same_as_keras, in_format, kind, padding, data_format):
    for size, pool_size, strides in product((6, 7, 8), (1, 2, 3, 4, 5), (None, 1, 2, 3, 4)):
        arguments = {"pool_size": pool_size, "strides": strides, "padding": padding}
        arguments["data_format"] = data_format
        same_as_keras(f"{kind}1D", arguments, in_format((2, size, 3), data_format))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_two_axes_are_keras_own(same_as_keras, in_format, kind, padding, data_format):
    sizes, strides = (1, 2, 3, (2, 3), (4, 1)), (None, 1, 2, (1, 2), (3, 1))
    for pool_size, stride, size in product(sizes, strides, ((6, 7), (9, 8))):
        arguments = {"pool_size": pool_size, "strides": stride, "padding": padding}
        arguments["data_format"] = data_format
        same_as_keras(f"{kind}2D", arguments, in_format((2, *size, 3), data_format))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_three_axes_are_keras_own(same_as_keras, in_format, kind, padding, data_format):
    for pool_size, strides in product((1, 2, 3, (2, 3, 1)), (None, 1, 2, (1, 2, 3))):
        arguments = {"pool_size": pool_size, "strides": strides, "padding": padding}
        arguments["data_format"] = data_format
        same_as_keras(f"{kind}3D", arguments, in_format((2, 5, 6, 7, 3), data_format))


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_window_of_maxima_is_two(same_as_keras, kind):
    if kind == "MaxPooling":
        same_as_keras("MaxPooling2D", {}, (2, 6, 6, 3))
    else:
        with pytest.raises(TypeError, match="pool_size"):
            layers.AveragePooling2D()


def test_maxima_of_negative_values_know_no_padding():
    x = -torch.rand(1, 5, 5, 2) - 1
    for pool_size, strides in product((2, 3), (1, 2)):
        y = layers.MaxPooling2D(pool_size, strides=strides, padding="same")(x)
        assert (y <= -1).all()


def test_an_average_counts_no_padding():
    x = torch.full((1, 6, 7, 2), 3.0)
    for pool_size, strides in product((2, 3), (1, 2)):
        y = layers.AveragePooling2D(pool_size, strides=strides, padding="same")(x)
        torch.testing.assert_close(y, torch.full_like(y, 3.0))


@pytest.mark.parametrize("size", [(6, 7, 8), (5, 4, 3)])
def test_averages_of_volumes_are_those_of_pytorch(size):
    x = torch.randn(2, *size, 4)
    for pool_size, strides in product((2, 3), (1, 2)):
        ours = layers.AveragePooling3D(pool_size, strides=strides)(x)
        theirs = functional.avg_pool3d(x.movedim(-1, 1), pool_size, strides)
        torch.testing.assert_close(ours, theirs.movedim(1, -1), rtol=0, atol=1e-6)


def test_maxima_of_an_even_input_are_not_padded_by_a_copy(monkeypatch):
    # The common case: a window of 3 and strides of 2, which pads only the end.
    monkeypatch.setattr(functional, "pad", None)
    x = torch.randn(2, 8, 8, 3)
    assert layers.MaxPooling2D(3, strides=2, padding="same")(x).shape == (2, 4, 4, 3)
