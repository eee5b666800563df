"""Whatever an optimizer does with gradients, what it steps is projected, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from feasible import MaxNorm, MinMaxNorm
from feasible.torch import check, constrain


class Plain(Optimizer):
    """Gradient descent, written as optimizers of other libraries are."""

    def __init__(self, params: Any, lr: float = 0.5) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group in self.param_groups:
            for one in group["params"]:
                self.update(one, group["lr"])

    def update(self, one: torch.Tensor, lr: float) -> None:
        if one.grad is not None:
            one.add_(one.grad, alpha=-lr)


class DropsGradients(Plain):
    def update(self, one: torch.Tensor, lr: float) -> None:
        super().update(one, lr)
        one.grad = None


class DropsGradientsOfData(Plain):
    def update(self, one: torch.Tensor, lr: float) -> None:
        one.data.add_(one.grad.data, alpha=-lr)
        one.grad = None


class Evolution(Plain):
    def update(self, one: torch.Tensor, lr: float) -> None:
        one.add_(torch.randn_like(one), alpha=10 * lr)


class EvolutionOfData(Plain):
    def update(self, one: torch.Tensor, lr: float) -> None:
        one.data = one.data + 10 * lr * torch.randn_like(one)


class OfTwoSteps(DropsGradients):
    """One whose own step calls another that is hooked, too, and goes on after it."""

    def step(self, closure: Callable[[], Any] | None = None) -> None:
        super().step(closure)
        for group in self.param_groups:
            for one in group["params"]:
                one.data.mul_(100)


def model_of(scale: float = 10.0) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 2))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(scale)
    constrain(model, kernel=MaxNorm(0.3, axis="unit"))
    return model


def backward(model: nn.Module) -> None:
    model(torch.ones(3, 5)).square().sum().backward()


KINDS = [Plain, DropsGradients, DropsGradientsOfData, Evolution, EvolutionOfData, OfTwoSteps]


@pytest.mark.parametrize("with_closure", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_whatever_it_does_with_gradients(kind: type[Plain], with_closure: bool) -> None:
    Plain([torch.ones(1)]).step()  # hooks the step of the class that others derive from
    model = model_of()
    optimizer = kind(model.parameters())
    for _ in range(3):
        if not issubclass(kind, Evolution | EvolutionOfData):
            backward(model)
        optimizer.step((lambda: backward(model)) if with_closure else None)
        assert check(model).ok
        assert len(check(model).rows) == 2


@pytest.mark.parametrize("kind", [Evolution, EvolutionOfData])
def test_without_any_parameter_that_requires_gradients(kind: type[Plain]) -> None:
    model = model_of().requires_grad_(False)
    kind(model.parameters()).step()
    assert check(model).ok


def test_a_hook_of_the_optimizer_that_drops_gradients() -> None:
    model = model_of()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_post_hook(lambda optimizer, *_: optimizer.zero_grad())
    backward(model)
    optimizer.step()
    assert check(model).ok


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, Plain])
def test_what_has_no_gradient_beside_what_has_is_left_alone(kind: Any) -> None:
    model = model_of()
    before = model[1].weight.clone()
    optimizer = kind(model.parameters(), lr=0.1)
    model[0](torch.ones(3, 5)).sum().backward()
    optimizer.step()
    assert torch.equal(model[1].weight, before)
    assert check(model).rows[0].violating == 0


def test_a_step_of_an_optimizer_of_torch_that_does_nothing() -> None:
    model = nn.Linear(5, 4)
    constrain(model, kernel=MinMaxNorm(0.0, 0.1, rate=0.5, axis="unit"))
    before = model.weight.clone()
    torch.optim.Adam(model.parameters()).step()
    assert torch.equal(model.weight, before)


def test_frozen_beside_an_evolution_of_the_rest() -> None:
    class OfTheTrained(EvolutionOfData):
        def update(self, one: torch.Tensor, lr: float) -> None:
            if one.requires_grad:
                super().update(one, lr)

    model = model_of()
    model[1].weight.requires_grad_(False)
    before = model[1].weight.clone()
    OfTheTrained(model.parameters()).step()
    assert torch.equal(model[1].weight, before)
    assert check(model).rows[0].violating == 0
