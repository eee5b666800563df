"""What layers over spatial axes share: both data formats, no copies, clear refusals."""

from __future__ import annotations

import inspect
import re
from typing import Any

import keras
import pytest
import torch
from torch.profiler import profile

from feasible import layers
from feasible.arguments import InvalidArgumentError
from feasible.layers.spatial import at_least_two

SHAPES = {1: (2, 12, 6), 2: (2, 12, 10, 6), 3: (2, 6, 8, 10, 6)}
NAMES = {
    "Conv{}D": ((1, 2, 3), {"filters": 4, "kernel_size": 3}),
    "Conv{}DTranspose": ((1, 2, 3), {"filters": 4, "kernel_size": 3}),
    "DepthwiseConv{}D": ((1, 2), {"kernel_size": 3}),
    "SeparableConv{}D": ((1, 2), {"filters": 4, "kernel_size": 3}),
    "MaxPooling{}D": ((1, 2, 3), {"pool_size": 3}),
    "AveragePooling{}D": ((1, 2, 3), {"pool_size": 3}),
    "GlobalMaxPooling{}D": ((1, 2, 3), {}),
    "GlobalAveragePooling{}D": ((1, 2, 3), {}),
}
LAYERS = [
    pytest.param(name.format(rank), rank, arguments, id=name.format(rank))
    for name, (ranks, arguments) in NAMES.items()
    for rank in ranks
]
FORMATS = ("channels_last", "channels_first")
COPIES = ("aten::clone", "aten::copy_", "aten::contiguous", "aten::constant_pad_nd")


def an_input(rank: int, data_format: str) -> torch.Tensor:
    x = torch.randn(SHAPES[rank])
    return x if data_format == "channels_last" else x.movedim(-1, 1).contiguous()


