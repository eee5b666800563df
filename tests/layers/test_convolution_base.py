"""What all convolutions share: activation, bias, channels, and constraints on their units."""

from __future__ import annotations

import pytest
import torch

from feasible import layers
from feasible.constraints import MaxNorm, UnitNorm
from feasible.torch import project

CONVOLUTIONS = {
    "Conv1D": (1, {"filters": 4, "kernel_size": 3}),
    "Conv2D": (2, {"filters": 4, "kernel_size": 3, "groups": 2}),
    "Conv3D": (3, {"filters": 4, "kernel_size": 3}),
    "Conv1DTranspose": (1, {"filters": 4, "kernel_size": 3}),
    "Conv2DTranspose": (2, {"filters": 4, "kernel_size": 3}),
    "Conv3DTranspose": (3, {"filters": 4, "kernel_size": 3}),
    "DepthwiseConv1D": (1, {"kernel_size": 3, "depth_multiplier": 2}),
    "DepthwiseConv2D": (2, {"kernel_size": 3, "depth_multiplier": 2}),
    "SeparableConv1D": (1, {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}),
    "SeparableConv2D": (2, {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}),
}
CHANNELS = 6


def built(name: str, **arguments: object) -> torch.nn.Module:
    rank, given = CONVOLUTIONS[name]
    layer = getattr(layers, name)(**given, **arguments)
    layer(torch.randn(2, *(5,) * rank, CHANNELS))
    return layer


def kernels(name: str) -> list[tuple[str, str, int]]:
    """Each kernel's name in Keras's arguments, in the module, and the stored axis of its units."""
    if "Transpose" in name:
        return [("kernel", "weight", 1)]
    if "Separable" in name:
        return [("depthwise", "depthwise_weight", 0), ("pointwise", "pointwise_weight", 0)]
    return [("depthwise" if "Depthwise" in name else "kernel", "weight", 0)]


@pytest.mark.parametrize(
    ("name", "argument", "parameter", "unit_axis"),
    [(name, *kernel) for name in CONVOLUTIONS for kernel in kernels(name)],
)
def test_a_unit_is_what_one_output_channel_is_made_of(name, argument, parameter, unit_axis):
    layer = built(name, **{f"{argument}_constraint": UnitNorm(axis="unit")})
    project(layer)
    units = getattr(layer, parameter).detach().movedim(unit_axis, 0)
    lengths = units.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(len(units)), rtol=0, atol=1e-6)

    before = units.clone()
    units[1] *= 3
    project(layer)
    torch.testing.assert_close(units[1].norm(), torch.tensor(1.0), rtol=0, atol=1e-6)
    for unit in (0, 2, 3):
        assert torch.equal(units[unit], before[unit])


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_unit_of_the_bias_is_one_element(name):
    layer = built(name, bias_constraint=MaxNorm(1, axis="unit"))
    with torch.no_grad():
        layer.bias[:3] = torch.tensor([0.5, -3.0, 1.0])
    project(layer)
    torch.testing.assert_close(layer.bias[:3].detach(), torch.tensor([0.5, -1.0, 1.0]))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_constraint_can_be_given_later_and_acts_from_the_next_step(name):
    layer = built(name)
    argument, parameter, _ = kernels(name)[0]
    assert getattr(layer, f"{argument}_constraint") is None
    setattr(layer, f"{argument}_constraint", "non_neg")
    with torch.no_grad():
        getattr(layer, parameter).fill_(-1.0)
    layer(torch.randn(2, *(5,) * layer.rank, CHANNELS)).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=1e-6).step()
    assert (getattr(layer, parameter) == 0).all()


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "softmax"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_activation_is_keras_own(same_as_keras, name, activation, data_format):
    rank, arguments = CONVOLUTIONS[name]
    shape = (2, *(5,) * rank, 6) if data_format == "channels_last" else (2, 6, *(5,) * rank)
    given = {**arguments, "activation": activation, "data_format": data_format}
    same_as_keras(name, given, shape)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_there_may_be_no_bias(same_as_keras, name):
    rank, arguments = CONVOLUTIONS[name]
    layer, _ = same_as_keras(name, {**arguments, "use_bias": False}, (2, *(5,) * rank, CHANNELS))
    assert layer.bias is None


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_constraints_are_written_as_keras_writes_them(same_as_keras, name):
    rank, arguments = CONVOLUTIONS[name]
    constraint = {"class_name": "MaxNorm", "config": {"max_value": 3, "axis": [0, 1]}}
    given = {f"{argument}_constraint": constraint for argument, _, _ in kernels(name)}
    given["bias_constraint"] = "non_neg"
    layer, _ = same_as_keras(name, {**arguments, **given}, (2, *(5,) * rank, CHANNELS))
    assert getattr(layer, f"{kernels(name)[0][0]}_constraint") == MaxNorm(3, axis=(0, 1))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_other_channels_than_at_first_are_refused(name, data_format):
    rank, arguments = CONVOLUTIONS[name]
    layer = getattr(layers, name)(**arguments, data_format=data_format, name="mine")
    axis = 1 if data_format == "channels_first" else rank + 1
    x = torch.ones(2, *(8,) * (rank + 1))
    layer(x)
    with pytest.raises(
        ValueError, match=rf"mine: .* 8 channels, .* axis {axis} .* Received: shape"
    ):
        layer(x.narrow(axis, 0, 6))
    with pytest.raises(ValueError, match="a known number of channels"):
        getattr(layers, name)(**arguments).build_once((None,) * (rank + 2))


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_kernels_are_shown_as_views_in_keras_layout(name):
    layer = built(name)
    for argument, parameter, _ in kernels(name):
        stored = getattr(layer, parameter)
        view = layer.kernel if hasattr(layer, "kernel") else getattr(layer, f"{argument}_kernel")
        assert view.data_ptr() == stored.data_ptr()
        assert view.shape[: layer.rank] == stored.shape[2:]
