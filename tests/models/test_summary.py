"""The summary, to the letter."""

from __future__ import annotations

import numpy as np
from torch import nn

from feasible import MaxNorm, UnitNorm
from feasible.layers import Conv2D, Dense, Flatten, Input
from feasible.models import Model, Sequential

SUMMARY = """\
Sequential 'digits'
Layer              Output shape        Parameters
─────────────────────────────────────────────────
conv2d (Conv2D)    (None, 26, 26, 32)         320
    kernel: MaxNorm(max_value=2, axis='unit') · 32 vectors of 9
    bias: NonNeg() · 32 entries
re_lu (ReLU)       (None, 26, 26, 32)           0
flatten (Flatten)  (None, 21632)                0
linear (Linear)    (None, 64)           1,384,512
encoder (Encoder)  (None, 4)                  260
    dense.kernel: UnitNorm(axis=0) · 4 vectors of 64
─────────────────────────────────────────────────
1,385,092 parameters: 1,384,772 trained, 320 not"""

BEFORE_THE_FIRST_INPUT = """\
Sequential 'sequential'
Layer              Output shape  Parameters
───────────────────────────────────────────
encoder (Encoder)  ?              not built
    dense.kernel: UnitNorm(axis=0)
dense (Dense)      ?              not built
    kernel: halved
───────────────────────────────────────────
0 parameters: 0 trained, 0 not"""

AFTER_THE_FIRST_INPUT = """\
Sequential 'sequential'
Layer              Output shape  Parameters
───────────────────────────────────────────
encoder (Encoder)  (None, 4)             16
    dense.kernel: UnitNorm(axis=0) · 4 vectors of 3
dense (Dense)      (None, 1)              5
    kernel: halved
───────────────────────────────────────────
21 parameters: 21 trained, 0 not"""


def halved(w):
    return w / 2


class Encoder(nn.Module):
    """A module that says nothing of its output's shape."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(4, kernel_constraint=UnitNorm())

    def forward(self, x):
        return self.dense(x)


def printed(model) -> str:
    lines = []
    model.summary(print_fn=lines.append)
    return "\n".join(lines)


def test_a_summary_shows_shapes_parameters_and_constraints(capsys):
    convolution = Conv2D(
        32, 3, kernel_constraint=MaxNorm(2, axis="unit"), bias_constraint="non_neg", trainable=False
    )
    model = Sequential([Input((28, 28, 1)), convolution, nn.ReLU(), Flatten()], name="digits")
    model.add(nn.Linear(21632, 64))
    model.add(Encoder())
    assert printed(model) == SUMMARY
    assert max(map(len, SUMMARY.splitlines())) <= 80
    model.summary()
    assert capsys.readouterr().out == SUMMARY + "\n"


def test_what_is_not_known_yet_is_marked():
    model = Sequential([Encoder(), Dense(1, kernel_constraint=halved)])
    assert printed(model) == BEFORE_THE_FIRST_INPUT
    model(np.ones((2, 3), np.float32))
    assert printed(model) == AFTER_THE_FIRST_INPUT


def test_states_count_and_lazy_parameters_do_not():
    model = Sequential([nn.LazyLinear(3), nn.BatchNorm1d(3)])
    assert printed(model).splitlines()[-1] == "12 parameters: 6 trained, 6 not"
    model(np.ones((2, 3), np.float32))
    assert printed(model).splitlines()[-1] == "24 parameters: 18 trained, 6 not"
    assert model.count_params() == 24


def test_a_model_of_ones_own_has_a_summary():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = Dense(3), nn.Linear(3, 1)

        def forward(self, x):
            return self.out(self.hidden(x))

    model = Net()
    model(np.ones((2, 3), np.float32))
    lines = printed(model).splitlines()
    assert lines[0] == "Net 'net'"
    assert [line.split() for line in lines[3:5]] == [
        ["hidden", "(Dense)", "(None,", "3)", "12"],
        ["out", "(Linear)", "?", "4"],
    ]
