"""Mixing weights on a simplex: which of several predictors a mixture is made of.

Eight predictors are given, two of which are what the data is made of, 0.7 of one and 0.3 of the
other, and six are near them, or noise. Their weights are trained by Adam from few noisy samples,
without a constraint and with Simplex, whose gradients are projected, too. On the simplex the
weights are a mixture, and the noise of few samples has less to hold on to.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from feasible import Simplex
from feasible.report import align_columns
from feasible.torch import check, constrain

TRUE = torch.tensor([0.7, 0.3, 0, 0, 0, 0, 0, 0])


def samples(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """What the predictors say, and what they are to say together."""
    signals = torch.randn(count, 8, generator=generator)
    signals[:, 2:6] = signals[:, :1] + 0.5 * signals[:, 2:6]
    return signals, signals @ TRUE + 0.5 * torch.randn(count, generator=generator)


def measure(constrained: bool, seed: int = 0) -> dict[str, float]:
    """Train the weights on 12 samples, and look at them, and at new ones."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(100 + seed)
    x, y = samples(12, generator)
    mixture = nn.Linear(8, 1, bias=False)
    nn.init.constant_(mixture.weight, 1 / 8)
    if constrained:
        constrain(mixture, {"weight": Simplex(axis="unit")})
    optimizer = torch.optim.Adam(mixture.parameters(), lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.mse_loss(mixture(x)[:, 0], y).backward()
        optimizer.step()
    check(mixture).raise_if_violated()
    new_x, new_y = samples(2000, generator)
    weights = mixture.weight.detach()[0]
    with torch.no_grad():
        new = nn.functional.mse_loss(mixture(new_x)[:, 0], new_y)
    return {
        "sum of the weights": float(weights.sum()),
        "weights that are zero": float((weights == 0).sum()),
        "distance from the true weights": float((weights - TRUE).norm()),
        "squared error on new samples": float(new),
    }


def main() -> None:
    """Print means over five seeds, and how far seeds differ."""
    without = [measure(False, seed) for seed in range(5)]
    constrained = [measure(True, seed) for seed in range(5)]

    def cell(runs: list[dict[str, float]], name: str) -> str:
        values = np.array([run[name] for run in runs])
        return f"{values.mean():.4g} ± {values.std():.2g}"

    rows = [(name, cell(without, name), cell(constrained, name)) for name in without[0]]
    print(align_columns(("over 5 seeds", "without", "with Simplex"), rows))


if __name__ == "__main__":
    main()
