"""What a monitor measures is what projections did, and it costs nothing when it is not there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch.loggers as lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from feasible import MaxNorm, NonNeg, RadialConstraint, UnitNorm
from feasible.torch import Monitor, applying, constrain, constraints_of, parametrization, project


def clipped(w: torch.Tensor) -> torch.Tensor:
    return w.clamp(-0.1, 0.1)


def trained(model: nn.Module, steps: int = 1, noise: float = 1.0) -> None:
    """Some steps with gradients made up for the purpose."""
    optimizer = torch.optim.SGD(model.parameters(), lr=noise)
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()


# A module, a constraint of its weight, and the stored axes that one vector lies along.
VECTORS = [
    (nn.Linear(5, 7), MaxNorm(0.9, axis="unit"), (1,)),
    (nn.Linear(5, 7), MaxNorm(0.9, axis=1), (0,)),
    (nn.Linear(5, 7), MaxNorm(0.9, axis=None), (0, 1)),
    (nn.Linear(5, 7), NonNeg(), ()),
    (nn.Linear(5, 7), clipped, (0, 1)),
    (nn.Linear(5, 7).bfloat16(), UnitNorm(), (1,)),
    (nn.Linear(5, 7).double(), UnitNorm(axis=1), (0,)),
    (nn.Embedding(6, 4), UnitNorm(axis="unit"), (1,)),
    (nn.Conv2d(3, 4, 3), MaxNorm(0.4, axis="unit"), (1, 2, 3)),
    (nn.Conv2d(3, 4, 3), RadialConstraint(rings="mean"), (2, 3)),
    (nn.ConvTranspose2d(3, 4, 3), MaxNorm(0.4, axis="unit"), (0, 2, 3)),
]


@pytest.mark.parametrize(("module", "constraint", "axes"), VECTORS)
def test_it_measures_what_the_projection_did(module: Any, constraint: Any, axes: Any) -> None:
    torch.manual_seed(0)
    constrain(module, {"weight": constraint})
    with torch.no_grad():
        module.weight.normal_().mul_(0.5)
        module.weight[1] = 0
        module.weight[:, 2] = 0
    before = module.weight.detach().double().numpy().copy()
    with Monitor(module) as monitor:
        project(module)
    after = module.weight.detach().double().numpy()
    squares = np.square(after - before)
    distances = np.sqrt(squares.sum(axis=axes) if axes else squares)
    zero = np.square(after).sum(axis=axes) == 0 if axes else after == 0
    (sample,) = monitor.records()
    assert (sample.step, sample.parameter) == (1, "weight")
    assert sample.moved == pytest.approx((distances > 0).mean(), rel=1e-12)
    assert sample.moved > 0
    tolerance = 1e-12 if before.dtype == module.weight.dtype else 1e-6
    assert sample.mean_distance == pytest.approx(distances.mean(), rel=tolerance)
    assert sample.max_distance == pytest.approx(distances.max(), rel=tolerance)
    assert sample.zero_vectors == zero.sum()


def test_a_feasible_weight_does_not_move() -> None:
    layer = nn.Linear(5, 7)
    constrain(layer, kernel=MaxNorm(100, axis="unit"))
    with Monitor(layer) as monitor:
        trained(layer, noise=0.1)
    assert monitor.records() == [(1, "weight", 0, 0, 0, 0)]


def test_what_is_not_a_number_is_not_hidden() -> None:
    layer = nn.Linear(2, 3)
    constrain(layer, kernel=MaxNorm(0.1, axis="unit"))
    with torch.no_grad():
        layer.weight[0] = math.nan
    with Monitor(layer) as monitor:
        project(layer)
    (sample,) = monitor.records()
    assert sample.moved == pytest.approx(2 / 3)
    assert math.isnan(sample.mean_distance)
    assert math.isnan(sample.max_distance)
    assert str(monitor).split()[-3:] == ["nan", "nan", "0"]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 3)))
    constrain(model, kernel=MaxNorm(0.2, axis="unit"), bias=NonNeg())
    return model


def test_it_samples_every_so_many_steps_and_counts_on() -> None:
    model = network()
    with Monitor(model, every=3) as monitor:
        trained(model, 8)
    names = [*constraints_of(model)]
    assert [sample[:2] for sample in monitor.records()] == [(n, p) for n in (3, 6) for p in names]
    trained(model, 3)
    assert len(monitor.records()) == 8
    with Monitor(model, every=3, initial_step=8) as resumed:
        trained(model, 4)
    assert {sample.step for sample in resumed.records()} == {9, 12}
    with monitor.start():
        trained(model)
    assert {sample.step for sample in monitor.records()} == {3, 6, 9}


def test_steps_are_those_of_a_weights_own_optimizer() -> None:
    model = network()
    with Monitor(model) as monitor:
        trained(model[0], 4)
        trained(model[1], 2)
    assert [it.step for it in monitor.records() if it.parameter == "0.weight"] == [1, 2, 3, 4]
    assert [it.step for it in monitor.records() if it.parameter == "1.0.weight"] == [1, 2]


def test_nothing_is_watched_that_is_not_asked_for() -> None:
    model, other = network(), network()
    with Monitor(model) as monitor, Monitor(other) as second:
        monitor.start()
        trained(other)
    assert monitor.records() == []
    assert len(second.records()) == 4
    with pytest.raises(RuntimeError, match="in the loop"), monitor:
        raise RuntimeError("in the loop")
    assert applying.observers == []


def test_it_never_waits_for_the_device() -> None:
    model = network().to("meta")  # on which nothing has a value that could be waited for
    with Monitor(model) as monitor:
        trained(model, 40)
    with pytest.raises(NotImplementedError, match="meta"):
        monitor.records()


def test_training_is_the_same_bit_for_bit() -> None:
    model, other = network(), network()
    torch.manual_seed(1)
    with Monitor(model, every=2):
        trained(model, 5)
    torch.manual_seed(1)
    trained(other, 5)
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_long_runs() -> None:
    model = network()
    with Monitor(model) as monitor:
        trained(model[0], 100)
    samples = [sample for sample in monitor.records() if sample.parameter == "0.weight"]
    assert [sample.step for sample in samples] == [*range(1, 101)]
    assert all(sample.max_distance > 0 for sample in samples)


class Attending(nn.Module):
    """A module with weights of all kinds: in parts, computed, shared, and not there yet."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2)
        self.pruned = prune.l1_unstructured(nn.Linear(4, 4), "weight", amount=2)
        self.computed = nn.Linear(4, 4)
        nn.utils.parametrize.register_parametrization(
            self.computed, "weight", parametrization(NonNeg(), self.computed)
        )
        self.shared = nn.Linear(4, 4, bias=False)
        self.twin = nn.Linear(4, 4, bias=False)
        self.twin.weight = self.shared.weight
        self.lazy = nn.LazyLinear(3)


