"""What is shown while a model is trained."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from lightning.pytorch.callbacks import RichProgressBar

from feasible.layers import Dense
from feasible.models import Sequential

X = np.ones((64, 3), np.float32)


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self):
        return True


def fitted(**options):
    model = Sequential([Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(X, X[:, :1], epochs=3, validation_split=0.5, **options)
    return model


def screen(text: str) -> list[str]:
    """What a terminal shows in the end: it knows of \\r, \\n, and of moving one line up."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\r|\n|\x1b\[A|[^\r\n\x1b]+", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines.extend([""] * (row + 1 - len(lines)))
        elif part == "\x1b[A":
            row -= 1
        else:
            old = lines[row].ljust(column)
            lines[row] = old[:column] + part + old[column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines]


def test_a_terminal_shows_a_live_bar_and_keeps_the_rows(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    model = fitted()
    model.evaluate(X, X[:, :1])
    model.predict(X)
    kept = [line for line in screen(terminal.getvalue()) if line]
    assert kept[0].split() == ["epoch", "time", "loss", "mae", "val_loss", "val_mae"]
    assert [line.split()[0] for line in kept[1:4]] == ["1/3", "2/3", "3/3"]
    assert kept[4].startswith("loss ")
    assert len(kept) == 5
    drawn = terminal.getvalue()
    assert "epoch 1/3" in drawn
    assert "loss=" in drawn


def test_the_bar_is_not_drawn_at_each_batch(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("feasible.models.progress.time.monotonic", lambda: 5.0)
    fitted(batch_size=1)  # 96 steps, and no time passes
    assert 1 <= terminal.getvalue().count("loss=") <= 20


def test_rows_alone_have_no_carriage_returns(capsys):
    fitted(verbose=2)
    shown = capsys.readouterr()
    assert "\r" not in shown.out
    assert len(shown.out.splitlines()) == 4
    assert shown.err == ""


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_a_bar_of_ones_own_takes_the_place_of_ours(verbose, capsys):
    fitted(verbose=verbose, callbacks=[RichProgressBar()])
    assert "epoch " not in capsys.readouterr().out
