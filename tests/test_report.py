"""A report is data, a table and a picture of the same findings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feasible import MaxNorm, NonNeg, RadialConstraint, UnitNorm
from feasible.report import Report, Row, ViolationError, align_columns

WEIGHT = np.array([[3.0, 0.6, 0.0], [4.0, 0.8, 0.0]])


def test_a_row_counts_vectors_and_the_worst() -> None:
    row = Row.of("w", MaxNorm(1), WEIGHT)
    assert (row.vectors, row.length, row.violating, row.worst) == (3, 2, 1, 4.0)
    assert (row.quantity, row.bounds) == ("norm", (0.0, 1.0))
    np.testing.assert_allclose(row.measured, [5.0, 1.0, 0.0])


def test_a_zero_vector_violates_unit_norm() -> None:
    row = Row.of("w", UnitNorm(), WEIGHT)
    assert (row.violating, row.worst) == (2, 4.0)
    assert Row.of("w", UnitNorm(), WEIGHT[:, 2:]).worst == 1.0


@pytest.mark.parametrize("constraint", [MaxNorm(1), NonNeg(), UnitNorm()])
def test_a_nan_violates_everything(constraint: Any) -> None:
    row = Row.of("w", constraint, np.array([[math.nan], [1.0]]))
    assert row.violating == 1
    assert math.isnan(row.worst)


def test_a_plain_callable_is_measured_by_how_far_it_moves() -> None:
    def clipped(w: np.ndarray) -> np.ndarray:
        return np.minimum(w, 1.0)

    row = Row.of("w", clipped, WEIGHT)
    assert (row.constraint, row.vectors, row.length) == ("clipped", 1, 6)
    assert row.worst == pytest.approx(math.hypot(2.0, 3.0))


def test_any_backend(xp: Any) -> None:
    for dtype in xp.dtypes:
        row = Row.of("w", MaxNorm(1), xp.asarray(WEIGHT, dtype))
        assert (row.violating, row.worst) == (1, 4.0)


def report(scale: float) -> Report:
    kernel = scale * np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    return Report(
        (
            Row.of("conv.weight", MaxNorm(2, axis="unit"), kernel),
            Row.of("conv.bias", NonNeg(), np.abs(kernel[0, 0, 0])),
            Row.of("radial", RadialConstraint(rings="mean"), np.ones_like(kernel)),
        )
    )


def test_ok_and_raising() -> None:
    assert report(0.01).ok
    report(0.01).raise_if_violated()
    with pytest.raises(ViolationError, match=r"conv\.weight") as caught:
        report(9.0).raise_if_violated()
    assert "conv.bias" not in str(caught.value)


def test_the_data_is_json() -> None:
    data = json.loads(json.dumps(report(9.0).to_dict()))
    assert data["conv.weight"]["vectors"] == 4
    assert data["conv.weight"]["length"] == 18
    assert data["conv.weight"]["violating"] == 4
    assert data["conv.bias"]["worst"] == 0.0


def test_the_table_is_aligned() -> None:
    lines = str(report(9.0)).splitlines()
    assert lines[0].split() == [
        *("parameter", "stored", "counted", "as", "constraint", "vectors", "violating", "worst")
    ]
    assert len(lines) == 4
    assert {line.index("N") for line in lines if "NonNeg" in line} == {lines[0].index("constraint")}
    ends = {len(line) for line in lines}
    assert len(ends) == 1  # the last column is aligned to the right


def test_an_empty_table_is_its_header() -> None:
    assert align_columns(("a", "b"), []) == "a  b"


def test_the_picture_has_a_panel_a_parameter(tmp_path: Path) -> None:
    path = tmp_path / "report.png"
    figure = report(9.0).plot(path, beside=report(1.0))
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.splitlines()[0] for title in titles] == ["conv.weight", "conv.bias", "radial"]
    assert path.read_bytes().startswith(b"\x89PNG")
    bars = sum(bar.get_height() for bar in figure.axes[0].patches if bar.get_height() >= 1)
    assert bars >= 8  # four norms before, four after


def test_the_picture_takes_values_that_are_not_finite() -> None:
    row = Row.of("w", MaxNorm(1), np.array([[math.nan, math.inf, 1.0]]))
    assert len(Report((row,)).plot().axes) == 1


def test_a_histogram_of_bounds_that_are_none_for_all(tmp_path: Path) -> None:
    from feasible import Box

    constraint = Box([-np.inf, 0.0], [1.0, np.inf])
    for weight in (np.ones((3, 2)), np.ones((0, 2))):
        path = tmp_path / "bounds.png"
        Report((Row.of("kernel", constraint, weight),)).plot(path)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_what_a_set_bounds_has_a_name() -> None:
    from feasible import CappedSimplex, Rank, SpectralNorm

    w = np.diag([3.0, 0.5, 0.25])
    for constraint, quantity, bounds, measured in (
        (SpectralNorm(1), "largest singular value", (0, 1), [3.0]),
        (Rank(2), "rank", (0, 2), [3.0]),
        (CappedSimplex(1, 0.5), "sum", (1, 1), [3.0, 0.5, 0.25]),
    ):
        row = Row.of("kernel", constraint, w)
        assert (row.quantity, row.bounds) == (quantity, bounds)
        np.testing.assert_allclose(row.measured, measured)
        assert row.violating == len(measured)