def test_weights_have_the_names_that_they_have_in_the_model() -> None:
    model = Attending()
    selectors = ("attention.in_proj_weight[query]", "*d.weight", "lazy.*")
    constrain(model, dict.fromkeys(selectors, NonNeg()))
    with Monitor(model) as monitor:
        model.lazy(torch.ones(2, 4))
        trained(model)
    names = [sample.parameter for sample in monitor.records()]
    assert sorted(names) == sorted(
        [
            *("attention.in_proj_weight[query]", "pruned.weight", "computed.weight"),
            *("shared.weight", "lazy.weight", "lazy.bias"),
        ]
    )


class Writer:
    """TensorBoard's SummaryWriter, as far as it matters here."""

    def __init__(self) -> None:
        self.written: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.written.append((tag, value, step))


class Logger:
    """One of Lightning's loggers, as far as it matters here."""

    def __init__(self) -> None:
        self.written: list[tuple[str, float, int]] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.written += [(tag, value, step) for tag, value in metrics.items()]


def test_it_logs_each_sample_once_to_each_logger() -> None:
    model, writer, logger = network(), Writer(), Logger()
    with Monitor(model, every=2) as monitor:
        trained(model, 4)
        monitor.log_to(writer, logger)
        expected = [
            (f"constraints/{sample.parameter}/{quantity}", getattr(sample, quantity), sample.step)
            for sample in monitor.records()
            for quantity in ("moved", "mean_distance", "max_distance", "zero_vectors")
        ]
        assert len(expected) == 2 * 4 * 4
        assert writer.written == logger.written == expected
        trained(model, 3)
    monitor.log_to(writer)
    assert {step for _, _, step in writer.written[len(expected) :]} == {6}
    assert len(writer.written) == 3 * 4 * 4
    monitor.log_to(writer)
    assert len(writer.written) == 3 * 4 * 4


