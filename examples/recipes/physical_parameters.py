"""Physical parameters in their bounds: a spring, a damper and a mass, from noisy measurements.

Where the mass hangs is measured for a short while, with noise, and its stiffness, damping and
start are trained so that a simulation ends up there. Without bounds, some starts lead to a
damping below zero, which no damper has and which makes later predictions grow for ever. Box takes
a bound for each parameter.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from feasible import Box
from feasible.report import align_columns
from feasible.torch import check, constrain

# Stiffness, damping, and where the mass starts.
TRUE = torch.tensor([4.0, 0.15, 1.0])
LOWER, UPPER = np.array([0.5, 0.0, -2.0]), np.array([20.0, 5.0, 2.0])


def simulated(parameters: torch.Tensor, steps: int) -> torch.Tensor:
    """Where the mass is at each step, of a twentieth of a second."""
    stiffness, damping, place = parameters.unbind()
    speed, places = torch.zeros(()), []
    for _ in range(steps):
        speed = speed - 0.05 * (stiffness * place + damping * speed)
        place = place + 0.05 * speed
        places.append(place)
    return torch.stack(places)


class Spring(nn.Module):
    """The parameters to be found."""

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.parameters_of_spring = nn.Parameter(start)


def measure(constrained: bool, seed: int = 0) -> dict[str, float]:
    """Find the parameters from two seconds, and predict twenty."""
    torch.manual_seed(seed)
    measured = simulated(TRUE, 40) + 0.3 * torch.randn(40)
    model = Spring(torch.tensor([2.0, 0.5, 0.5]))
    if constrained:
        constrain(model, {"parameters_of_spring": Box(LOWER, UPPER)})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.mse_loss(simulated(model.parameters_of_spring, 40), measured).backward()
        optimizer.step()
    check(model).raise_if_violated()
    found = model.parameters_of_spring.detach()
    error = simulated(found, 400) - simulated(TRUE, 400)
    return {
        "damping": float(found[1]),
        "is physical": float(found[1] >= 0),
        "error over two seconds": float(error[:40].square().mean().sqrt()),
        "error over twenty seconds": float(error.square().mean().sqrt()),
    }


def main() -> None:
    """Print means over five seeds, and how far seeds differ."""
    without = [measure(False, seed) for seed in range(5)]
    constrained = [measure(True, seed) for seed in range(5)]

    def cell(runs: list[dict[str, float]], name: str) -> str:
        values = np.array([run[name] for run in runs])
        return f"{values.mean():.4g} ± {values.std():.2g}"

    rows = [(name, cell(without, name), cell(constrained, name)) for name in without[0]]
    print(align_columns(("over 5 seeds", "without", "with Box"), rows))


if __name__ == "__main__":
    main()
