"""An orthogonal recurrent network: what came long ago is still there.

A network reads a number between zero and one, then 60 blanks, and is to say the number. A
recurrent kernel that is orthogonal keeps the norm of what it is applied to, forward, and of
gradients, backward; others let them vanish, or grow. Both kernels start as orthogonal; one stays
so.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from feasible import Orthogonal
from feasible.report import align_columns
from feasible.torch import check, constrain

LENGTH, UNITS = 60, 16


class Reader(nn.Module):
    """A recurrent network without a bound on what it holds, and a number read at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = nn.Linear(2, UNITS)
        self.recurrent = nn.Linear(UNITS, UNITS, bias=False)
        self.readout = nn.Linear(UNITS, 1)
        nn.init.orthogonal_(self.recurrent.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Read sequences, of shape (batch, time, 2)."""
        state = torch.zeros(len(x), UNITS)
        for now in self.inputs(x).unbind(1):
            state = self.recurrent(state) + now
            # It keeps the norm, and bends: the absolute value of every second unit.
            state = torch.cat([state[:, ::2].abs(), state[:, 1::2]], dim=1)
        return self.readout(state)[:, 0]


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences that begin with a number, and then only mark that there is none."""
    numbers = torch.rand(count)
    x = torch.zeros(count, LENGTH, 2)
    x[:, 0, 0], x[:, 1:, 1] = numbers, torch.randn(count, LENGTH - 1) * 0.1
    return x, numbers


def measure(constrained: bool, seed: int = 0) -> dict[str, float]:
    """Train on fresh sequences, and look at new ones, and at the recurrent kernel."""
    torch.manual_seed(seed)
    model = Reader()
    if constrained:
        constrain(model, {"recurrent.weight": Orthogonal()}, project=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    largest = 0.0
    for _ in range(150):
        x, y = batch(64)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        largest = max(largest, float(nn.utils.get_total_norm([model.recurrent.weight.grad])))
        optimizer.step()
    check(model).raise_if_violated()
    with torch.no_grad():
        x, y = batch(1000)
        error = nn.functional.mse_loss(model(x), y).sqrt()
        values = torch.linalg.svdvals(model.recurrent.weight)
    return {
        "smallest singular value": float(values.min()),
        "largest singular value": float(values.max()),
        "largest gradient": largest,
        "error, where guessing errs by 0.289": float(error),
    }


def main() -> None:
    """Print means over five seeds, and how far seeds differ."""
    without = [measure(False, seed) for seed in range(5)]
    constrained = [measure(True, seed) for seed in range(5)]

    def cell(runs: list[dict[str, float]], name: str) -> str:
        values = np.array([run[name] for run in runs])
        return f"{values.mean():.4g} ± {values.std():.2g}"

    rows = [(name, cell(without, name), cell(constrained, name)) for name in without[0]]
    print(align_columns(("over 5 seeds", "without", "with Orthogonal"), rows))


if __name__ == "__main__":
    main()
