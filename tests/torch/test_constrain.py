"""Rules over any model: which weights they bind, and what they refuse."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from feasible import MaxNorm, NonNeg, UnitNorm
from feasible.layers import Dense
from feasible.torch import check, constrain, constraints_of, project, release


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 5), nn.Linear(5, 3)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(20)
    return model


def take_step(model: nn.Module, inputs: torch.Tensor | None = None) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model(torch.ones(2, 2, 4, 4) if inputs is None else inputs).square().mean().backward()
    optimizer.step()


def test_every_row_and_filter_is_within_the_bound() -> None:
    model = network()
    constrain(model, {"*.weight": MaxNorm(1, axis="unit")})
    for _ in range(3):
        take_step(model)
        for index in (0, 3, 4):
            assert (model[index].weight.double().flatten(1).norm(dim=1) <= 1).all()


def test_roles_are_keywords() -> None:
    model = network()
    report = constrain(model, kernel=MaxNorm(2, axis="unit"), bias=NonNeg(), project=True)
    assert [row.parameter for row in report.rows] == [
        *("0.weight", "3.weight", "4.weight", "0.bias", "3.bias", "4.bias")
    ]
    assert report.ok
    assert check(model).ok


def test_the_table_shows_the_axis_that_is_used() -> None:
    report = constrain(network(), {"0.weight": MaxNorm(2, axis="unit")}, dry_run=True)
    line = str(report).splitlines()[1]
    assert "6x2x3x3" in line
    assert "3x3x2x6" in line
    assert "MaxNorm(max_value=2, axis=(0, 1, 2))" in line
    assert "6 of 18" in line


def test_a_dry_run_binds_nothing_and_moves_nothing() -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    report = constrain(model, kernel=UnitNorm("unit"), project=True, dry_run=True)
    assert not report.ok
    assert constraints_of(model) == {}
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("layout", "axis", "dim"), [("keras", 0, 1), ("native", 0, 0), ("native", "unit", 1)]
)
def test_axes_are_counted_in_the_layout_that_was_asked_for(
    layout: Any, axis: Any, dim: int
) -> None:
    model = nn.Sequential(nn.Linear(4, 7))
    constrain(model, {"0.weight": UnitNorm(axis)}, layout=layout, project=True)
    torch.testing.assert_close(model[0].weight.norm(dim=dim), torch.ones(7 if dim else 4))


def test_one_refused_rule_means_that_none_is_declared() -> None:
    model = network()
    with pytest.raises(ValueError, match=r"4\.bias, the bias: .*axis=1 for a weight of shape"):
        constrain(model, {"*.weight": NonNeg(), "4.bias": MaxNorm(1, axis=1)})
    assert constraints_of(model) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"encoder.*": NonNeg()},), "selects no parameter"),
        (({(nn.Conv3d, "kernel"): NonNeg()},), r"\(Conv3d, 'kernel'\) selects no .*Conv2d"),
        (({"0.*": NonNeg(), "*.bias": NonNeg()},), r"0\.bias can have one constraint"),
    ],
)
def test_rules_that_do_not_fit_the_model(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        constrain(network(), *arguments)


def test_a_layout_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="`layout` must be one of 'keras', 'native'"):
        constrain(network(), kernel=NonNeg(), layout="torch")  # type: ignore[arg-type]


class Scaled(nn.Module):
    """A user's module that the table does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(-torch.ones(3, 2))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.scale


def test_parameters_of_unknown_modules_are_counted_as_stored() -> None:
    model = Scaled()
    with pytest.raises(ValueError, match=r"scale, the scale: .*register_layouts"):
        constrain(model, {"scale": MaxNorm(1, axis="unit")})
    constrain(model, {"scale": UnitNorm(0)}, project=True)
    torch.testing.assert_close(model.scale.norm(dim=0), torch.ones(2))


def test_a_shared_parameter_is_bound_once() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(9, 4), "head": nn.Linear(4, 9, bias=False)})
    model["head"].weight = model["embedding"].weight
    report = constrain(model, {"*.weight": MaxNorm(1, axis="unit")})
    assert [row.parameter for row in report.rows] == ["embedding.weight"]
    release(model)
    report = constrain(model, {"head.*": MaxNorm(1, axis="unit")})
    assert [row.parameter for row in report.rows] == ["head.weight"]


def test_a_lazy_parameter_is_bound_when_it_exists() -> None:
    model = nn.Sequential(nn.LazyLinear(4), Dense(2))
    report = constrain(model, kernel=UnitNorm("unit"))
    assert report.rows == ()
    assert [name for name, _ in report.pending] == ["0.weight", "1.weight"]
    assert "not yet" in str(report)
    assert list(constraints_of(model)) == []
    model(torch.ones(1, 3))
    take_step(model, torch.ones(1, 3))
    assert list(constraints_of(model)) == ["0.weight", "1.weight"]
    for layer in model:
        torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(layer.weight.shape[0]))