def test_it_logs_to_one_of_lightnings_own(tmp_path: Path) -> None:
    model = network()
    logger = lightning.CSVLogger(tmp_path)
    with Monitor(model) as monitor:
        trained(model, 2)
    monitor.log_to(logger)
    logger.save()
    rows = Path(logger.log_dir, "metrics.csv").read_text().splitlines()
    assert len(rows) == 3
    assert "constraints/1.0.weight/max_distance" in rows[0].split(",")


def test_a_logger_of_no_known_kind_is_refused_before_anything_is_logged() -> None:
    model, writer = network(), Writer()
    with Monitor(model) as monitor:
        trained(model)
    with pytest.raises(ValueError, match=r"Monitor\.log_to: `loggers` .*add_scalar.*<object"):
        monitor.log_to(writer, object())
    assert writer.written == []
    monitor.log_to(writer)
    assert len(writer.written) == 16


@pytest.mark.parametrize("arguments", [{"every": 0}, {"every": 1.5}, {"initial_step": -1}])
def test_numbers_are_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"Monitor: `{next(iter(arguments))}`"):
        Monitor(network(), **arguments)


def test_it_prints_as_a_table_over_all_samples() -> None:
    model = network()
    assert str(Monitor(model)) == "Monitor: no samples"
    with Monitor(model) as monitor:
        trained(model, 5)
    header, *rows = str(monitor).splitlines()
    assert header.split("  ")[0] == "parameter"
    samples = [sample for sample in monitor.records() if sample.parameter == "0.bias"]
    moved, mean, largest = ([sample[place] for sample in samples] for place in (2, 3, 4))
    assert rows[1].split() == [
        *("0.bias", "6", "of", "1", "5"),
        *(f"{value:.3g}" for value in (np.mean(moved), np.mean(mean), max(largest))),
        str(samples[-1].zero_vectors),
    ]
    assert samples[-1].zero_vectors > 0
    assert len(rows) == 4


def test_it_draws_a_panel_a_quantity_and_a_line_a_weight(tmp_path: Path) -> None:
    model = network()
    with Monitor(model) as monitor:
        trained(model, 5)
    figure = monitor.plot(tmp_path / "monitor.png")
    assert (tmp_path / "monitor.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes) == 4
    for axes, quantity in zip(figure.axes, range(2, 6), strict=True):
        assert [line.get_label() for line in axes.get_lines()] == [*constraints_of(model)]
        drawn = np.stack([line.get_ydata() for line in axes.get_lines()], axis=1).ravel()
        assert drawn.tolist() == [sample[quantity] for sample in monitor.records()]
    assert len(figure.legends[0].get_texts()) == 4


def test_weights_without_entries_and_monitors_without_samples() -> None:
    with pytest.warns(UserWarning, match="zero-element"):
        layer = nn.Linear(0, 3)
    constrain(layer, kernel=NonNeg())
    with Monitor(layer) as monitor:
        project(layer)
    assert monitor.records() == []
    assert str(monitor) == "Monitor: no samples"
    assert len(monitor.plot().axes) == 4
