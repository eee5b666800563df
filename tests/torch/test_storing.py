"""A projected weight that is computed from others is stored, or it is an error."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.parametrize import register_parametrization

from feasible import Constraint, MaxNorm, NonNeg, UnitNorm
from feasible.layers import Dense
from feasible.torch import constrain, constraints_of, parametrization, project


class Shifted(nn.Module):
    """What is read is more than what was stored."""

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        return w + 1

    def right_inverse(self, w: torch.Tensor) -> torch.Tensor:
        return w


class Softplus(nn.Module):
    """What is read is what was stored, up to rounding."""

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        return nn.functional.softplus(w)

    def right_inverse(self, w: torch.Tensor) -> torch.Tensor:
        return torch.log(torch.expm1(w))


def shifted(module: nn.Module) -> nn.Module:
    register_parametrization(module, "weight", Shifted())
    return module


def kept(module: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(dict(module.state_dict()))


def assert_same(state: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert list(state) == list(other)
    assert all(torch.equal(state[name], other[name]) for name in state)


def step(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    torch.optim.SGD(module.parameters(), lr=0.1).step()


DO_NOT_KEEP = {
    "orthogonal": parametrizations.orthogonal,
    "spectral_norm": parametrizations.spectral_norm,
    "shifted": shifted,
}


@pytest.mark.parametrize("kind", DO_NOT_KEEP)
def test_a_weight_that_does_not_come_back_is_refused(kind: str) -> None:
    torch.manual_seed(0)
    linear = DO_NOT_KEEP[kind](nn.Linear(6, 6)).eval()
    plain = nn.Linear(6, 6)
    model = nn.Sequential(plain, linear)
    before = kept(model)
    words = r"\w*\.?weight is parametrized by \w+, which does not keep what is assigned"
    for arguments in ({}, {"project": True}, {"dry_run": True}):
        with pytest.raises(ValueError, match=words):
            constrain(model, kernel=MaxNorm(0.1), **arguments)
        assert constraints_of(model) == {}
        assert_same(kept(model), before)


@pytest.mark.parametrize("kind", DO_NOT_KEEP)
def test_a_parametrization_after_the_declaration_is_an_error_at_the_next_step(kind: str) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(6, 6)
    constrain(linear, kernel=MaxNorm(0.1))
    DO_NOT_KEEP[kind](linear)
    before = kept(linear.eval())
    with pytest.raises(ValueError, match="does not keep what is assigned to it"):
        step(linear)
    assert_same(kept(linear), before)
    with pytest.raises(ValueError, match="does not keep what is assigned to it"):
        project(linear)


def test_what_is_feasible_however_it_is_computed_is_left_as_it_is() -> None:
    torch.manual_seed(0)
    for parametrized in (parametrizations.orthogonal, parametrizations.spectral_norm):
        linear = parametrized(nn.Linear(6, 4)).eval()
        before = kept(linear)
        assert constrain(linear, kernel=MaxNorm(1.01, axis="unit"), project=True).ok
        step(linear)
        assert_same(kept(linear), before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("constraint", [MaxNorm(0.3, axis="unit"), UnitNorm(0), NonNeg()], ids=repr)
def test_weight_norm_comes_back(constraint: Constraint, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(8, 4).to(dtype)
    with torch.no_grad():
        linear.weight[:, 0] = 0.5  # no unit without a direction, under NonNeg
    parametrizations.weight_norm(linear)
    assert not constrain(linear, kernel=constraint).ok
    step(linear)
    exact = constraint.resolve((0,))
    distances = exact.violations(linear.weight.detach().t().double())
    assert distances.max() < (0.05 if dtype in (torch.float16, torch.bfloat16) else 1e-6)


def test_a_parametrization_by_a_bijection_comes_back() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(8, 4)
    with torch.no_grad():
        linear.weight.abs_()
    register_parametrization(linear, "weight", Softplus())
    constrain(linear, kernel=MaxNorm(0.2, axis="unit"), project=True)
    assert (linear.weight.norm(dim=1) <= 0.2 + 1e-6).all()


def test_a_vector_that_becomes_nan_is_an_error() -> None:
    linear = nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.fill_(-1.0)
    parametrizations.weight_norm(linear)  # of a zero vector it makes NaN
    with pytest.raises(ValueError, match="parametrized by WeightNorm, which does not keep"):
        constrain(linear, kernel=NonNeg())
    assert torch.equal(linear.weight, torch.full((2, 3), -1.0))


def test_a_pruned_weight_that_would_be_filled_is_an_error() -> None:
    linear = nn.Linear(4, 3)
    prune.l1_unstructured(linear, "weight", amount=4)
    before = kept(linear)

    def raised(w: Any) -> Any:
        return w + 1

    with pytest.raises(ValueError, match=r"weight is pruned, and does not keep"):
        constrain(linear, kernel=raised)
    assert constraints_of(linear) == {}
    assert_same(kept(linear), before)
    constrain(linear, kernel=UnitNorm(axis="unit"))
    step(linear)
    torch.testing.assert_close(linear.weight.norm(dim=1), torch.ones(3))


def test_a_layer_refuses_alike() -> None:
    layer = Dense(4, kernel_constraint=MaxNorm(0.1))
    layer(torch.ones(1, 4))
    parametrizations.orthogonal(layer, "weight")
    with pytest.raises(ValueError, match="does not keep what is assigned to it"):
        project(layer)


def test_a_constraint_inside_the_forward_pass_needs_no_storing() -> None:
    linear = parametrizations.orthogonal(nn.Linear(4, 4))
    register_parametrization(linear, "weight", parametrization(MaxNorm(0.1, axis="unit"), linear))
    torch.testing.assert_close(linear.weight.norm(dim=1), torch.full((4,), 0.1))
