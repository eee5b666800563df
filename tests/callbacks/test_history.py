"""The table of epochs."""

from __future__ import annotations

import pytest

from feasible.callbacks.history import EpochTable
from feasible.models import History


def test_a_history_prints_as_an_aligned_table():
    history = History()
    assert repr(history) == "History: no epochs"
    for epoch in range(2, 12):
        history.append(epoch, {"loss": 10.0**-epoch, "a_long_metric": 12345.678 * epoch})
    lines = repr(history).splitlines()
    assert lines[0] == "epoch      loss  a_long_metric"
    assert lines[1] == " 3/12    0.0100       2.47e+04"
    assert lines[-1] == "12/12  1.00e-11       1.36e+05"
    assert history.epoch == list(range(2, 12))
    assert history.history["loss"][0] == 0.01


def test_columns_that_not_every_epoch_has_are_left_out():
    history = History()
    history.append(0, {"loss": 1.0})
    history.append(1, {"loss": 0.5, "val_loss": 0.25})
    assert repr(history).splitlines()[0].split() == ["epoch", "loss"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.0000"), (float("nan"), "nan"), (-2.5, "-2.5000"), (1e5, "1.00e+05")],
)
def test_values_of_any_size_fit_their_column(value, shown):
    table = EpochTable(["loss"], 100, timed=True)
    row = table.row(41, [value], 61.25)
    assert row.split() == ["42/100", "61.2s", shown]
    assert len(row) == len(table.header())
