"""What a constraint gains: handwritten digits, learned from labels of which some are wrong.

Trains the same network with and without a bound on its units' norms, over several seeds, once on
labels of which 4 in 10 were drawn at random, and once on correct ones; prints the accuracies, and
draws how they go, the first layer's weights, and the norms.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure, SubFigure
from rich.console import Console
from rich.progress import track
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import feasible
from feasible.constraints import MaxNorm
from feasible.histograms import draw_histogram
from feasible.layers import Dense, Input
from feasible.report import align_columns
from feasible.torch import check, constraints_of

BOUND = MaxNorm(0.7, axis="unit")
SAMPLES, WRONG = 400, 0.4
COLOURS = {"without": "0.45", "with": "tab:blue"}


@dataclass
class Run:
    """A network that was trained, and its accuracy on the test digits after each epoch."""

    model: feasible.Sequential
    accuracies: list[float]


def network(constrained: bool) -> feasible.Sequential:
    """A network for 8 x 8 pictures, each unit's norm bounded or not."""
    bound = BOUND if constrained else None
    return feasible.Sequential(
        [
            Input((64,)),
            Dense(256, activation="relu", kernel_constraint=bound),
            Dense(256, activation="relu", kernel_constraint=bound),
            Dense(10, activation="softmax", kernel_constraint=bound),
        ]
    )


def trained(seed: int, constrained: bool, wrong: float, epochs: int) -> Run:
    """Train a network; a seed stands for digits, wrong labels, first weights and their order."""
    pictures, labels = load_digits(return_X_y=True)
    pictures = (pictures / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(
        pictures, labels, train_size=SAMPLES, test_size=1000, random_state=seed, stratify=labels
    )
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(len(y)) < wrong, rng.integers(0, 10, len(y)), y)
    torch.manual_seed(seed)
    model = network(constrained)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x,
        y,
        batch_size=32,
        epochs=epochs,
        verbose=0,
        validation_data=(x_test, y_test),
        validation_batch_size=1000,
    )
    return Run(model, history.history["val_accuracy"])


def draw_accuracies(panel: SubFigure, runs: dict[str, list[Run]]) -> None:
    """Draw the mean accuracy after each epoch, and the spread over the seeds."""
    axes = panel.subplots()
    for name, of_seeds in runs.items():
        values = np.array([run.accuracies for run in of_seeds])
        epochs = np.arange(1, values.shape[1] + 1)
        axes.fill_between(epochs, values.min(0), values.max(0), color=COLOURS[name], alpha=0.2)
        axes.plot(epochs, values.mean(0), color=COLOURS[name], linewidth=2.5)
        end = (epochs[-1], values.mean(0)[-1])
        axes.annotate(
            f"{name}\nMaxNorm({BOUND.max_value})",
            end,
            (8, 0),
            textcoords="offset points",
            va="center",
            color=COLOURS[name],
            weight="bold",
        )
    axes.set(
        xlabel="epoch", ylabel="test accuracy", title=f"{WRONG:.0%} of the labels drawn at random"
    )
    axes.grid(alpha=0.25)


def draw_units(panel: SubFigure, model: feasible.Sequential, name: str, limit: float) -> None:
    """Draw the weights of some units of the first layer as pictures."""
    kernel = model.layers[0].kernel.detach().numpy()
    panel.suptitle(f"units of the first layer, {name}", color=COLOURS[name], fontsize=10)
    for axes, unit in zip(panel.subplots(3, 8).flat, kernel.T, strict=False):
        axes.imshow(unit.reshape(8, 8), cmap="RdBu", vmin=-limit, vmax=limit)
        axes.set_axis_off()


def picture(runs: dict[str, list[Run]], path: Path) -> None:
    """Draw accuracies, weights and norms of both kinds of networks."""
    free, constrained = runs["without"][0].model, runs["with"][0].model
    figure = Figure(figsize=(13, 7), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    left, right = above.subfigures(1, 2)
    draw_accuracies(left, runs)
    for panel, name in zip(right.subfigures(2, 1), runs, strict=True):
        draw_units(panel, runs[name][0].model, name, limit=0.4)
    after, before = check(constrained), check(free, constraints_of(constrained))
    for axes, row, other in zip(
        below.subplots(1, len(after.rows)), after.rows, before.rows, strict=True
    ):
        draw_histogram(axes, row, other)
    figure.savefig(path, dpi=110)


def summary(runs: list[Run]) -> tuple[float, float, float]:
    """Return the mean last accuracy, its standard deviation, and the mean of the best ones."""
    last = [run.accuracies[-1] for run in runs]
    return (
        float(np.mean(last)),
        float(np.std(last)),
        float(np.mean([max(r.accuracies) for r in runs])),
    )


def main() -> None:
    """Train all networks, print what was gained and lost, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", type=Path, default=Path("digits.png"))
    options: Any = parser.parse_args()

    torch.set_num_threads(1)  # a network this small gains nothing from more
    kinds = [(wrong, name) for wrong in (WRONG, 0.0) for name in ("without", "with")]
    tasks = [(kind, seed) for kind in kinds for seed in range(options.seeds)]
    runs: dict[tuple[float, str], list[Run]] = {kind: [] for kind in kinds}
    console = Console(stderr=True)
    for kind, seed in track(
        tasks, "training", console=console, transient=True, disable=not sys.stderr.isatty()
    ):
        runs[kind].append(trained(seed, kind[1] == "with", kind[0], options.epochs))

    noisy = {name: runs[WRONG, name] for name in ("without", "with")}
    constrained = noisy["with"][0].model
    check(constrained).raise_if_violated()
    found = {kind: summary(of_kind) for kind, of_kind in runs.items()}
    print(
        f"Accuracy on 1000 test digits after {options.epochs} epochs on {SAMPLES} others, "
        f"over {options.seeds} seeds\n"
    )
    rows = [
        (f"{wrong:.0%}", f"{name} {BOUND}", f"{mean:.3f}", f"{spread:.3f}", f"{best:.3f}")
        for (wrong, name), (mean, spread, best) in found.items()
    ]
    print(align_columns(("random labels", "constraint", "mean", "spread", "best epoch"), rows))
    picture(noisy, options.picture)
    gain = found[WRONG, "with"][0] - found[WRONG, "without"][0]
    loss = found[0.0, "without"][0] - found[0.0, "with"][0]
    print(f"\nPicture: {options.picture}")
    print(
        f"Gained with {WRONG:.0%} random labels: {gain:+.3f} accuracy. "
        f"Lost with correct ones: {loss:+.3f}."
    )


if __name__ == "__main__":
    main()
