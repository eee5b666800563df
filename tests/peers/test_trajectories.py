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
    "ReversibleEmbedding": ({"input_dim": 11, "output_dim": 5}, (6, 7), [1, 0]),
    "EinsumDense": (
        {"equation": "abc,cde->abde", "output_shape": (4, 2, 3), "bias_axes": "de"},
        (8, 4, 5),
        [(0,), (0, 1)],
    ),
    "GroupNormalization": ({"groups": 3}, (8, 6), [(), 0]),
    "PReLU": ({"shared_axes": [1]}, (8, 4, 5), [(), (0, 1)]),
    "SimpleRNN": ({"units": 4}, (5, 6, 3), [0, (0, 1)]),
    "LSTM": ({"units": 4}, (5, 6, 3), [0, (0, 1)]),
    "GRU": ({"units": 4}, (5, 6, 3), [0, (0, 1)]),
    "ConvLSTM2D": ({"filters": 2, "kernel_size": 2}, (2, 3, 5, 4, 3), [(0, 1, 2), (0,)]),
}
# From larger weights, feedback multiplies a difference in the last bit a thousandfold a step.
RECURRENT = ("SimpleRNN", "LSTM", "GRU", "ConvLSTM2D")
CONSTRAINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "MaxNorm": ("MaxNorm", {"max_value": 0.8}),
    "MinMaxNorm": ("MinMaxNorm", {"min_value": 0.5, "max_value": 0.8, "rate": 0.5}),
    "NonNeg": ("NonNeg", {}),
    "UnitNorm": ("UnitNorm", {}),
}
ROLES = {
    "SeparableConv2D": ("depthwise_constraint", "pointwise_constraint"),
    "Embedding": ("embeddings_constraint",),
    "ReversibleEmbedding": ("embeddings_constraint",),
    "EinsumDense": ("kernel_constraint", "bias_constraint"),
    "GroupNormalization": ("gamma_constraint", "beta_constraint"),
    "PReLU": ("alpha_constraint",),
    **dict.fromkeys(RECURRENT, ("kernel_constraint", "recurrent_constraint")),
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
    if "Embedding" in layer:
        batches = rng.integers(0, 11, size=(STEPS, *shape))
    else:
        batches = rng.normal(size=(STEPS, *shape)).astype(np.float32)

    theirs = keras.Sequential([build(keras.layers, keras.constraints, layer, constraint, axis)])
    theirs.build(shape)
    theirs.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    ours = build(layers, constraints, layer, constraint, axis)
    ours(torch.as_tensor(batches[0]))
    scale = 0.3 if layer in RECURRENT else 1.0
    start = [rng.normal(0, scale, w.shape).astype(np.float32) for w in theirs.get_weights()]
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


# Layers of several inputs, and their arguments.
ATTENTION: dict[str, dict[str, Any]] = {
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 3, "use_gate": True},
    "GroupQueryAttention": {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
}


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("layer", ATTENTION)
def test_twenty_steps_of_attention(layer: str, constraint: str) -> None:
    name, arguments = CONSTRAINTS[constraint]
    limits = {} if constraint == "NonNeg" else {"axis": (0,)}

    def build(library: Any, rules: Any) -> Any:
        limit = getattr(rules, name)(**arguments, **limits)
        return getattr(library, layer)(
            **ATTENTION[layer], kernel_constraint=limit, bias_constraint=limit
        )

    rng = np.random.default_rng(1)
    query, value = keras.Input((4, 5)), keras.Input((6, 5))
    theirs = keras.Model([query, value], build(keras.layers, keras.constraints)(query, value))
    theirs.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    ours = build(layers, constraints)
    ours(torch.zeros(8, 4, 5), torch.zeros(8, 6, 5))
    start = [rng.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
    theirs.set_weights(start)
    ours.set_weights(start)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)

    for _ in range(STEPS):
        batch = [rng.normal(size=(8, size, 5)).astype(np.float32) for size in (4, 6)]
        target = rng.normal(size=(8, 4, 5)).astype(np.float32)
        optimizer.zero_grad()
        outputs = ours(*map(torch.as_tensor, batch))
        torch.nn.functional.mse_loss(outputs, torch.as_tensor(target)).backward()
        optimizer.step()
        theirs.train_on_batch(batch, target)

    for own, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, their, rtol=0, atol=1e-5)
    moved = zip(ours.get_weights(), start, strict=True)
    assert min(np.abs(own - began).max() for own, began in moved if own.ndim == 3) > 1e-2
