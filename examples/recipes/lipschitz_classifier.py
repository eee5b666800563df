"""A classifier with a certified radius: no change of an input that is smaller changes its class.

With SpectralNorm(1) on its kernels and activations that change no more than their input, the
network changes by no more than its input does. So two outputs that differ by m can only change
places if the input moves by at least m / sqrt(2): the certified radius. Any network has one,
divided by the product of its kernels' spectral norms; without the constraint it is of no use.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from feasible import SpectralNorm
from feasible.report import align_columns
from feasible.torch import check, constrain

RADIUS = 0.25


def measure(constrained: bool, seed: int = 0) -> dict[str, float]:
    """Train on digits, and certify those that were not trained on."""
    torch.manual_seed(seed)
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    model.append(nn.Linear(64, 10))
    if constrained:
        constrain(model, kernel=SpectralNorm(1), project=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for _ in range(300):
        batch = torch.randint(1000, (64,))
        optimizer.zero_grad()
        # Sharper, as the outputs of a network that changes little are near each other.
        loss = nn.functional.cross_entropy(8 * model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    check(model).raise_if_violated()
    with torch.no_grad():
        outputs, labels = model(x[1000:]), y[1000:]
        kernels = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
        bound = torch.stack([torch.linalg.matrix_norm(one, 2) for one in kernels]).prod()
    first, second = outputs.topk(2).values.unbind(1)
    radius = (first - second) / (2**0.5 * bound)
    right = outputs.argmax(1) == labels
    return {
        "product of spectral norms": float(bound),
        "accuracy": float(right.float().mean()),
        f"certified accuracy at radius {RADIUS}": float((right & (radius > RADIUS)).float().mean()),
        "median certified radius": float(radius[right].median()),
    }


def main() -> None:
    """Print means over five seeds, and how far seeds differ."""
    without = [measure(False, seed) for seed in range(5)]
    constrained = [measure(True, seed) for seed in range(5)]

    def cell(runs: list[dict[str, float]], name: str) -> str:
        values = np.array([run[name] for run in runs])
        return f"{values.mean():.4g} ± {values.std():.2g}"

    rows = [(name, cell(without, name), cell(constrained, name)) for name in without[0]]
    print(align_columns(("over 5 seeds", "without", "with SpectralNorm(1)"), rows))


if __name__ == "__main__":
    main()
