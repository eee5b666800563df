"""Training with constraints goes where Keras's goes, from the same weights and data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import torch

from feasible import RadialConstraint, constraints, layers
from feasible.layers import nested
from feasible.layers.configs import layer_arguments
from feasible.optimizers import Adam

STEPS = 20


class Row(NamedTuple):
    """A layer and its inputs.

    Attributes:
        arguments: The layer's arguments.
        units: By the argument of a constraint, the axes of Keras's weight that one unit has.
        shapes: The shape of a batch of each input.
        wrapper: The layer within which it is used, if any.
    """

    arguments: dict[str, Any]
    units: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    wrapper: str | None = None


# Of these a unit has one number, and the norm is that of all units' together.
VECTORS = ("bias", "gamma", "beta", "alpha")
CELL = {"kernel": 0, "recurrent": 0, "bias": 0}
SCALE = {"gamma": 0, "beta": 0}
WORDS, SEQUENCE = (6, 7), (5, 6, 3)
HEADS = {"num_heads": 2, "key_dim": 3, "use_gate": True}
GROUPS = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}


def of_filters(size: int, unit: tuple[int, ...], *shape: int, **more: Any) -> Row:
    arguments = {"filters": 4, "kernel_size": size, **more}
    return Row(arguments, {"kernel": unit, "bias": 0}, (shape,))


def depthwise(*shape: int, **filters: int) -> Row:
    spatial = tuple(range(len(shape) - 2))
    units = {"depthwise": spatial, "bias": 0}
    if filters:
        units["pointwise"] = (*spatial, len(spatial))
    return Row({"kernel_size": 3, "depth_multiplier": 2, **filters}, units, (shape,))


def conv_lstm(*shape: int) -> Row:
    unit = tuple(range(len(shape) - 2))
    units = {"kernel": unit, "recurrent": unit, "bias": 0}
    return Row({"filters": 2, "kernel_size": 2}, units, (shape,))


LAYERS = {
    "Dense": Row({"units": 6}, {"kernel": 0, "bias": 0}, ((8, 5),)),
    "EinsumDense": Row(
        {"equation": "abc,cde->abde", "output_shape": (4, 2, 3), "bias_axes": "de"},
        {"kernel": 0, "bias": 0},
        ((8, 4, 5),),
    ),
    "Conv1D": of_filters(3, (0, 1), 4, 9, 3),
    "Conv2D": of_filters(3, (0, 1, 2), 4, 7, 6, 3),
    "Conv3D": of_filters(2, (0, 1, 2, 3), 3, 4, 5, 4, 2),
    "Conv1DTranspose": of_filters(3, (0, 2), 4, 5, 3, strides=2),
    "Conv2DTranspose": of_filters(3, (0, 1, 3), 4, 4, 5, 3, strides=2),
    "Conv3DTranspose": of_filters(2, (0, 1, 2, 4), 3, 3, 2, 3, 2),
    "DepthwiseConv1D": depthwise(4, 9, 3),
    "DepthwiseConv2D": depthwise(4, 6, 6, 3),
    "SeparableConv1D": depthwise(4, 9, 3, filters=4),
    "SeparableConv2D": depthwise(4, 6, 6, 3, filters=4),
    "Embedding": Row({"input_dim": 11, "output_dim": 5}, {"embeddings": 1}, (WORDS,)),
    "ReversibleEmbedding": Row({"input_dim": 11, "output_dim": 5}, {"embeddings": 1}, (WORDS,)),
    "BatchNormalization": Row({}, SCALE, ((8, 6),)),
    "LayerNormalization": Row({}, SCALE, ((8, 6),)),
    "GroupNormalization": Row({"groups": 3}, SCALE, ((8, 6),)),
    "PReLU": Row({"shared_axes": [1]}, {"alpha": (0, 1)}, ((8, 4, 5),)),
    "SimpleRNN": Row({"units": 4}, CELL, (SEQUENCE,)),
    "LSTM": Row({"units": 4}, CELL, (SEQUENCE,), "Bidirectional"),
    "GRU": Row({"units": 4}, CELL, (SEQUENCE,)),
    "SimpleRNNCell": Row({"units": 4}, CELL, (SEQUENCE,), "RNN"),
    "LSTMCell": Row({"units": 4}, CELL, (SEQUENCE,), "RNN"),
    "GRUCell": Row({"units": 4, "reset_after": False}, CELL, (SEQUENCE,), "RNN"),
    "ConvLSTM1D": conv_lstm(3, 4, 5, 3),
    "ConvLSTM2D": conv_lstm(2, 3, 5, 4, 3),
    "ConvLSTM3D": conv_lstm(2, 2, 4, 3, 3, 2),
    "MultiHeadAttention": Row(HEADS, {"kernel": (0,), "bias": 0}, ((8, 4, 5), (8, 6, 5))),
    "GroupQueryAttention": Row(GROUPS, {"kernel": (0,), "bias": 0}, ((8, 4, 5), (8, 6, 5))),
}
# They have several kernels, in which a unit has other axes.
ATTENTION = ("MultiHeadAttention", "GroupQueryAttention")
# From larger weights, feedback multiplies a difference in the last bit a thousandfold a step.
SMALL = [name for name, row in LAYERS.items() if "recurrent" in row.units]
CONSTRAINTS: dict[str, dict[str, Any]] = {
    "MaxNorm": {"max_value": 0.8},
    "MinMaxNorm": {"min_value": 0.5, "max_value": 0.8, "rate": 0.5},
    "NonNeg": {},
    "UnitNorm": {},
}
# Axes other than those of units, of the first weight.
OTHER_AXES: dict[str, list[Any]] = {
    "Dense": [1, (0, 1), -1],
    "Conv1D": [(0,), 2],
    "Conv2D": [(0,), (0, 1)],
    "Conv3D": [(0,)],
    "Conv2DTranspose": [(0, 1, 2)],
    "SeparableConv2D": [(0, 1, 2)],
    "Embedding": [0, ()],
    "EinsumDense": [(0, 1)],
    "GroupNormalization": [()],
    "PReLU": [()],
    "LSTM": [(0, 1)],
    "ConvLSTM2D": [(0,)],
}
# For each: ours of some parameters, Keras's, and how far apart 20 steps may lead.
OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], Callable[[], Any], float]] = {
    "SGD": (lambda of: torch.optim.SGD(of, lr=0.1), lambda: keras.optimizers.SGD(0.1), 1e-5),
    "Adam": (lambda of: Adam(0.01).bind(of), lambda: keras.optimizers.Adam(0.01), 1e-4),
}
CASES = [
    *((layer, one, None, by) for layer in LAYERS for one in CONSTRAINTS for by in OPTIMIZERS),
    *(
        (layer, one, axis, "SGD")
        for layer, axes in OTHER_AXES.items()
        for one in CONSTRAINTS
        if one != "NonNeg"
        for axis in axes
    ),
]

Limit = Callable[[str], Any]


def build(library: Any, layer: str, limit: Limit) -> Any:
    """A layer of either library, with a constraint for each of its arguments for one."""
    row = LAYERS[layer]
    limits = {f"{name}_constraint": limit(name) for name in row.units}
    made = getattr(library, layer)(**row.arguments, **limits)
    return getattr(library, row.wrapper)(made) if row.wrapper else made


def batch_of(layer: str, rng: np.random.Generator) -> list[np.ndarray]:
    if "Embedding" in layer:
        return [rng.integers(0, 11, WORDS)]
    return [rng.normal(size=shape).astype(np.float32) for shape in LAYERS[layer].shapes]


def train_both(
    layer: str,
    our_limit: Limit,
    their_limit: Limit,
    optimizer: str = "SGD",
    after_step: Callable[[Any], None] = lambda model: None,
) -> None:
    """Take the same steps here and there, and compare all weights."""
    rng = np.random.default_rng(1)
    our_optimizer, their_optimizer, tolerance = OPTIMIZERS[optimizer]
    batch = batch_of(layer, rng)
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype.name) for x in batch]
    theirs = keras.Model(inputs, build(keras.layers, layer, their_limit)(*inputs))
    theirs.compile(optimizer=their_optimizer(), loss="mse")
    ours = build(layers, layer, our_limit)
    ours(*map(torch.as_tensor, batch))
    scale = 0.3 if layer in SMALL else 1.0
    start = [rng.normal(0, scale, w.shape).astype(np.float32) for w in theirs.get_weights()]
    named = zip(theirs.weights, start, strict=True)
    start = [np.abs(w) if "variance" in variable.name else w for variable, w in named]
    theirs.set_weights(start)
    ours.set_weights(start)
    by = our_optimizer(ours.parameters())

    for _ in range(STEPS):
        batch = batch_of(layer, rng)
        output = ours(*map(torch.as_tensor, batch))
        target = rng.normal(size=output.shape).astype(np.float32)
        by.zero_grad()
        torch.nn.functional.mse_loss(output, torch.as_tensor(target)).backward()
        by.step()
        theirs.train_on_batch(batch, target)
        after_step(theirs)

    for own, variable, began in zip(ours.get_weights(), theirs.weights, start, strict=True):
        # A bias of all keys cancels in the softmax: its gradient is what rounding leaves of 0,
        # which Adam makes as large as any other.
        if optimizer == "SGD" or not variable.path.endswith("key/bias"):
            np.testing.assert_allclose(own, variable.numpy(), rtol=0, atol=tolerance)
            assert np.abs(own - began).max() > 1e-3 or variable.path.endswith("key/bias")


@pytest.mark.parametrize(("layer", "constraint", "other_axis", "optimizer"), CASES)
def test_twenty_steps(layer: str, constraint: str, other_axis: Any, optimizer: str) -> None:
    units = LAYERS[layer].units

    def limit(rules: Any, argument: str) -> Any:
        axis = units[argument]
        if rules is constraints and argument not in VECTORS and layer not in ATTENTION:
            axis = "unit"
        if other_axis is not None and argument == next(iter(units)):
            axis = other_axis
        where = {} if constraint == "NonNeg" else {"axis": axis}
        return getattr(rules, constraint)(**CONSTRAINTS[constraint], **where)

    train_both(
        layer,
        lambda argument: limit(constraints, argument),
        lambda argument: limit(keras.constraints, argument),
        optimizer,
    )


@pytest.mark.parametrize("layer", [one for one in LAYERS if "2D" in one or "3D" in one])
def test_twenty_steps_with_radial_kernels(layer: str) -> None:
    radial = RadialConstraint("mean")

    def project(model: keras.Model) -> None:
        """Keras has no such constraint: it is applied by hand."""
        for variable in model.trainable_variables:
            if variable.constraint is not None:
                variable.assign(radial(variable.numpy()))

    def on_kernels(limit: Any) -> Limit:
        return lambda argument: None if argument in VECTORS else limit

    train_both(layer, on_kernels(radial), on_kernels(lambda w: w), after_step=project)


def test_every_layer_with_constraints_is_trained() -> None:
    """So that a layer that is added is compared with Keras's, too, with all of its constraints."""
    suffix = "_constraint"
    arguments = {
        name: {one.removesuffix(suffix) for one in layer_arguments(kind) if one.endswith(suffix)}
        for name, kind in ((kind.__name__, kind) for kind in nested.LAYERS.things)
    }
    assert {name: names for name, names in arguments.items() if names} == {
        name: set(row.units) for name, row in LAYERS.items()
    }