def test_a_model_on_the_meta_device_is_bound_before_it_has_values() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    report = constrain(model, kernel=MaxNorm(0.1, axis="unit"), project=True)
    assert report.rows == check(model).rows == ()
    assert [name for name, _ in report.pending] == ["0.weight", "1.weight"]
    with pytest.raises(ValueError, match="axis=2"):
        constrain(model, bias=MaxNorm(1, axis=2))
    model.to_empty(device="cpu")
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    take_step(model, torch.ones(1, 4))
    report = check(model)
    assert report.ok
    assert [row.vectors for row in report.rows] == [3, 2]


def test_release_by_name_role_or_altogether() -> None:
    model = network()
    constrain(model, kernel=NonNeg(), bias=NonNeg())
    assert release(model, "0.*", (nn.Linear, "bias")) == ["0.weight", "0.bias", "3.bias", "4.bias"]
    with pytest.raises(ValueError, match="selects no parameter"):
        release(model, "3.weight", "0.weight")
    assert list(constraints_of(model)) == ["3.weight", "4.weight"]
    assert release(model) == ["3.weight", "4.weight"]
    assert constraints_of(model) == {}


def test_pruned_weights_are_feasible_as_they_are_used() -> None:
    model = nn.Sequential(nn.Linear(6, 4))
    constrain(model, {"0.weight": UnitNorm("unit")})
    prune.random_unstructured(model[0], "weight", amount=8)
    mask = model[0].weight_mask.clone()
    for _ in range(3):
        take_step(model, torch.ones(2, 6))
        used = model[0].weight_orig * mask
        torch.testing.assert_close(used.norm(dim=1), torch.ones(4))
        torch.testing.assert_close(model[0].weight, used)
    assert torch.equal(model[0].weight_mask, mask)


def test_parametrized_weights_are_feasible_as_they_are_used() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 4)))
    constrain(model, {"0.weight": MaxNorm(0.1, axis="unit")})
    assert [name for name, _ in model.named_parameters()][1:] == [
        "0.parametrizations.weight.original0",
        "0.parametrizations.weight.original1",
    ]
    for _ in range(3):
        take_step(model, torch.ones(2, 6))
        assert (model[0].weight.norm(dim=1) <= 0.1 * (1 + 1e-6)).all()


class Doubled(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


def test_a_parametrization_that_cannot_be_written_through_is_refused() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    nn.utils.parametrize.register_parametrization(model[0], "weight", Doubled())
    with pytest.raises(ValueError, match=r"^0\.weight is parametrized by Doubled, .*'0.weight': N"):
        constrain(model, kernel=NonNeg())
    assert constraints_of(model) == {}
    # It can be left out, and does not stand in the way of rules that do not select it.
    report = constrain(model, {"0.weight": None}, kernel=NonNeg())
    assert [row.parameter for row in report.rows] == ["1.weight"]
    assert report.notes == ("'0.weight': None leaves out 0.weight",)
    constrain(model, bias=NonNeg())


@pytest.mark.parametrize("mark", ["ds_id", "_hp_mapping"])
def test_weights_that_were_partitioned_are_refused(mark: str) -> None:
    model = network()
    constrain(model, kernel=NonNeg())
    setattr(model[3].weight, mark, 1)
    before = model[3].weight.clone()
    with pytest.raises(ValueError, match=r"3\.weight is constrained, but DeepSpeed's ZeRO"):
        project(model)
    assert torch.equal(model[3].weight, before)
    other = network()
    with pytest.raises(ValueError, match="DeepSpeed"):
        take_step(other)
    delattr(model[3].weight, mark)
    take_step(other)


def test_weights_that_a_hook_computes_are_refused() -> None:
    model = nn.Linear(3, 2)
    constrain(model, kernel=NonNeg())
    weight = model.weight
    del model.weight
    model.register_parameter("weight_v", weight)
    model.weight = weight * 2
    take_step(network())
    with pytest.raises(ValueError, match=r"^weight .*or a hook, has made it a piece"):
        project(model)
    with pytest.raises(ValueError, match="or a hook"):
        take_step(model, torch.ones(1, 3))


def test_a_plain_loop_never_leaves_the_bound_also_in_copies() -> None:
    model = network()
    constrain(model, kernel=MaxNorm(0.5, axis="unit"))
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    for _ in range(3):
        model, optimizer = copy.deepcopy((model, optimizer))
        optimizer.zero_grad()
        model(torch.randn(4, 2, 4, 4)).square().mean().backward()
        optimizer.step()
        assert check(model).ok
        assert model[3].weight.norm(dim=1).max() > 0.4
    project(model)
