"""What is shown while a model is trained, beside what Keras shows."""

from __future__ import annotations

import io
import re

import keras
import numpy as np
import pytest

from feasible.layers import Dense
from feasible.models import Sequential

X = np.ones((64, 3), np.float32)


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self):
        return True


def fitted(library=Sequential, dense=Dense, **options):
    model = library([dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(X, X[:, :1], epochs=3, validation_split=0.5, batch_size=8, **options)
    return model


def screen(text: str) -> list[str]:
    """What a terminal shows in the end, without colours and times."""
    kept = []
    for line in re.sub(r"\x1b\[\d+m|\x08", "", text).split("\n"):
        shown = line.split("\r")[-1].rstrip()
        shown = re.sub(r"\d+[mu]?s(/step)?", "T", shown)
        kept.append(re.sub(r"━+|╌+", "=", shown).replace("==", "=").rstrip())
    return [line for line in kept if line]


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_a_terminal_shows_in_the_end_what_keras_shows(verbose, monkeypatch):
    shown = []
    for library, dense in ((Sequential, Dense), (keras.Sequential, keras.layers.Dense)):
        terminal = Terminal()
        monkeypatch.setattr("sys.stdout", terminal)
        fitted(library, dense, verbose=verbose)
        shown.append(screen(terminal.getvalue()))
    assert shown[0] == shown[1]
    assert len(shown[0]) == 6


def test_a_terminal_shows_a_bar_that_moves(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("feasible.callbacks.progress._SECONDS_BETWEEN_DRAWINGS", 0.0)
    model = fitted()
    assert len(re.findall(r"\d/4 ━", terminal.getvalue())) == 15
    terminal.truncate(0)
    assert model.evaluate(X, X[:, :1])[0] >= 0
    assert "loss: " in terminal.getvalue()
    model.predict(X)
    assert "2/2" in terminal.getvalue().split("loss: ")[-1]


def test_the_bar_is_not_drawn_at_each_batch(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("feasible.callbacks.progress.time.monotonic", lambda: 5.0)
    fitted()  # and no time passes
    assert terminal.getvalue().count("loss:") == 3 * (
        1 + 2
    )  # its first batch; and its end, with val_loss


def test_elsewhere_there_is_a_line_for_each_epoch(capsys):
    fitted()
    shown = capsys.readouterr()
    assert "\r" not in shown.out
    assert len(shown.out.splitlines()) == 6
    assert shown.err == ""
