"""Whatever happens to a model, a declared constraint acts, is carried along, or is missed aloud."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from feasible import MaxNorm
from feasible.torch import check, constrain, constraints_of, project, release

BOUND = 0.3


def linear() -> nn.Module:
    return nn.Linear(6, 4)


def convolution() -> nn.Module:
    return nn.Conv2d(2, 4, 3)


INPUTS = {linear: (5, 6), convolution: (2, 2, 5, 5)}
each_kind = pytest.mark.parametrize("make", INPUTS, ids=lambda make: make.__name__)


class Other(nn.Module):
    """What computes with the parameters of another module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.weight = module.weight
        self.bias = module.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.weight.ndim == 2:
            return nn.functional.linear(x, self.weight, self.bias)
        return nn.functional.conv2d(x, self.weight, self.bias)


class Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    def right_inverse(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2


def changed(act: Callable[[nn.Module], Any]) -> Callable[[nn.Module], nn.Module]:
    def event(model: nn.Module) -> nn.Module:
        act(model)
        return model

    return event


def swapped(model: nn.Module, module: nn.Module, *, collected: bool) -> nn.Module:
    model[0] = module
    if collected:
        gc.collect()
    return model


def tied(model: nn.Module) -> nn.Module:
    twin = copy.deepcopy(model[0])
    release(twin)
    twin.weight = model[0].weight
    return nn.Sequential(nn.ModuleDict({"first": model[0], "second": twin})["first"])


def prepared_for_quantization(model: nn.Module) -> nn.Module:
    from torch.ao import quantization

    model.train()
    model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    prepared = quantization.prepare_qat(model)
    gc.collect()
    return prepared


def pruned(model: nn.Module) -> None:
    prune.l1_unstructured(model[0], "weight", amount=0.3)


def unpruned(model: nn.Module) -> None:
    pruned(model)
    prune.remove(model[0], "weight")


def unparametrized(model: nn.Module) -> None:
    parametrize.register_parametrization(model[0], "weight", Doubled())
    parametrize.remove_parametrizations(model[0], "weight")


# What happens to a model between its declaration and the next step, after which it acts.
ACTS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "nothing": lambda model: model,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "state_dict, assigned": changed(
        lambda model: model.load_state_dict(
            {name: 2 * value for name, value in model.state_dict().items()}, assign=True
        )
    ),
    "another dtype": lambda model: model.to(torch.float64).to(torch.float32),
    "garbage collection": changed(lambda model: gc.collect()),
    "frozen and unfrozen": lambda model: model.requires_grad_(False).requires_grad_(True),
    "wrapped": lambda model: nn.Sequential(model),
    "in DataParallel": nn.DataParallel,
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "parametrized": changed(
        lambda model: parametrize.register_parametrization(model[0], "weight", Doubled())
    ),
    "unparametrized": changed(unparametrized),
    "pruned": changed(pruned),
    "unpruned": changed(unpruned),
    "tied": tied,
    "another module with its parameters": lambda model: swapped(
        model, Other(model[0]), collected=True
    ),
    "the same, before garbage is collected": lambda model: swapped(
        model, Other(model[0]), collected=False
    ),
    "a new parameter in its module": changed(
        lambda model: setattr(model[0], "weight", nn.Parameter(model[0].weight.detach().clone()))
    ),
    "moved within the model": lambda model: nn.Sequential(nn.Identity(), model[0]),
}
if torch.backends.quantized.supported_engines:
    ACTS["quantization-aware training"] = prepared_for_quantization


def declared(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(make())
    constrain(model, kernel=MaxNorm(BOUND, axis="unit"))
    return model


def take_step(model: nn.Module, make: Callable[[], nn.Module]) -> None:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    model(torch.ones(INPUTS[make])).square().sum().backward()
    optimizer.step()


@each_kind
@pytest.mark.parametrize("event", ACTS)
@pytest.mark.filterwarnings("ignore:.*torch.ao.quantization.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*reduce_range.*:UserWarning")
def test_it_acts_afterwards(event: str, make: Callable[[], nn.Module]) -> None:
    model = ACTS[event](declared(make))
    for _ in range(3):
        take_step(model, make)
        report = check(model)
        assert report.ok, report
        (row,) = report.rows
        assert (row.vectors, row.violating) == (4, 0)
        assert float(row.measured.max()) == pytest.approx(BOUND, rel=1e-5)


def fresh(model: nn.Module, make: Callable[[], nn.Module]) -> nn.Module:
    model[0] = make()
    return model


@each_kind
@pytest.mark.parametrize("collected", [True, False])
def test_what_was_replaced_is_missed(make: Callable[[], nn.Module], collected: bool) -> None:
    model = fresh(declared(make), make)
    if collected:
        gc.collect()
    for one in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        report = check(one)
        assert not report.ok
        assert report.lost[0][0] == "0.weight"
        assert "gone" in str(report)
        with pytest.raises(ValueError, match=r"(?s)0\.weight +gone.*no longer there"):
            report.raise_if_violated()
    assert check(nn.Sequential(model)).lost[0][0] == "0.0.weight"
    # Constrained again, or given up, it is not missed any more.
    other = copy.deepcopy(model)
    constrain(other, kernel=MaxNorm(BOUND, axis="unit"))
    assert not check(other).lost
    assert release(model, "0.weight") == ["0.weight"]
    assert check(model).ok


@each_kind
def test_a_released_one_is_not_missed(make: Callable[[], nn.Module]) -> None:
    model = declared(make)
    release(model)
    del model[0]
    assert check(model).ok


@each_kind
@pytest.mark.parametrize("name", ["orthogonal", "spectral_norm"])
def test_a_parametrization_that_keeps_nothing_is_refused(
    make: Callable[[], nn.Module], name: str
) -> None:
    parametrized = getattr(parametrizations, name)
    model = nn.Sequential(make())
    parametrized(model[0])
    with pytest.raises(ValueError, match=r"0\.weight is parametrized by .* does not keep"):
        constrain(model, kernel=MaxNorm(BOUND, axis="unit"))
    assert constraints_of(model) == {}
    model = declared(make)
    parametrized(model[0])
    with pytest.raises(ValueError, match=r"0\.weight is parametrized by .* does not keep"):
        take_step(model, make)


@each_kind
def test_what_is_merged_into_a_weight_is_seen(make: Callable[[], nn.Module]) -> None:
    model = declared(make)
    project(model)
    with torch.no_grad():
        model[0].weight.add_(1.0)
    assert check(model).rows[0].violating == 4
    project(model)
    assert check(model).ok


@each_kind
def test_a_parameter_alone_keeps_its_constraint(make: Callable[[], nn.Module]) -> None:
    model = declared(make)
    weight = model[0].weight
    del model
    gc.collect()
    optimizer = torch.optim.SGD([weight], lr=1.0)
    weight.sum().backward()
    optimizer.step()
    assert float(weight.detach().flatten(1).norm(dim=1).max()) <= BOUND * (1 + 1e-6)


def test_a_model_and_its_parameters_go_together() -> None:
    from feasible.torch.declarations import orphans, watched

    gc.collect()
    before = len(orphans), len(watched)
    for _ in range(20):
        take_step(declared(linear), linear)
    gc.collect()
    assert (len(orphans), len(watched)) == before


def test_another_constraint_on_what_was_replaced() -> None:
    model = declared(linear)
    model[0] = Other(model[0])
    constrain(model, {"0.weight": MaxNorm(0.1, axis=1)})
    take_step(model, linear)
    (row,) = check(model).rows
    assert float(row.measured.max()) == pytest.approx(0.1, rel=1e-5)