@pytest.mark.parametrize(("name", "rank", "arguments"), LAYERS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("training", [False, True])
def test_the_input_is_not_copied(name, rank, arguments, padding, data_format, training):
    if "pool_size" in arguments or "kernel_size" in arguments:
        arguments = {**arguments, "padding": padding, "strides": 1}
    layer = getattr(layers, name)(**arguments, data_format=data_format)
    x = an_input(rank, data_format)
    layer(x)
    with profile(record_shapes=True) as recorded, torch.set_grad_enabled(training):
        y = layer(x.requires_grad_(training))
    sizes = [
        (event.name, shape)
        for event in recorded.events()
        for shape in event.input_shapes[:1]
        if event.name in COPIES
    ]
    assert recorded.events()
    assert [(name, shape) for name, shape in sizes if torch.Size(shape).numel() == x.numel()] == []
    assert y.is_contiguous()


@pytest.mark.parametrize(("name", "rank", "arguments"), LAYERS)
def test_channels_first_is_channels_last_moved(name, rank, arguments):
    last = getattr(layers, name)(**arguments)
    first = getattr(layers, name)(**arguments, data_format="channels_first")
    x = an_input(rank, "channels_last")
    last(x), first(x.movedim(-1, 1))
    first.load_state_dict(last.state_dict())
    ours, theirs = last(x), first(x.movedim(-1, 1))
    torch.testing.assert_close(ours.movedim(-1, 1), theirs, rtol=0, atol=1e-5)
    assert first.compute_output_shape(tuple(x.movedim(-1, 1).shape)) == tuple(theirs.shape)


@pytest.mark.parametrize(("name", "rank", "arguments"), LAYERS)
def test_the_arguments_are_those_of_keras(name, rank, arguments):
    def plain(layer_type: Any) -> dict[str, Any]:
        given = inspect.signature(layer_type).parameters.values()
        left_out = ("name", "kwargs", "groups" if "Depthwise" in name else "")
        return {
            one.name: one.default[0] if isinstance(one.default, tuple) else one.default
            for one in given
            if one.name not in left_out and not one.name.endswith("regularizer")
        }

    ours, theirs = plain(getattr(layers, name)), plain(getattr(keras.layers, name))
    assert list(ours.items()) == list(theirs.items())


@pytest.mark.parametrize(("name", "rank", "arguments"), LAYERS)
def test_a_config_makes_the_same_layer(name, rank, arguments):
    layer = getattr(layers, name)(**arguments, data_format="channels_first")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert "data_format='channels_first'" in repr(again)


def exported_aliases() -> list[tuple[str, str]]:
    named = {
        name: layer.__name__
        for name, layer in vars(keras.layers).items()
        if inspect.isclass(layer) and name != layer.__name__
    }
    known = {parameter.values[0] for parameter in LAYERS}
    return [(alias, name) for alias, name in named.items() if name in known]


@pytest.mark.parametrize(("alias", "name"), exported_aliases())
def test_the_short_names_are_those_of_keras(alias, name):
    assert getattr(layers, alias) is getattr(layers, name)


@pytest.mark.parametrize(("name", "rank", "arguments"), LAYERS)
@pytest.mark.parametrize("extra", [-1, 1])
def test_another_number_of_axes_is_refused(name, rank, arguments, extra):
    layer = getattr(layers, name)(**arguments, name="mine")
    shape = (2,) * (rank + 2 + extra)
    message = (
        rf"mine: the input must have {rank + 2} axes: .*Received: shape {re.escape(str(shape))}"
    )
    with pytest.raises(ValueError, match=message):
        layer(torch.ones(shape))
    with pytest.raises(ValueError, match=message):
        layer.compute_output_shape(shape)


def test_the_axes_are_named_in_the_order_of_the_data_format():
    with pytest.raises(ValueError, match="4 axes: batch, 2 spatial axes, channels"):
        layers.MaxPooling2D()(torch.ones(2, 3))
    with pytest.raises(ValueError, match="3 axes: batch, channels, 1 spatial axis"):
        layers.MaxPooling1D(data_format="channels_first")(torch.ones(2, 3))


@pytest.mark.parametrize("name", ["Conv{}D", "MaxPooling{}D", "AveragePooling{}D"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_an_input_smaller_than_the_window_is_refused(name, rank):
    size = "pool_size" if "Pool" in name else "kernel_size"
    arguments = {size: 5} if "Pool" in name else {size: 5, "filters": 2}
    layer = getattr(layers, name.format(rank))(**arguments, name="mine")
    shape = (2, *(4,) * rank, 3)
    with pytest.raises(ValueError, match=r"mine: the input is too small .*Received: shape \(2, 4"):
        layer(torch.ones(shape))
    assert not layer.built
    same = getattr(layers, name.format(rank))(**arguments, padding="same", strides=1)
    assert same(torch.ones(shape)).shape[:-1] == shape[:-1]


@pytest.mark.parametrize(("name", "rank", "arguments"), LAYERS)
def test_an_unknown_data_format_is_refused(name, rank, arguments):
    for value in ("NHWC", "", 1):
        with pytest.raises(InvalidArgumentError, match=rf"{name}: `data_format` must be one of"):
            getattr(layers, name)(**arguments, data_format=value)
    layer = getattr(layers, name)(**arguments, data_format="Channels_First")
    assert layer.data_format == "channels_first"


@pytest.mark.parametrize(("name", "rank", "arguments"), LAYERS)
@pytest.mark.parametrize("argument", ["strides", "padding", "pool_size", "kernel_size"])
def test_wrong_arguments_are_refused_by_name(name, rank, arguments, argument):
    if argument not in inspect.signature(getattr(layers, name)).parameters:
        return
    for value in (0, "full", (2,) * (rank + 1)):
        with pytest.raises(InvalidArgumentError, match=rf"{name}: `{argument}` must be"):
            getattr(layers, name)(**{**arguments, argument: value})


@pytest.mark.parametrize("shape", [(None, None, None, 3), (None, 9, None, 3), (5, 9, 7, 3)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("name", ["Conv2D", "Conv2DTranspose", "MaxPooling2D"])
def test_unknown_sizes_stay_unknown(name, padding, shape):
    arguments = {"pool_size": 3} if "Pool" in name else {"filters": 2, "kernel_size": 3}
    arguments |= {"strides": 2, "padding": padding}
    ours, theirs = (getattr(one, name)(**arguments) for one in (layers, keras.layers))
    assert ours.compute_output_shape(shape) == tuple(theirs.compute_output_shape(shape))


@pytest.mark.parametrize("name", ["Conv2D", "AveragePooling3D"])
def test_a_layer_compiles_whole_and_for_any_size(name):
    arguments = {"pool_size": 3} if "Pool" in name else {"filters": 2, "kernel_size": 3}
    layer = getattr(layers, name)(**arguments, strides=2, padding="same")
    axes = (2,) * (layer.rank - 1)
    layer(torch.randn(2, 8, *axes, 3))
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True, dynamic=True)
    for size in (8, 9):
        x = torch.randn(2, size, *axes, 3)
        torch.testing.assert_close(compiled(x), layer(x))


def test_an_axis_is_put_before_a_single_one_only():
    assert at_least_two(((3, 4),), (0, 0)) == ((0, 0), (3, 4))
    assert at_least_two((5, 6, 7)) == (5, 6, 7)
