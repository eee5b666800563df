"""A whole training step in PyTorch, with and without constraints, eager and compiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import feasible
from benchmarks.device import DEVICE, wait
from benchmarks.measuring import Figure, Subject, compared, written
from feasible.torch import constrain


def mlp() -> tuple[nn.Module, Tensor]:
    """Return a network for digits, and a batch."""
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    return model, torch.randn(64, 784)


def cnn() -> tuple[nn.Module, Tensor]:
    """Return a small convolutional network, and a batch."""
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 64, 10),
    )  # fmt: skip
    return model, torch.randn(32, 3, 32, 32)


def transformer() -> tuple[nn.Module, Tensor]:
    """Return a transformer's block, and a batch."""
    model = nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.0, batch_first=True)
    return model, torch.randn(8, 64, 256)


# PyTorch compiles for a CPU with a compiler of C++.
WAYS = ("eager", "compiled") if DEVICE == "cuda" or shutil.which("c++") else ("eager",)
MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "MLP 784-512-512-10": mlp,
    "CNN": cnn,
    "transformer block": transformer,
}


def step_of(
    make: Callable[[], tuple[nn.Module, Tensor]], constrained: bool, compiled: bool
) -> Callable[[], object]:
    """Return one training step of a fresh model."""
    torch.manual_seed(0)
    model, batch = make()
    model, batch = model.to(DEVICE), batch.to(DEVICE)
    if constrained:
        constrain(model, kernel=feasible.MaxNorm(1.0, axis="unit"))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()

    return torch.compile(step) if compiled else step


def figures() -> Iterator[Figure]:
    """Measure each model, eager and compiled."""
    for name, make in MODELS.items():
        for how in WAYS:
            subjects = {
                who: Subject(step_of(make, who == "constrained", how == "compiled"))
                for who in ("unconstrained", "constrained")
            }
            case = f"{name}, {how}"
            yield from compared("step", case, "unconstrained", subjects, wait=wait, seconds=4)


if __name__ == "__main__":
    written(figures)
