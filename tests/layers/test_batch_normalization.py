"""BatchNormalization, beside Keras's and PyTorch's."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
import torch
from torch import nn

from feasible.arguments import InvalidArgumentError
from feasible.layers import BatchNormalization

SHAPES_AND_AXES = [
    ((6, 3), -1),
    ((6, 3), 1),
    ((4, 5, 3), -1),
    ((4, 5, 3), 1),
    ((4, 5, 6, 3), -1),
    ((4, 3, 5, 6), 1),
    ((4, 5, 3, 6), 2),
    ((4, 5, 3, 6), -2),
    ((2, 3, 4, 5, 3), -1),
    ((2, 3, 4, 5, 6), 1),
]


@pytest.mark.parametrize(("shape", "axis"), SHAPES_AND_AXES, ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_it_is_keras_own(same_as_keras, shape, axis, training):
    for center, scale, momentum, epsilon in product(
        (True, False), (True, False), (0.99, 0.5), (1e-3, 0.1)
    ):
        arguments = {
            "axis": axis,
            "momentum": momentum,
            "epsilon": epsilon,
            "center": center,
            "scale": scale,
            "moving_mean_initializer": "ones",
            "gamma_constraint": "non_neg" if center else None,
            "beta_constraint": {"class_name": "MaxNorm", "config": {"axis": 0}} if scale else None,
        }
        ours, theirs = same_as_keras("BatchNormalization", arguments, shape, training=training)
        for own, given in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(own, given, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "axis"), SHAPES_AND_AXES, ids=str)
def test_averages_move_as_keras_moves_them(shape, axis):
    ours = BatchNormalization(axis, momentum=0.8)
    theirs = keras.layers.BatchNormalization(axis, momentum=0.8)
    rng = np.random.default_rng(0)
    for size in (1, 4, 2, 7, 1):
        x = (3 + 2 * rng.normal(size=(size, *shape[1:]))).astype(np.float32)
        torch.testing.assert_close(ours(x), theirs(x, training=True), rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean.value.detach(), atol=1e-5)
    np.testing.assert_allclose(
        ours.moving_variance, theirs.moving_variance.value.detach(), rtol=1e-5, atol=1e-5
    )
    ours.eval()
    torch.testing.assert_close(ours(x), theirs(x, training=False), rtol=0, atol=1e-5)


def test_a_batch_of_one_gives_beta_and_no_gradient():
    layer = BatchNormalization(beta_initializer="ones")
    x = torch.tensor([[1.0, 5.0]], requires_grad=True)
    y = layer(x)
    y.sum().backward()
    torch.testing.assert_close(y, torch.ones(1, 2), rtol=0, atol=1e-4)
    assert x.grad.tolist() == [[0.0, 0.0]]
    torch.testing.assert_close(layer.moving_mean, torch.tensor([0.01, 0.05]))
    torch.testing.assert_close(layer.moving_variance, torch.tensor([0.99, 0.99]))


def test_the_variance_is_that_of_the_batch_and_not_of_its_population():
    layer = BatchNormalization(momentum=0.0)
    layer(torch.tensor([[0.0], [2.0]]))
    assert layer.moving_variance.item() == 1.0


def test_a_large_mean_takes_nothing_from_the_variance():
    layer = BatchNormalization(momentum=0.0)
    layer(torch.tensor([[1e4 - 1], [1e4 + 1]]))
    assert layer.moving_variance.item() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_it_uses_the_averages_unless_it_is_trained(training, trainable):
    layer = BatchNormalization(trainable=trainable).train(training)
    x = torch.tensor([[1.0], [3.0]])
    y = layer(x)
    if training and trainable:
        assert y.mean().item() == pytest.approx(0, abs=1e-6)
        assert layer.moving_mean.item() != 0
    else:
        torch.testing.assert_close(y, x / np.sqrt(1.001))
        assert layer.moving_mean.item() == 0


def test_freezing_and_thawing_take_effect_at_once():
    layer = BatchNormalization()
    layer(torch.randn(8, 2))
    before = layer.moving_mean.clone()
    layer.trainable = False
    layer(torch.randn(8, 2))
    assert torch.equal(layer.moving_mean, before)
    layer.trainable = True
    layer(torch.randn(8, 2))
    assert not torch.equal(layer.moving_mean, before)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (nn.BatchNorm1d, (6, 3)),
        (nn.BatchNorm1d, (6, 3, 4)),
        (nn.BatchNorm2d, (6, 3, 4, 5)),
        (nn.BatchNorm3d, (6, 3, 2, 2, 2)),
    ],
    ids=str,
)
def test_the_state_is_that_of_pytorch(kind, shape):
    ours, theirs = BatchNormalization(1), kind(3, eps=1e-3)
    for _ in range(3):
        ours(1 + torch.randn(shape))
    x = torch.randn(shape)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    other = kind(3, eps=1e-3)
    other(5 + torch.randn(shape))
    ours.load_state_dict(other.state_dict())
    torch.testing.assert_close(ours(x), other.eval()(x))
    whole = nn.Sequential(ours)
    whole.load_state_dict(nn.Sequential(theirs).state_dict())
    torch.testing.assert_close(whole(x), theirs(x))


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((8, 3), -1),
        ((8, 5, 3), -1),
        ((8, 3, 5), 1),
        ((8, 5, 5, 3), -1),
        ((8, 3, 5, 5), 1),
        ((8, 2, 5, 5, 3), -1),
    ],
    ids=str,
)
def test_the_output_has_the_memory_layout_of_the_input(shape, axis):
    x = torch.randn(shape)
    for training in (True, False):
        layer = BatchNormalization(axis).train(training)
        assert layer(x).stride() == x.stride()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_takes_half_precision_under_autocast(dtype):
    layer = BatchNormalization()
    x = 3 + torch.randn(64, 5)
    layer(x)
    with torch.autocast("cpu", dtype):
        y = layer(x.to(dtype))
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), layer(x), rtol=0, atol=0.05)
    assert layer.moving_mean.dtype == torch.float32


@pytest.mark.parametrize(
    ("axis", "shape", "message"),
    [
        (3, (2, 3), r"axis=\[3\] for an input of shape \(2, 3\)"),
        (0, (2, 3), r"known sizes along axis 0\. Received: shape \(None, 3\)"),
        (-3, (2, 3), r"from -2 to 1"),
    ],
)
def test_an_axis_that_the_input_lacks_is_refused(axis, shape, message):
    with pytest.raises(ValueError, match=f"batch_normalization: .*{message}"):
        BatchNormalization(axis)(torch.ones(shape))


def test_another_number_of_channels_is_refused():
    layer = BatchNormalization()
    layer(torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"must have \(3,\) sizes along axis -1.*shape \(2, 4\)"):
        layer(torch.ones(2, 4))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("axis", [1, 2]),
        ("axis", 1.0),
        ("axis", True),
        ("axis", None),
        ("momentum", 1.5),
        ("momentum", -0.1),
        ("momentum", "high"),
        ("epsilon", -1e-3),
    ],
    ids=str,
)
def test_arguments_are_checked(argument, value):
    with pytest.raises(InvalidArgumentError, match=f"BatchNormalization: `{argument}` must be"):
        BatchNormalization(**{argument: value})


@pytest.mark.parametrize("argument", ["renorm", "synchronized"])
def test_what_keras_has_beyond_is_refused(argument):
    BatchNormalization(**{argument: False})
    with pytest.raises(TypeError, match=f"BatchNormalization: there is no argument `{argument}`"):
        BatchNormalization(**{argument: True})
