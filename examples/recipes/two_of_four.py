"""Two of four weights: a network pruned so that hardware with sparse products can run it.

A network is trained densely on handwritten digits, and then no more than two of each four
consecutive weights of an input may be left. Without the constraint it is pruned once, at the end;
with NofM(2, 4) it is trained on for a while, and pruned after each step, so that the weights that
are left make up for those that are gone, and which are left may still change.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from feasible import NofM
from feasible.report import align_columns
from feasible.torch import check, constrain

PATTERN = NofM(2, 4, axis="unit")


def train(model: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int) -> None:
    """Train on batches of 64."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for _ in range(steps):
        batch = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()


def measure(constrained: bool, seed: int = 0) -> dict[str, float]:
    """Train densely, prune, and look at digits that were not trained on."""
    torch.manual_seed(seed)
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    model.append(nn.Linear(16, 10))
    train(model, x[:1000], y[:1000], 400)
    with torch.no_grad():
        dense = (model(x[1000:]).argmax(1) == y[1000:]).float().mean()
    constrain(model, kernel=PATTERN, project=True)
    if constrained:
        train(model, x[:1000], y[:1000], 200)
    check(model).raise_if_violated()
    with torch.no_grad():
        pruned = (model(x[1000:]).argmax(1) == y[1000:]).float().mean()
    kernels = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    zeros = sum(int((weight == 0).sum()) for weight in kernels)
    return {
        "accuracy of the dense network": float(dense),
        "accuracy of the sparse network": float(pruned),
        "part of the weights that is zero": zeros / sum(weight.numel() for weight in kernels),
    }


def main() -> None:
    """Print means over five seeds, and how far seeds differ."""
    without = [measure(False, seed) for seed in range(5)]
    constrained = [measure(True, seed) for seed in range(5)]

    def cell(runs: list[dict[str, float]], name: str) -> str:
        values = np.array([run[name] for run in runs])
        return f"{values.mean():.4g} ± {values.std():.2g}"

    rows = [(name, cell(without, name), cell(constrained, name)) for name in without[0]]
    print(align_columns(("over 5 seeds", "pruned once", "trained with NofM(2, 4)"), rows))


if __name__ == "__main__":
    main()
