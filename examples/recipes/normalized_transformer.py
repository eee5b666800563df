"""A normalized transformer: weights, like hidden states, are vectors on the unit sphere.

In nGPT (Loshchilov et al., ICLR 2025) every matrix consists of vectors of the embedding's size, and
each has norm 1 after each step. Matrices that read the hidden state have one vector for each
output, which is ``axis="unit"``; those that write to it one for each *input*, which is axis 1 of
Keras's layout (inputs, outputs). Taking the same axis for both is the usual mistake.

Trains the same transformer with and without the constraint to continue a random sequence that
repeats itself, which it can do only by looking back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, scaled_dot_product_attention, silu

from feasible import UnitNorm
from feasible.report import align_columns
from feasible.torch import check, constrain, constraints_of

TOKENS, SIZE, HEADS, LENGTH = 16, 32, 4, 24

READ, WRITE = UnitNorm(axis="unit"), UnitNorm(axis=1)
RULES = {
    "tokens.weight": READ,
    "places.weight": READ,
    "*.attention_in.weight": READ,
    "*.attention_out.weight": WRITE,
    "*.hidden_in.weight": READ,
    "*.hidden_out.weight": WRITE,
    "logits.weight": READ,
}


class Block(nn.Module):
    """Attention and a gated layer, each a step on the sphere towards what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_in = nn.Linear(SIZE, 3 * SIZE, bias=False)
        self.attention_out = nn.Linear(SIZE, SIZE, bias=False)
        self.hidden_in = nn.Linear(SIZE, 4 * SIZE, bias=False)
        self.hidden_out = nn.Linear(2 * SIZE, SIZE, bias=False)
        self.sharpness = nn.Parameter(torch.ones(SIZE // HEADS))
        self.steps = nn.Parameter(torch.full((2, SIZE), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        """Move each hidden state, of norm 1, to another."""
        split = self.attention_in(x).unflatten(-1, (3 * HEADS, -1)).transpose(1, 2)
        query, key, value = split.chunk(3, dim=1)
        query, key = (normalize(one, dim=-1) * self.sharpness for one in (query, key))
        scale = (SIZE / HEADS) ** 0.5
        seen = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
        x = self.towards(x, self.attention_out(seen.transpose(1, 2).flatten(2)), 0)
        gate, hidden = (SIZE**0.5 * self.hidden_in(x)).chunk(2, dim=-1)
        return self.towards(x, self.hidden_out(hidden * silu(gate)), 1)

    def towards(self, x: Tensor, target: Tensor, which: int) -> Tensor:
        """Return a place between a hidden state and a target, on the sphere."""
        return normalize(x + self.steps[which].abs() * (normalize(target, dim=-1) - x), dim=-1)


class Transformer(nn.Module):
    """Two blocks; what it returns are cosines, which a learned temperature makes logits."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(TOKENS, SIZE)
        self.places = nn.Embedding(LENGTH, SIZE)
        self.blocks = nn.Sequential(Block(), Block())
        self.logits = nn.Linear(SIZE, TOKENS, bias=False)
        self.temperature = nn.Parameter(torch.full((TOKENS,), 10.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return one number for each place and each token that may come next."""
        return self.logits(self.blocks(normalize(self.tokens(x) + self.places.weight, dim=-1)))


def sequences(count: int) -> Tensor:
    """Random tokens, repeated after 6 to 8 of them."""
    start = torch.randint(TOKENS, (count, 8))
    period = torch.randint(6, 9, (count, 1))
    return start.gather(1, torch.arange(LENGTH + 1) % period)


def loss_of(model: Transformer, batch: Tensor) -> Tensor:
    """Return how badly the model continues sequences that have begun to repeat themselves."""
    logits = model(batch[:, :-1]) * model.temperature
    return cross_entropy(logits[:, 8:].flatten(0, 1), batch[:, 9:].flatten())


def measure(constrained: bool) -> dict[str, float]:
    """Train the transformer, and look at its vectors and at new sequences."""
    normalized = Transformer()
    constrain(normalized, RULES)
    torch.manual_seed(0)
    model = Transformer()
    if constrained:
        constrain(model, RULES, project=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        loss_of(model, sequences(32)).backward()
        optimizer.step()
    report = check(model, constraints_of(normalized))
    with torch.no_grad():
        new = sequences(500)
        return {
            "violated constraints": sum(row.violating > 0 for row in report.rows),
            "shortest vector": min(row.measured.min() for row in report.rows),
            "longest vector": max(row.measured.max() for row in report.rows),
            "largest output": float(model(new[:, :-1]).abs().max()),
            "loss on new sequences": float(loss_of(model, new)),
        }


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.4g}", f"{constrained[name]:.4g}") for name in without]
    print(align_columns(("", "without", "with UnitNorm"), rows))


if __name__ == "__main__":
    main()
