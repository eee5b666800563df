"""Weights that are alike are projected together, as each would be alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from feasible import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.torch import constrain, fast
from feasible.torch.fast.loop_plan import LoopPlan
from feasible.torch.plans import plan_of
from feasible.torch.stacking import StackingPlan

CONSTRAINTS = [MaxNorm(1, axis=(1, 2)), UnitNorm(axis=0), MinMaxNorm(0.5, 1, 0.5, axis=None)]


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
@pytest.mark.parametrize("shape", [(4, 3, 5), (30, 100, 100)])
def test_what_is_called_for_several_weights(constraint: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weights = [torch.randn(shape, dtype=torch.float64) for _ in range(5)]
    expected = [constraint(weight) for weight in weights]
    (plan,) = {plan_of(constraint, weight)[0] for weight in weights}
    assert isinstance(plan, StackingPlan)
    plan.project(weights)
    torch.testing.assert_close(weights, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_clipping_equals_a_call(
    dtype: torch.dtype, count: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(fast, "can_be_compiled", lambda weight: False)
    tiny = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    entries = [-0.0, 0.0, math.nan, -math.inf, math.inf, -1.0, 1.0, -tiny, tiny, -3 * tiny]
    weight = torch.tensor(entries * 7, dtype=dtype)
    weight[2] = -weight[2]  # a NaN with a sign
    expected = torch.where(weight < 0, 0.0, weight)
    weights = [weight.clone() for _ in range(count)]
    (plan,) = {plan_of(NonNeg(), weight)[0] for weight in weights}
    plan.project(weights)
    for weight in weights:
        assert torch.equal(weight.isnan(), expected.isnan())
        integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[weight.element_size()]
        numbers = ~expected.isnan()  # PyTorch has but one NaN in bfloat16
        assert torch.equal(weight.view(integers)[numbers], expected.view(integers)[numbers])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_clipping_a_large_weight(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight = torch.randn(777, 1001).to(dtype)
    expected = weight.clamp(min=0)
    plan, stored = plan_of(NonNeg(), weight.t())
    for written in (1, 0):
        version = weight._version
        plan.project([stored])
        assert torch.equal(weight, expected)
        assert weight._version == version + written


def test_what_there_is_no_plan_for() -> None:
    class Doubled(MaxNorm):
        def __call__(self, w: torch.Tensor) -> torch.Tensor:
            return 2 * super().__call__(w)

    class Clipped(NonNeg):
        def __call__(self, w: torch.Tensor) -> torch.Tensor:
            return w.clamp(0, 1)

    for constraint in (Doubled(1), Clipped(), torch.relu):
        assert plan_of(constraint, torch.ones(3, 2)) is None
    for weight in (torch.ones(3, 2, dtype=torch.int32), torch.ones(3, 2, device="meta")):
        assert plan_of(MaxNorm(1), weight) is None


def test_the_smallest_weights() -> None:
    for shape in ((), (0, 2), (1,)):
        weight = torch.full(shape, -3.0)
        for constraint in (UnitNorm(axis=None), NonNeg()):
            expected = constraint(weight)
            plan, stored = plan_of(constraint, weight)
            plan.project([stored])
            assert torch.equal(weight, expected)


def test_weights_that_are_alike_have_one_plan() -> None:
    wide, tall = torch.ones(3, 2), torch.ones(2, 3).t()
    assert plan_of(MaxNorm(1), wide)[0] is plan_of(MaxNorm(1.0), wide.clone())[0]
    assert plan_of(MaxNorm(1), wide)[0] is not plan_of(MaxNorm(1), tall)[0]
    assert plan_of(MaxNorm(1), wide)[0] is not plan_of(MaxNorm(2), wide)[0]
    assert plan_of(MaxNorm(1), wide)[0] is not plan_of(MaxNorm(1), wide.bfloat16())[0]


def test_one_step_of_many_weights_equals_a_call_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    shapes = [(6, 4)] * 5 + [(4, 6)] * 3 + [(5, 5)]
    model = nn.ModuleList(nn.Linear(*shape) for shape in shapes)
    constrain(model, kernel=MaxNorm(0.5, axis="unit"), bias=NonNeg())
    sizes: list[int] = []
    project = LoopPlan.project
    monkeypatch.setattr(
        LoopPlan, "project", lambda self, some: sizes.append(len(some)) or project(self, some)
    )
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = [linear.weight.detach().mul(3) for linear in model]
    with torch.no_grad():
        for linear in model:
            linear.weight.mul_(3)
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert sizes == [5, 5, 3, 3, 1, 1]  # kernels and biases
    for linear, weight in zip(model, before, strict=True):
        expected = MaxNorm(0.5, axis=1)(weight)
        torch.testing.assert_close(linear.weight.detach(), expected, rtol=7e-7, atol=0)
        assert (linear.bias >= 0).all()
