"""A constraint inside the forward pass."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from feasible import MaxNorm, NonNeg, UnitNorm
from feasible.torch import parametrization


@pytest.mark.parametrize(
    ("module", "dims"),
    [
        (nn.Linear(6, 4), 1),
        (nn.Conv2d(2, 4, 3), (1, 2, 3)),
        (nn.ConvTranspose2d(4, 2, 3), (0, 2, 3)),
    ],
)
def test_the_weight_is_feasible_inside_the_forward(module: nn.Module, dims: object) -> None:
    register_parametrization(module, "weight", parametrization(UnitNorm("unit"), module))
    torch.testing.assert_close(
        torch.linalg.vector_norm(module.weight, dim=dims),
        torch.ones(4 if not isinstance(module, nn.ConvTranspose2d) else 2),
    )


def test_the_gradient_passes_through_the_projection() -> None:
    linear = nn.Linear(3, 1, bias=False).double()
    register_parametrization(linear, "weight", parametrization(MaxNorm(1, axis="unit"), linear))
    stored = linear.parametrizations.weight.original
    with torch.no_grad():
        stored.copy_(torch.tensor([[3.0, 0.0, 4.0]]))
    linear(torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)).sum().backward()
    unit = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(stored.grad[0], (x - unit * (unit @ x)) / 5, rtol=1e-9, atol=1e-9)


def test_without_a_module_axes_are_counted_as_stored() -> None:
    linear = nn.Linear(6, 4)
    register_parametrization(linear, "weight", parametrization(UnitNorm(0)))
    torch.testing.assert_close(linear.weight.norm(dim=0), torch.ones(6))
    with pytest.raises(ValueError, match="`module` must be the module of the weight"):
        parametrization(UnitNorm("unit"))
    with pytest.raises(ValueError, match=r"`name` must be that of a weight of .*Linear"):
        parametrization(UnitNorm(), linear, "kernel")
    with pytest.raises(ValueError, match="axis=2"):
        parametrization(UnitNorm(2), linear)


def test_it_copies_and_trains() -> None:
    linear = nn.Linear(6, 4)
    register_parametrization(linear, "weight", parametrization(NonNeg(), linear))
    linear = copy.deepcopy(linear)
    optimizer = torch.optim.SGD(linear.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        linear(torch.ones(2, 6)).square().sum().backward()
        optimizer.step()
        assert (linear.weight >= 0).all()
    assert (linear.parametrizations.weight.original < 0).any()
    assert repr(linear.parametrizations.weight[0]) == "Projection(NonNeg())"
    assert set(linear.state_dict()) == {"bias", "parametrizations.weight.original"}


@pytest.mark.parametrize("padding", [0, 2])
def test_the_padding_of_an_embedding_is_exempt(padding: int) -> None:
    embedding = nn.Embedding(5, 3, padding_idx=padding)
    with torch.no_grad():
        embedding.weight[padding] = 7.0
    step = parametrization(UnitNorm(axis="unit"), embedding)
    register_parametrization(embedding, "weight", step)
    wanted = torch.ones(5)
    wanted[padding] = 7 * 3**0.5
    torch.testing.assert_close(embedding.weight.norm(dim=1), wanted)


def test_the_parts_of_a_joint_projection_are_counted_each() -> None:
    attention = nn.MultiheadAttention(4, 2)
    step = parametrization(UnitNorm(axis=0), attention, "in_proj_weight")
    register_parametrization(attention, "in_proj_weight", step)
    torch.testing.assert_close(attention.in_proj_weight.norm(dim=1), torch.ones(12))
