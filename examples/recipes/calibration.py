"""Monotone calibration: scores become probabilities, and a higher score never a lower one.

A table of 40 values, one for each bin of a score, is trained to be the probability of an event.
With Monotone the values rise, and bins with few samples borrow from their neighbours. The
projection is isotonic regression, and so what is trained ends where scikit-learn's
IsotonicRegression does.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression
from torch import nn

from feasible import Monotone
from feasible.report import align_columns
from feasible.torch import check, constrain

BINS = 40


def truth(score: torch.Tensor) -> torch.Tensor:
    """The probability of the event."""
    return torch.sigmoid(6 * (score - 0.6))


def measure(constrained: bool, seed: int = 0) -> dict[str, float]:
    """Train the table on 300 events, and compare it with the truth, and with scikit-learn's."""
    torch.manual_seed(seed)
    score = torch.rand(300)
    happens = (torch.rand(300) < truth(score)).float()
    bins = (score * BINS).long()
    table = nn.Embedding(BINS, 1)
    nn.init.constant_(table.weight, 0.5)
    if constrained:
        constrain(table, {"weight": Monotone(axis=0)})
    optimizer = torch.optim.SGD(table.parameters(), lr=5.0)
    for _ in range(600):
        optimizer.zero_grad()
        nn.functional.mse_loss(table(bins)[:, 0], happens).backward()
        optimizer.step()
    check(table).raise_if_violated()
    values = table.weight.detach()[:, 0]
    middles = (torch.arange(BINS) + 0.5) / BINS
    isotonic = IsotonicRegression().fit(bins.numpy(), happens.numpy())
    there = np.unique(bins.numpy())
    apart = values.numpy()[there] - isotonic.predict(there)
    return {
        "steps down": float((values.diff() < 0).sum()),
        "error from the truth": float((values - truth(middles)).square().mean().sqrt()),
        "largest difference from scikit-learn": float(np.abs(apart).max()),
    }


def main() -> None:
    """Print means over five seeds, and how far seeds differ."""
    without = [measure(False, seed) for seed in range(5)]
    constrained = [measure(True, seed) for seed in range(5)]

    def cell(runs: list[dict[str, float]], name: str) -> str:
        values = np.array([run[name] for run in runs])
        return f"{values.mean():.4g} ± {values.std():.2g}"

    rows = [(name, cell(without, name), cell(constrained, name)) for name in without[0]]
    print(align_columns(("over 5 seeds", "without", "with Monotone"), rows))


if __name__ == "__main__":
    main()
