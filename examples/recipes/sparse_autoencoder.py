"""A sparse autoencoder whose decoder's directions have norm 1.

An L1 penalty on the codes means something only if the decoder cannot grow: otherwise the codes
shrink, the directions grow, and the penalty is gone without a single code having become zero. The
direction of a code is what it adds to the output: in Keras's layout (codes, outputs) of the
decoder's kernel that is a row, along axis 1, and not the incoming weights of a unit, along axis 0.

Trains the same autoencoder with and without the constraint on sparse sums of known directions.
"""

from __future__ import annotations

import torch
from torch import nn

from feasible import UnitNorm
from feasible.report import align_columns
from feasible.torch import check, constrain

DIRECTIONS, DIMENSIONS, CODES = 24, 16, 32


class SparseAutoencoder(nn.Module):
    """One hidden layer of codes, more than there are inputs, most of them zero."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(DIMENSIONS, CODES)
        self.decoder = nn.Linear(CODES, DIMENSIONS)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the reconstructions and the codes."""
        codes = self.encoder(x - self.decoder.bias).relu()
        return self.decoder(codes), codes


def measure(constrained: bool) -> dict[str, float]:
    """Train the autoencoder, and compare its directions with the true ones."""
    torch.manual_seed(0)
    true = nn.functional.normalize(torch.randn(DIRECTIONS, DIMENSIONS), dim=1)
    strengths = torch.rand(4000, DIRECTIONS) + 0.5
    x = (strengths * (torch.rand(4000, DIRECTIONS) < 2 / DIRECTIONS)) @ true

    model = SparseAutoencoder()
    with torch.no_grad():
        model.encoder.weight.copy_(model.decoder.weight.t())
    if constrained:
        constrain(model, {"decoder.weight": UnitNorm(axis=1)}, project=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(600):
        batch = x[torch.randint(len(x), (128,))]
        optimizer.zero_grad()
        output, codes = model(batch)
        loss = (output - batch).square().sum(dim=1).mean() + 0.2 * codes.sum(dim=1).mean()
        loss.backward()
        optimizer.step()
    check(model).raise_if_violated()

    with torch.no_grad():
        output, codes = model(x)
        directions = model.decoder.weight.t()
        similarities = true @ nn.functional.normalize(directions, dim=1).t()
        return {
            "largest direction": float(directions.norm(dim=1).max()),
            "smallest direction": float(directions.norm(dim=1).min()),
            "L1 of the codes": float(codes.sum(dim=1).mean()),
            "active codes a sample": float((codes > 0).float().sum(dim=1).mean()),
            "unexplained variance": float((output - x).square().sum() / x.square().sum()),
            "true directions found": int((similarities.amax(dim=1) > 0.95).sum()),
        }


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.4g}", f"{constrained[name]:.4g}") for name in without]
    print(align_columns(("", "without", "with UnitNorm"), rows))


if __name__ == "__main__":
    main()
