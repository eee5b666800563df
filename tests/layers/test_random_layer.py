"""Layers with a seed of their own."""

from __future__ import annotations

import pytest
import torch

from feasible.arguments import InvalidArgumentError
from feasible.layers.random_layer import RandomLayer


def test_the_same_seed_draws_the_same_and_goes_on():
    def draws(layer):
        return [torch.rand(3, generator=layer.generator(torch.device("cpu"))) for _ in range(2)]

    first, again, other = (draws(RandomLayer(seed)) for seed in (5, 5, -6))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


def test_a_resumed_layer_goes_on():
    layer, resumed = RandomLayer(5), RandomLayer(5)
    layer.generator(torch.device("cpu"))
    resumed.load_state_dict(layer.state_dict())
    seeds = [one.generator(torch.device("cpu")).initial_seed() for one in (layer, resumed)]
    assert seeds[0] == seeds[1]


def test_without_a_seed_pytorch_draws():
    layer = RandomLayer()
    assert layer.generator(torch.device("cpu")) is None
    assert not layer.state_dict()


@pytest.mark.parametrize("seed", [1.5, "a", True])
def test_a_seed_is_an_integer(seed):
    with pytest.raises(InvalidArgumentError, match="RandomLayer: `seed` must be an integer"):
        RandomLayer(seed)
