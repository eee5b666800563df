"""EEGNet's max-norm layers: spatial filters of norm at most 1, class weights of at most 0.25.

EEGNet (Lawhern et al., Journal of Neural Engineering 15, 2018) bounds two of its layers. A spatial
filter has one weight for each electrode: in the depthwise kernel (electrodes, 1, in, multiplier)
it lies along axis 0, Keras's default, and ``axis="unit"`` says the same in any layer.

Trains the same network with and without the bounds on made-up recordings, in which the place and
the frequency of a rhythm tell the class, and of whose labels three in ten are drawn at random.
"""

from __future__ import annotations

import math
from functools import partial

import torch

import feasible
from feasible import MaxNorm, layers
from feasible.report import align_columns
from feasible.torch import check

ELECTRODES, SAMPLES, CLASSES = 8, 64, 4


def recordings(count: int, wrong: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return recordings of shape (count, electrodes, samples, 1), and labels, some of them random.

    All electrodes share some noise, and have some of their own.
    """
    classes = torch.randint(CLASSES, (count,))
    cycles = torch.tensor([5, 5, 9, 9])[classes, None]
    phase = torch.rand(count, 1)
    rhythm = torch.sin(2 * math.pi * (cycles * torch.arange(SAMPLES) / SAMPLES + phase))
    place = 2 * torch.nn.functional.one_hot(2 * classes, ELECTRODES)
    noise = torch.randn(count, 1, SAMPLES) + torch.randn(count, ELECTRODES, SAMPLES)
    x = place[:, :, None] * rhythm[:, None] + noise
    random = torch.randint(CLASSES, (count,))
    return x[..., None], torch.where(torch.rand(count) < wrong, random, classes)


def eegnet(constrained: bool) -> feasible.Sequential:
    """EEGNet, small."""
    return feasible.Sequential(
        [
            layers.Input((ELECTRODES, SAMPLES, 1)),
            layers.Conv2D(4, (1, 32), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(
                (ELECTRODES, 1),
                depth_multiplier=2,
                use_bias=False,
                depthwise_constraint=MaxNorm(1.0) if constrained else None,
            ),
            layers.BatchNormalization(),
            layers.Activation("elu"),
            layers.AveragePooling2D((1, 4)),
            layers.Dropout(0.25),
            layers.SeparableConv2D(8, (1, 8), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("elu"),
            layers.AveragePooling2D((1, 4)),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(
                CLASSES,
                activation="softmax",
                kernel_constraint=MaxNorm(0.25) if constrained else None,
            ),
        ]
    )


def measure(constrained: bool, runs: int = 2) -> dict[str, float]:
    """Train the network some times, and look at its weights and at new recordings."""
    found = []
    for run in range(runs):
        torch.manual_seed(run)
        model = eegnet(constrained)
        x, y = recordings(96, wrong=0.3)
        x_test, y_test = recordings(400, wrong=0.0)
        model.compile(
            partial(torch.optim.Adam, lr=0.02),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        model.fit(x, y, batch_size=16, epochs=25, verbose=0)
        if constrained:
            check(model).raise_if_violated()
        spatial, dense = (model.get_layer(name).kernel for name in ("depthwise_conv2d", "dense"))
        seen = model.evaluate(x, y, verbose=0, return_dict=True)
        new = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
        found.append(
            {
                "largest spatial filter": float(spatial.detach().norm(dim=0).max()),
                "largest class weights": float(dense.detach().norm(dim=0).max()),
                "accuracy on its labels": seen["accuracy"],
                "accuracy on new data": new["accuracy"],
                "loss on new data": new["loss"],
            }
        )
    return {name: sum(one[name] for one in found) / runs for name in found[0]}


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.4g}", f"{constrained[name]:.4g}") for name in without]
    print(align_columns(("means of 2 runs", "without", "with MaxNorm"), rows))


if __name__ == "__main__":
    main()
