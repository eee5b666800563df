"""Monotone regression: a network that never predicts less where an input is larger.

A sum of increasing functions with non-negative weights is increasing, and so is an increasing
function of it: with NonNeg on every kernel and increasing activations, the network is, whatever its
biases. The activations have to bend both ways, as tanh does: with ReLU it would be convex too.

Trains the same network with and without the constraint on few noisy samples of an increasing
function of two inputs, and counts, on a grid, the steps along an input where predictions fall.
"""

from __future__ import annotations

import torch
from torch import nn

from feasible import NonNeg
from feasible.report import align_columns
from feasible.torch import check, constrain


def truth(x: torch.Tensor) -> torch.Tensor:
    """Saturates in the first input, and has a step in the second."""
    return torch.tanh(2 * x[:, :1]) + torch.sigmoid(12 * x[:, 1:])


def measure(constrained: bool) -> dict[str, float]:
    """Train the network on noisy samples, and look at it on a grid."""
    torch.manual_seed(0)
    x = torch.rand(60, 2) * 2 - 1
    y = truth(x) + 0.25 * torch.randn(60, 1)

    model = nn.Sequential(
        nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
    )
    if constrained:
        constrain(model, kernel=NonNeg(), project=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(800):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    check(model).raise_if_violated()

    line = torch.linspace(-1, 1, 101)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        predicted = model(grid).reshape(101, 101)
        on_samples = nn.functional.mse_loss(model(x), y).sqrt()
    from_truth = nn.functional.mse_loss(predicted, truth(grid).reshape(101, 101)).sqrt()
    steps = torch.cat([predicted.diff(dim=0).flatten(), predicted.diff(dim=1).flatten()])
    return {
        "grid steps": steps.numel(),
        "where it falls": int((steps < -1e-6).sum()),
        "steepest fall": max(0.0, -float(steps.min())),
        "error on the samples": float(on_samples),
        "error from the truth": float(from_truth),
    }


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.5g}", f"{constrained[name]:.5g}") for name in without]
    print(align_columns(("", "without", "with NonNeg"), rows))


if __name__ == "__main__":
    main()
