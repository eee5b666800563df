"""A covariance that stays one: the matrix of a Gaussian, trained entry by entry.

The precision matrix of eight variables, the inverse of their covariance, is trained by the
likelihood of 25 samples. Without a constraint, a step may take an eigenvalue below zero, where
the likelihood has no value, and training ends. PositiveSemidefinite keeps eigenvalues at or above
a bound, and the matrix symmetric.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from feasible import PositiveSemidefinite
from feasible.report import align_columns
from feasible.torch import check, constrain

SIZE, LEAST = 8, 0.05


class Gaussian(nn.Module):
    """A Gaussian of mean zero, by its precision matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.precision = nn.Parameter(torch.eye(SIZE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of minus the logarithm of the likelihood, up to a constant."""
        quadratic = torch.einsum("bi,ij,bj->b", x, self.precision, x).mean()
        return (quadratic - torch.linalg.slogdet(self.precision).logabsdet) / 2


def measure(constrained: bool, seed: int = 0) -> dict[str, float]:
    """Train on 25 samples with large steps, and look at 2,000 new ones."""
    torch.manual_seed(seed)
    mixing = torch.randn(SIZE, SIZE) / SIZE**0.5 + 0.5 * torch.eye(SIZE)
    x, new = torch.randn(25, SIZE) @ mixing, torch.randn(2000, SIZE) @ mixing
    model = Gaussian()
    if constrained:
        constrain(model, {"precision": PositiveSemidefinite(LEAST)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        model(x).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
    check(model).raise_if_violated()
    with torch.no_grad():
        precision = model.precision
        least = torch.linalg.eigvalsh((precision + precision.T) / 2).min()
        asymmetry = (precision - precision.T).abs().max()
        loss = model(new)
    return {
        "smallest eigenvalue": float(least),
        "is a precision matrix": float(least > 0),
        "asymmetry": float(asymmetry),
        "loss on new samples, where it has one": float(loss) if least > 0 else float("nan"),
    }


def main() -> None:
    """Print means over five seeds, and how far seeds differ."""
    without = [measure(False, seed) for seed in range(5)]
    constrained = [measure(True, seed) for seed in range(5)]

    def cell(runs: list[dict[str, float]], name: str) -> str:
        values = np.array([run[name] for run in runs])
        return f"{values.mean():.4g} ± {values.std():.2g}"

    rows = [(name, cell(without, name), cell(constrained, name)) for name in without[0]]
    print(align_columns(("over 5 seeds", "without", "with PositiveSemidefinite(0.05)"), rows))


if __name__ == "__main__":
    main()
