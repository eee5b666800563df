"""Steps a second of `fit` relative to Keras 3 on PyTorch and JAX: same model, data, constraints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.measuring import BRIEF, Figure, figure, written

# Whose layers they are, by the value of KERAS_BACKEND; none for ours.
LIBRARIES = {"feasible": "", "Keras 3 on PyTorch": "torch", "Keras 3 on JAX": "jax"}
BATCH = 64
STEPS = 20 if BRIEF else 200


def mlp(layers: Any, max_norm: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Return the layers of a network for digits, and the shape of its inputs."""
    kept = {"kernel_constraint": max_norm}
    return [
        layers.Dense(512, activation="relu", **kept),
        layers.Dense(512, activation="relu", **kept),
        layers.Dense(10, activation="softmax", **kept),
    ], (784,)


def cnn(layers: Any, max_norm: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Return the layers of a small convolutional network, and the shape of its inputs."""
    return [
        layers.Conv2D(16, 3, activation="relu", kernel_constraint=max_norm),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu", kernel_constraint=max_norm),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10, activation="softmax", kernel_constraint=max_norm),
    ], (28, 28, 1)


MODELS = {"MLP 784-512-512-10": mlp, "CNN": cnn}


def steps_per_second(library: Any, name: str) -> float:
    """Train a model of a library, and time the second epoch."""
    layers, shape = MODELS[name](library.layers, library.constraints.MaxNorm(2.0))
    model = library.Sequential([library.layers.Input(shape), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    generator = np.random.default_rng(0)
    x = generator.normal(size=(BATCH * STEPS, *shape)).astype("float32")
    y = generator.integers(10, size=BATCH * STEPS)
    # The first epoch compiles.
    model.fit(x[: BATCH * 5], y[: BATCH * 5], batch_size=BATCH, verbose=0)
    start = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, verbose=0)
    return STEPS / (time.perf_counter() - start)


def in_a_process(backend: str) -> dict[str, float]:
    """Return the steps a second of each model, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fitting", "--alone"]
    environment = {**os.environ, "KERAS_BACKEND": backend or "torch"}
    environment["FEASIBLE_BENCHMARK_LIBRARY"] = "keras" if backend else "feasible"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def alone() -> None:
    """Print the steps a second of each model."""
    if os.environ["FEASIBLE_BENCHMARK_LIBRARY"] == "keras":
        import keras as library
    else:
        import feasible as library
    print(json.dumps({name: steps_per_second(library, name) for name in MODELS}))


def figures() -> Iterator[Figure]:
    """Measure each library in turn, several times."""
    rounds: list[dict[str, dict[str, float]]] = [
        {who: in_a_process(backend) for who, backend in LIBRARIES.items()}
        for _ in range(2 if BRIEF else 5)
    ]
    for name in MODELS:
        for who in list(LIBRARIES)[1:]:
            ratios = [one["feasible"][name] / one[who][name] for one in rounds]
            yield figure("fit", f"{name}, steps a second", "feasible", who, ratios)


if __name__ == "__main__":
    if "--alone" in sys.argv:
        alone()
    else:
        written(figures)
