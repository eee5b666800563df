"""Averaged copies are feasible when they are used."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from feasible import UnitNorm
from feasible.torch import check, constrain


def test_an_averaged_model_is_feasible() -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, 4)
    constrain(model, kernel=UnitNorm("unit"), project=True)
    averages = [AveragedModel(model), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(5):
        optimizer.zero_grad()
        model(torch.randn(8, 6)).square().sum().backward()
        optimizer.step()
        for averaged in averages:
            averaged.update_parameters(model)
            report = check(averaged)
            assert [row.parameter for row in report.rows] == ["module.weight"]
            assert report.ok
    assert averages[0].n_averaged == 5
    assert not torch.allclose(averages[0].module.weight, model.weight, atol=1e-2)


@pytest.mark.parametrize("name", ["ema_pytorch.ema_pytorch.EMA", "timm.utils.model_ema.ModelEmaV3"])
def test_copies_of_other_libraries_are_warned_of(name: str) -> None:
    module, _, kind = name.rpartition(".")
    wrapped = type(kind, (nn.Module,), {"__module__": module})()
    wrapped.model = nn.Linear(3, 2)
    constrain(wrapped.model, kernel=UnitNorm("unit"), project=True)
    with pytest.warns(UserWarning, match=rf"{kind} averages weights.*project\(ema\."):
        assert check(wrapped).ok
    assert check(wrapped.model).ok
