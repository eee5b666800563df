"""What constraints do: a small network on handwritten digits, with and without them.

Trains the same network twice from the same weights, prints the test accuracy of both and how far
each constrained weight is from being feasible, and saves a picture of filters and norms.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import feasible
from feasible.constraints import MaxNorm, NonNeg, RadialConstraint
from feasible.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from feasible.report import Report, align_columns, draw_histogram
from feasible.torch import check, constraints_of


def network(constrained: bool) -> feasible.Sequential:
    """A small convolutional network for 8 x 8 pictures; both kinds start from the same weights."""

    def held_to(constraint: feasible.Constraint) -> feasible.Constraint | None:
        return constraint if constrained else None

    torch.manual_seed(7)
    return feasible.Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(
                16,
                5,
                padding="same",
                activation="relu",
                kernel_constraint=held_to(RadialConstraint(rings="mean")),
            ),
            Conv2D(32, 3, activation="relu", kernel_constraint=held_to(MaxNorm(1.0, axis="unit"))),
            MaxPooling2D(2),
            Flatten(),
            Dense(64, activation="relu", kernel_constraint=held_to(MaxNorm(1.5))),
            Dropout(0.25),
            Dense(10, activation="softmax", kernel_constraint=held_to(NonNeg())),
        ]
    )


def picture(before: Report, after: Report, kernels: list[np.ndarray], path: Path) -> None:
    """Draw first-layer filters of both networks, and what is bounded in each constrained weight."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    rows = figure.subfigures(2, 1, height_ratios=(0.62, 1))
    rows[0].suptitle(
        "First layer: without constraints above, with RadialConstraint(rings='mean') below",
        fontsize=11,
    )
    panels = rows[0].subplots(2, 16)
    for line, kernel in zip(panels, kernels, strict=True):
        limit = np.abs(kernel).max()
        for place, axes in enumerate(line):
            axes.imshow(kernel[:, :, 0, place], cmap="RdBu", vmin=-limit, vmax=limit)
            axes.set_xticks([])
            axes.set_yticks([])
    rows[1].suptitle(
        "What each constraint bounds: grey without it, blue with it; feasible is green", fontsize=11
    )
    for axes, row, free in zip(
        rows[1].subplots(1, len(after.rows)), after.rows, before.rows, strict=True
    ):
        draw_histogram(axes, row, free)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train both networks, print the tables, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--picture", type=Path, default=Path("digits.png"))
    options = parser.parse_args()

    torch.set_num_threads(1)  # a network this small gains nothing from more
    pictures, labels = load_digits(return_X_y=True)
    pictures = (pictures / 16).reshape(-1, 8, 8, 1).astype(np.float32)
    x, x_test, y, y_test = train_test_split(
        pictures, labels, test_size=1000, random_state=0, stratify=labels
    )
    models, accuracies = {}, {}
    for name, constrained in (("without", False), ("with", True)):
        print(f"\nTraining {name} constraints on {len(x)} digits")
        model = models[name] = network(constrained)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, batch_size=32, epochs=options.epochs, verbose=1)
        accuracies[name] = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]

    constrained, free = models["with"], models["without"]
    after = check(constrained)
    before = check(free, constraints_of(constrained))
    after.raise_if_violated()
    print(f"\nTest accuracy on {len(x_test)} digits")
    rows = [(name, f"{accuracy:.3f}") for name, accuracy in accuracies.items()]
    print(align_columns(("constraints", "accuracy"), rows))
    print("\nWorst violation of each constraint, and in the network trained without it")
    print(
        align_columns(
            ("parameter", "constraint", "vectors", "with", "without"),
            [
                (
                    row.parameter,
                    row.constraint,
                    f"{row.vectors} of {row.length}",
                    f"{row.worst:.3g}",
                    f"{other.worst:.3g}",
                )
                for row, other in zip(after.rows, before.rows, strict=True)
            ],
        )
    )
    kernels = [free.layers[0].kernel, constrained.layers[0].kernel]
    picture(before, after, [kernel.detach().numpy() for kernel in kernels], options.picture)
    print(f"\nPicture: {options.picture}")


if __name__ == "__main__":
    main()
