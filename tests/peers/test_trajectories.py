"""Training with constraints goes where Keras's goes, from the same weights and data."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch

from feasible import constraints, layers

STEPS = 20

# Layer, its arguments, the shape of a batch, and axes of its (first) kernel to take norms along.
LAYERS: dict[str, tuple[dict[str, Any], tuple[int, ...], list[Any]]] = {
    "Dense": ({"units": 6}, (8, 5), [0, 1, (0, 1)]),
    "Conv1D": ({"filters": 4, "kernel_size": 3}, (4, 9, 3), [(0, 1), (0,), 2]),
    "Conv2D": ({"filters": 4, "kernel_size": 3}, (4, 7, 6, 3), [(0, 1, 2), (0,), (0, 1)]),
    "Conv3D": ({"filters": 3, "kernel_size": 2}, (3, 4, 5, 4, 2), [(0, 1, 2, 3), (0,)]),
    "Conv2DTranspose": (
        {"filters": 4, "kernel_size": 3, "strides": 2},
        (4, 4, 5, 3),
        [(0, 1, 3), (0, 1, 2)],
    ),
    "SeparableConv2D": (
        {"filters": 4, "kernel_size": 3, "depth_multiplier": 2},
        (4, 6, 6, 3),
        [(0, 1), (0, 1, 2)],
    ),
    "Embedding": ({"input_dim": 11, "output_dim": 5}, (6, 7), [1, 0]),
}
CONSTRAINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "MaxNorm": ("MaxNorm", {"max_value": 0.8}),
    "MinMaxNorm": ("MinMaxNorm", {"min_value": 0.5, "max_value": 0.8, "rate": 0.5}),
    "NonNeg": ("NonNeg", {}),
    "UnitNorm": ("UnitNorm", {}),
}
ROLES = {
    "SeparableConv2D": ("depthwise_constraint", "pointwise_constraint"),
    "Embedding": ("embeddings_constraint",),
}
CASES = [
    (layer, constraint, axis)
    for layer, (_, _, axes) in LAYERS.items()
    for constraint in CONSTRAINTS
    for axis in (axes if constraint != "NonNeg" else [None])
]


def build(library: Any, rules: Any, layer: str, constraint: str, axis: Any) -> Any:
    """A layer of either library, each of its kernels constrained alike."""
    name, arguments = CONSTRAINTS[constraint]
    if axis is not None:
        arguments = {**arguments, "axis": axis}
    roles = ROLES.get(layer, ("kernel_constraint",))
    constrained = {role: getattr(rules, name)(**arguments) for role in roles}
    return getattr(library, layer)(**LAYERS[layer][0], **constrained)


@pytest.mark.parametrize(("layer", "constraint", "axis"), CASES)
def test_twenty_steps_of_sgd(layer: str, constraint: str, axis: Any) -> None:
    rng = np.random.default_rng(1)
    shape = LAYERS[layer][1]
    if layer == "Embedding":
        batches = rng.integers(0, 11, size=(STEPS, *shape))
    else:
        batches = rng.normal(size=(STEPS, *shape)).astype(np.float32)

    theirs = keras.Sequential([build(keras.layers, keras.constraints, layer, constraint, axis)])
    theirs.build(shape)
    theirs.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    ours = build(layers, constraints, layer, constraint, axis)
    ours(torch.as_tensor(batches[0]))
    start = [rng.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
    theirs.set_weights(start)
    ours.set_weights(start)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)

    for batch in batches:
        output = ours(torch.as_tensor(batch))
        target = rng.normal(size=output.shape).astype(np.float32)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(output, torch.as_tensor(target)).backward()
        optimizer.step()
        theirs.train_on_batch(batch, target)

    for own, their, began in zip(ours.get_weights(), theirs.get_weights(), start, strict=True):
        np.testing.assert_allclose(own, their, rtol=0, atol=1e-5)
        assert np.abs(own - began).max() > 1e-2
