"""Rules that act together on several parameters, at some steps, or with bounds that change."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from feasible import (
    Box,
    FixedSum,
    InvalidArgumentError,
    L1Ball,
    MaxNorm,
    NonNeg,
    Rule,
    Simplex,
    Sphere,
)
from feasible.torch import check, constrain, constraints_of, project, release


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def norm(model: nn.Module) -> float:
    return float(torch.cat([layer.weight.detach().ravel() for layer in model]).norm())


def step(model: nn.Module, optimizer: Any = None) -> None:
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.5)
    optimizer.zero_grad()
    (-model(torch.ones(1, 4)).square().sum()).backward()
    optimizer.step()


def test_one_norm_over_all_parameters() -> None:
    model = network()
    report = constrain(model, [Rule("*.weight", MaxNorm(0.5, axis=None), joint=True)])
    (row,) = report.rows
    assert (row.parameter, row.vectors, row.length) == ("0.weight + 1.weight", 1, 18)
    assert row.measured == pytest.approx([norm(model)])
    assert row.worst == pytest.approx(norm(model) - 0.5)
    before = copy.deepcopy(model)
    project(model)
    assert norm(model) == pytest.approx(0.5, rel=1e-6)
    ratio = [new.weight / old.weight for new, old in zip(model, before, strict=True)]
    assert torch.cat([one.ravel() for one in ratio]).std() < 1e-6
    for _ in range(3):
        step(model)
        assert norm(model) == pytest.approx(0.5, rel=1e-6)
    assert check(model).ok


def test_a_parameter_alone_may_be_stepped() -> None:
    model = network()
    constrain(model, [Rule("*.weight", MaxNorm(0.5, axis=None), joint=True)])
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.5)
    step(model, optimizer)
    assert norm(model) == pytest.approx(0.5, rel=1e-6)


def test_units_of_two_kernels() -> None:
    cell = nn.RNN(4, 3)
    constrain(cell, [Rule("weight_*", MaxNorm(0.1, axis="unit"), joint=True)], project=True)
    both = torch.cat([cell.weight_ih_l0, cell.weight_hh_l0], dim=1)
    assert both.detach().norm(dim=1).tolist() == pytest.approx([0.1] * 3, rel=1e-6)


def test_copies_are_models_of_their_own() -> None:
    model = network()
    constrain(model, [Rule("*.weight", MaxNorm(0.5, axis=None), joint=True)])
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        before = norm(model)
        step(same)
        assert norm(same) == pytest.approx(0.5, rel=1e-6)
        assert norm(model) == before
        assert len(check(same).rows) == 1
    assert release(model) == ["0.weight", "1.weight"]
    assert constraints_of(model) == {}


def test_vectors_must_be_as_many_in_each() -> None:
    with pytest.raises(ValueError, match="as many vectors each"):
        constrain(network(), [Rule("*.weight", MaxNorm(1, axis=0), joint=True)], project=True)


@pytest.mark.parametrize("constraint", [Simplex(), NonNeg(), abs], ids=repr)
def test_what_cannot_go_through_several(constraint: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="`joint` must be False"):
        constrain(network(), [Rule("*.weight", constraint, joint=True)])


def test_it_acts_every_few_steps_with_the_bound_of_then() -> None:
    model = network()
    rule = Rule(
        "0.weight",
        MaxNorm(2, axis=None),
        every=2,
        start=3,
        schedule={"max_value": lambda step: 1 / step},
    )
    constrain(model, [rule])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    norms = []
    for _ in range(5):
        step(model, optimizer)
        norms.append(float(model[0].weight.detach().norm()))
    assert norms[2] == pytest.approx(1 / 3, rel=1e-6)
    assert norms[4] == pytest.approx(1 / 5, rel=1e-6)
    assert all(found > 1 / 2 for found in (norms[0], norms[1], norms[3]))
    assert "max_value=0.2" in check(model).rows[0].constraint


def test_a_resumed_run_goes_on_counting() -> None:
    schedule = {"max_value": lambda step: 1 / step}
    rule = Rule("0.weight", MaxNorm(2, axis=None), schedule=schedule)
    model = network()
    constrain(model, [rule])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):
        step(model, optimizer)
    saved = pickle.loads(pickle.dumps((model.state_dict(), optimizer.state_dict())))
    resumed = network()
    constrain(resumed, [rule])
    resumed.load_state_dict(saved[0])
    other = torch.optim.SGD(resumed.parameters(), lr=0.5)
    other.load_state_dict(saved[1])
    step(resumed, other)
    assert float(resumed[0].weight.detach().norm()) == pytest.approx(1 / 4, rel=1e-6)
    assert set(model.state_dict()) == set(network().state_dict())


def test_a_skipped_step_is_not_counted() -> None:
    model = network()
    constrain(model, [Rule("*.weight", MaxNorm(2), schedule={"max_value": lambda step: 1 / step})])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler = torch.amp.GradScaler("cpu")
    for value in (1.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale(value * model(torch.ones(1, 4)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert optimizer.param_groups[0]["feasible_step"] == 2


def test_bounds_that_depend_on_the_weight() -> None:
    model = network()
    widths = {"lower": lambda w: -w.std(), "upper": lambda w: w.std(dim=0)}
    seen = []

    def upper(w: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(w.shape))
        return w.std(dim=0)

    constrain(model, [Rule("0.weight", Box(-1, 1), bounds={**widths, "upper": upper})])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    before = model[0].weight.detach().clone()
    step(model, optimizer)
    expected = before.t().clamp(min=-before.std()).minimum(before.t().std(dim=0)).t()
    torch.testing.assert_close(model[0].weight.detach(), expected)
    assert seen == [(4, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "`every` must be an integer of at least 1"),
        ({"start": -1}, "`start` must be an integer of at least 0"),
        ({"schedule": {"max": abs}}, r"`schedule` must be .*max_value, axis"),
        ({"schedule": {"max_value": 3}}, "`schedule` must be a mapping"),
        ({"bounds": {"max_value": abs}, "schedule": {"max_value": abs}}, "for other arguments"),
    ],
)
def test_options_that_mean_nothing(options: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        constrain(network(), [Rule("*.weight", MaxNorm(1), **options)])


def test_a_rule_is_a_pair() -> None:
    assert Rule("*.weight", NonNeg()) == ("*.weight", NonNeg())
    selector, constraint = Rule("*.weight", NonNeg(), every=2)
    assert (selector, constraint) == ("*.weight", NonNeg())


def test_radii_are_what_they_were_when_declared() -> None:
    for constraint, size in (
        (Sphere("initial", axis="unit"), lambda w: w.norm(dim=1)),
        (L1Ball("initial", axis="unit"), lambda w: w.abs().sum(1)),
        (NonNeg() & Sphere("initial", axis="unit"), lambda w: w.norm(dim=1)),
    ):
        model = network()
        expected = size(model[0].weight.detach())
        constrain(model, {"0.weight": constraint})
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(3):
            step(model, optimizer)
        torch.testing.assert_close(size(model[0].weight.detach()), expected)
        same = pickle.loads(pickle.dumps(model))
        step(same)
        torch.testing.assert_close(size(same[0].weight.detach()), expected)


def test_a_radius_waits_for_values() -> None:
    with torch.device("meta"):
        model = nn.Linear(4, 3)
    report = constrain(model, {"weight": Sphere("initial", axis="unit")})
    assert [name for name, _ in report.pending] == ["weight"]
    model.to_empty(device="cpu")
    nn.init.constant_(model.weight, 0.5)
    project(model)
    nn.init.constant_(model.weight, 2.0)
    project(model)
    assert model.weight.detach().norm(dim=1).tolist() == pytest.approx([1.0] * 3)


def test_sums_go_through_several_parameters() -> None:
    model = network()
    constrain(model, [Rule("*.weight", FixedSum(1, axis=None), joint=True)], project=True)
    assert float(sum(layer.weight.detach().sum() for layer in model)) == pytest.approx(1, abs=1e-5)
