"""Each layer with constraints goes to Keras and comes from Keras, with all of its constraints."""

from __future__ import annotations

import inspect
import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from feasible import MaxNorm, constraints, layers, load_model
from feasible.layers.configs import layer_arguments
from feasible.torch.bound_weights import bound_weights

# The sizes of an input, and other arguments than constraints.
LAYERS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "Dense": ((5,), {"units": 4}),
    "EinsumDense": (
        (3, 4),
        {"equation": "abc,cde->abde", "output_shape": (3, 2, 5), "bias_axes": "de"},
    ),
    "Conv1D": ((6, 3), {"filters": 4, "kernel_size": 3}),
    "Conv2D": ((6, 5, 3), {"filters": 4, "kernel_size": 3}),
    "Conv3D": ((4, 5, 4, 3), {"filters": 2, "kernel_size": 2}),
    "Conv1DTranspose": ((6, 3), {"filters": 4, "kernel_size": 3}),
    "Conv2DTranspose": ((6, 5, 3), {"filters": 4, "kernel_size": 3}),
    "Conv3DTranspose": ((4, 5, 4, 3), {"filters": 2, "kernel_size": 2}),
    "DepthwiseConv1D": ((6, 3), {"kernel_size": 3, "depth_multiplier": 2}),
    "DepthwiseConv2D": ((6, 5, 3), {"kernel_size": 3, "depth_multiplier": 2}),
    "SeparableConv1D": ((6, 3), {"filters": 4, "kernel_size": 3}),
    "SeparableConv2D": ((6, 5, 3), {"filters": 4, "kernel_size": 3}),
    "Embedding": ((7,), {"input_dim": 10, "output_dim": 4}),
    "ReversibleEmbedding": ((7,), {"input_dim": 10, "output_dim": 4, "tie_weights": False}),
    "BatchNormalization": ((4, 3), {}),
    "LayerNormalization": ((4, 3), {}),
    "GroupNormalization": ((4, 6), {"groups": 3}),
    "PReLU": ((4, 3), {}),
    "SimpleRNN": ((5, 3), {"units": 4}),
    "LSTM": ((5, 3), {"units": 4}),
    "GRU": ((5, 3), {"units": 4}),
    "SimpleRNNCell": ((5, 3), {"units": 4}),
    "LSTMCell": ((5, 3), {"units": 4}),
    "GRUCell": ((5, 3), {"units": 4}),
    "ConvLSTM1D": ((3, 5, 2), {"filters": 3, "kernel_size": 2}),
    "ConvLSTM2D": ((3, 5, 4, 2), {"filters": 3, "kernel_size": 2}),
    "ConvLSTM3D": ((3, 4, 3, 4, 2), {"filters": 3, "kernel_size": 2}),
}
# They are called on two inputs, and so stand in no Sequential.
ATTENTION: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "MultiHeadAttention": ((4, 5), {"num_heads": 2, "key_dim": 3, "use_gate": True}),
    "GroupQueryAttention": (
        (4, 5),
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
    ),
}
LIMITS: list[tuple[str, dict[str, Any]]] = [
    ("MaxNorm", {"max_value": 0.7, "axis": [0]}),
    ("MinMaxNorm", {"min_value": 0.5, "rate": 0.5, "axis": [0]}),
    ("UnitNorm", {"axis": [0]}),
    ("NonNeg", {}),
]


def constraint_arguments(kind: type) -> list[str]:
    """The arguments of a layer of Keras's that are constraints."""
    signatures = [inspect.signature(one.__init__) for one in kind.__mro__[:-1]]
    names = {name for signature in signatures for name in signature.parameters}
    return sorted(name for name in names if name.endswith("_constraint"))


def build(library: Any, name: str, arguments: dict[str, Any]) -> Any:
    made = getattr(library, name)(**arguments)
    return library.RNN(made) if name.endswith("Cell") else made


def config_of(path: Path) -> Any:
    """The config in an archive, without what layers and objects are called."""

    def kept(value: Any) -> Any:
        if isinstance(value, list):
            return [*map(kept, value)]
        if isinstance(value, dict):
            # A dtype has nothing but its name.
            names = {"shared_object_id"} if len(value) == 1 else {"shared_object_id", "name"}
            return {key: kept(one) for key, one in value.items() if key not in names}
        return value

    with zipfile.ZipFile(path) as archive:
        return kept(json.loads(archive.read("config.json")))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("functional", [False, True])
def test_it_goes_both_ways(name: str, functional: bool, tmp_path: Path) -> None:
    shape, arguments = LAYERS[name]
    names = constraint_arguments(getattr(keras.layers, name))
    limits = {one: LIMITS[(2 * functional + index) % 4] for index, one in enumerate(names)}
    of_keras = {one: getattr(keras.constraints, kind)(**of) for one, (kind, of) in limits.items()}
    rng = np.random.default_rng(0)
    x = rng.integers(0, 10, (4, *shape)).astype("float32")
    x = x.astype("int32") if "Embedding" in name else x / 5
    start = keras.Input(shape, dtype=x.dtype.name)
    made = build(keras.layers, name, {**arguments, **of_keras})
    model = keras.Model(start, made(start)) if functional else keras.Sequential([start, made])
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    wanted = model(x, training=False)
    path, again = tmp_path / "m.keras", tmp_path / "again.keras"
    model.save(path)

    loaded = load_model(path)
    torch.testing.assert_close(loaded(x), wanted, rtol=0, atol=1e-5)
    layer = loaded.layers[-1].cell if name.endswith("Cell") else loaded.layers[-1]
    for argument, (kind, options) in limits.items():
        assert getattr(layer, argument) == getattr(constraints, kind)(**options)

    loaded.save(path)
    opened = keras.saving.load_model(path)
    torch.testing.assert_close(opened(x, training=False), wanted, rtol=0, atol=1e-5)
    opened.save(path)
    (model if functional else keras.Sequential([start, made])).save(again)
    assert config_of(path) == config_of(again)


@pytest.mark.parametrize("name", [*LAYERS, *ATTENTION])
def test_units_are_the_same_in_keras_itself(name: str) -> None:
    shape, arguments = {**LAYERS, **ATTENTION}[name]
    names = constraint_arguments(getattr(keras.layers, name))
    limits = dict.fromkeys(names, MaxNorm(0.1, axis="unit"))
    theirs, ours = (
        build(library, name, {**arguments, **limits}) for library in (keras.layers, layers)
    )
    x = np.zeros((2, *shape), "int32" if "Embedding" in name else "float32")
    inputs = [x, x] if name in ATTENTION else [x]
    theirs(*inputs)
    ours(*map(torch.as_tensor, inputs))
    found = [(tuple(one.shape), str(one.constraint)) for one in theirs.weights if one.constraint]
    bound = [
        (tuple(one.layout.view(getattr(part, one.layout.parameter)).shape), one.constraint)
        for part in ours.modules()
        for one in bound_weights(part)
    ]
    assert sorted(found) == sorted((shape, str(constraint)) for shape, constraint in bound)
    assert len(found) >= len(names)


def test_none_is_left_out() -> None:
    """So that a layer that is added is compared with Keras's, too."""
    kinds = [kind for kind in vars(keras.layers).values() if isinstance(kind, type)]
    constrained = {kind for kind in kinds if constraint_arguments(kind)}
    assert constrained == {getattr(keras.layers, name) for name in [*LAYERS, *ATTENTION]}
    for name in [*LAYERS, *ATTENTION]:
        own = [one for one in layer_arguments(getattr(layers, name)) if one.endswith("_constraint")]
        assert sorted(own) == constraint_arguments(getattr(keras.layers, name))
