"""Dropout: Keras's arguments, rates and scaling; masks that a resumed run goes on with."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from feasible.arguments import InvalidArgumentError
from feasible.layers import Dropout


@pytest.mark.parametrize("noise_shape", [None, (2, 1, 4), (None, 1, None), (1, 3, 1)], ids=str)
@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("rate", [0, 0.3, 1.0])
def test_it_is_keras_own(same_as_keras, rate, noise_shape, seed):
    arguments = {"rate": rate, "noise_shape": noise_shape, "seed": seed}
    same_as_keras("Dropout", arguments, (2, 3, 4))


@pytest.mark.parametrize("arguments", [{}, {"seed": 1}, {"noise_shape": (2, 1)}], ids=str)
@pytest.mark.parametrize("rate", [0, 1])
def test_all_or_nothing_is_dropped(rate, arguments):
    x = torch.randn(2, 3)
    assert torch.equal(Dropout(rate, **arguments)(x), (1 - rate) * x)


@pytest.mark.parametrize("arguments", [{}, {"seed": 1}, {"noise_shape": (None, 1000)}], ids=str)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_others_scaled_up(rate, arguments):
    torch.manual_seed(0)
    x = torch.randn(1000, 1000)
    y = Dropout(rate, **arguments)(x)
    dropped = y == 0
    assert dropped.float().mean().item() == pytest.approx(rate, abs=0.003)
    torch.testing.assert_close(y[~dropped], x[~dropped] / (1 - rate))
    assert dropped.float().mean(0).std() < 0.05
    assert dropped.float().mean(1).std() < 0.05


@pytest.mark.parametrize(
    ("noise_shape", "shared"),
    [((None, 1, None), (1,)), ((1, None, 1), (0, 2)), ((1, 1, 1), (0, 1, 2))],
)
def test_entries_share_their_fate_along_axes_of_size_one(noise_shape, shared):
    torch.manual_seed(0)
    y = Dropout(0.5, noise_shape)(torch.ones(10, 20, 30))
    assert torch.equal(y.amax(shared), y.amin(shared))
    if len(shared) < 3:
        assert 0 < (y == 0).float().mean() < 1


def test_the_gradient_passes_where_the_input_does():
    x = torch.randn(50, 50, requires_grad=True)
    y = Dropout(0.5, seed=0)(x)
    y.sum().backward()
    assert torch.equal(x.grad, 2.0 * (y != 0))


def test_a_seed_gives_the_same_masks_one_after_the_other():
    state = torch.get_rng_state()
    x = torch.ones(4, 100)
    first, second, other = Dropout(0.5, seed=1), Dropout(0.5, seed=1), Dropout(0.5, seed=2)
    masks = [first(x) for _ in range(5)]
    assert all(torch.equal(mask, second(x)) for mask in masks)
    assert len({tuple(mask.flatten().tolist()) for mask in [*masks, other(x)]}) == 6
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "again",
    [
        copy.deepcopy,
        lambda layer: pickle.loads(pickle.dumps(layer)),
        lambda layer: resumed(layer),
    ],
    ids=["copied", "pickled", "resumed"],
)
def test_a_seeded_layer_goes_on_where_it_was(again):
    x = torch.ones(4, 100)
    layer = Dropout(0.5, seed=1)
    layer(x)
    other = again(layer)
    assert torch.equal(layer(x), other(x))


def resumed(layer):
    other = Dropout(0.5, seed=1)
    other.load_state_dict(layer.state_dict())
    return other


def test_without_a_seed_there_is_no_state():
    assert Dropout(0.5).state_dict() == {}


def test_without_a_seed_masks_come_from_the_generator_of_pytorch():
    x = torch.ones(100)
    for layer in (Dropout(0.5), Dropout(0.5, noise_shape=(None,))):
        torch.manual_seed(0)
        first = layer(x)
        assert not torch.equal(layer(x), first)
        torch.manual_seed(0)
        assert torch.equal(layer(x), first)


def test_in_evaluation_the_input_comes_back():
    x = torch.ones(3, 4)
    for layer in (Dropout(0.5), Dropout(0.5, seed=1), Dropout(0.5, (None, 1))):
        assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("noise_shape", [(3,), (3, 4, 1), (2, 4), (3, 2)], ids=str)
def test_a_mask_that_does_not_fit_is_refused(noise_shape):
    with pytest.raises(ValueError, match=r"dropout: `noise_shape` must .*for shape \(3, 4\)"):
        Dropout(0.5, noise_shape)(torch.ones(3, 4))


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"rate": -0.1}, "rate"),
        ({"rate": 1.1}, "rate"),
        ({"rate": None}, "rate"),
        ({"rate": 0.5, "noise_shape": (0, 1)}, "noise_shape"),
        ({"rate": 0.5, "noise_shape": (1.5,)}, "noise_shape"),
        ({"rate": 0.5, "noise_shape": 3}, "noise_shape"),
        ({"rate": 0.5, "seed": 1.5}, "seed"),
    ],
    ids=str,
)
def test_arguments_are_checked(arguments, argument):
    with pytest.raises(InvalidArgumentError, match=f"Dropout: `{argument}` must be"):
        Dropout(**arguments)


def test_numpy_numbers_are_numbers():
    assert Dropout(np.float64(0.5)).get_config()["rate"] == 0.5
