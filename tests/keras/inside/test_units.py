"""What ``axis="unit"`` stands for in layers of Keras itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest

import feasible.keras  # noqa: F401  after Keras
from feasible import MaxNorm

layers = keras.layers


# A layer, the shape of its input, and by argument and weight the axes that "unit" stands for.
Make = Callable[..., Any]
UNITS: list[tuple[Make, Any, dict[str, tuple[str, tuple[int, ...]]]]] = [
    (layers.Dense, {"units": 3}, {"kernel": ("kernel", (0,)), "bias": ("bias", ())}),
    (
        layers.EinsumDense,
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"},
        {"kernel": ("kernel", (0,)), "bias": ("bias", ())},
    ),
    (
        layers.EinsumDense,
        {"equation": "...ab,abc->...c", "output_shape": (3,)},
        {"kernel": ("kernel", (0, 1))},
    ),
    (layers.Conv1D, {"filters": 3, "kernel_size": 2}, {"kernel": ("kernel", (0, 1))}),
    (layers.Conv2D, {"filters": 3, "kernel_size": 2}, {"kernel": ("kernel", (0, 1, 2))}),
    (layers.Conv3D, {"filters": 3, "kernel_size": 2}, {"kernel": ("kernel", (0, 1, 2, 3))}),
    (layers.Conv1DTranspose, {"filters": 3, "kernel_size": 2}, {"kernel": ("kernel", (0, 2))}),
    (layers.Conv2DTranspose, {"filters": 3, "kernel_size": 2}, {"kernel": ("kernel", (0, 1, 3))}),
    (
        layers.Conv3DTranspose,
        {"filters": 3, "kernel_size": 2},
        {"kernel": ("kernel", (0, 1, 2, 4))},
    ),
    (layers.DepthwiseConv1D, {"kernel_size": 2}, {"depthwise": ("kernel", (0,))}),
    (layers.DepthwiseConv2D, {"kernel_size": 2}, {"depthwise": ("kernel", (0, 1))}),
    (
        layers.SeparableConv1D,
        {"filters": 3, "kernel_size": 2},
        {"depthwise": ("depthwise_kernel", (0,)), "pointwise": ("pointwise_kernel", (0, 1))},
    ),
    (
        layers.SeparableConv2D,
        {"filters": 3, "kernel_size": 2},
        {"depthwise": ("depthwise_kernel", (0, 1)), "pointwise": ("pointwise_kernel", (0, 1, 2))},
    ),
    (
        layers.Embedding,
        {"input_dim": 5, "output_dim": 3},
        {"embeddings": ("embeddings", (1,))},
    ),
    (layers.BatchNormalization, {}, {"gamma": ("gamma", ()), "beta": ("beta", ())}),
    (layers.LayerNormalization, {}, {"gamma": ("gamma", ()), "beta": ("beta", ())}),
    (layers.GroupNormalization, {"groups": 2}, {"gamma": ("gamma", ()), "beta": ("beta", ())}),
    (layers.PReLU, {}, {"alpha": ("alpha", ())}),
    *(
        (
            kind,
            {"units": 3},
            {
                "kernel": ("kernel", (0,)),
                "recurrent": ("recurrent_kernel", (0,)),
                "bias": ("bias", ()),
            },
        )
        for kind in (layers.SimpleRNN, layers.LSTM, layers.GRU)
    ),
    (
        layers.ConvLSTM1D,
        {"filters": 3, "kernel_size": 2},
        {"kernel": ("kernel", (0, 1)), "recurrent": ("recurrent_kernel", (0, 1))},
    ),
]
SHAPES = {"1D": (None, 8, 4), "2D": (None, 8, 8, 4), "3D": (None, 8, 8, 8, 4)} | {
    "Embedding": (None, 6),
    "ConvLSTM1D": (None, 3, 8, 4),
    "EinsumDense": (None, 5, 4),
}


@pytest.mark.parametrize(
    ("kind", "arguments", "axes"),
    UNITS,
    ids=[f"{row[0].__name__}{i}" for i, row in enumerate(UNITS)],
)
def test_units_are_those_of_the_layer(
    kind: Make, arguments: dict[str, Any], axes: dict[str, tuple[str, tuple[int, ...]]]
) -> None:
    limit = MaxNorm(0.1, axis="unit")
    layer = kind(**arguments, **{f"{name}_constraint": limit for name in axes})
    name = kind.__name__
    shape = SHAPES.get(name) or next((SHAPES[k] for k in SHAPES if k in name), (None, 3, 4))
    layer.build(shape)
    by_name = {variable.name: variable.constraint for variable in layer.trainable_variables}
    for argument, (weight, wanted) in axes.items():
        assert by_name[weight] == MaxNorm(0.1, axis=wanted)
        assert getattr(layer, f"{argument}_constraint") is limit
    # So it is written, and so it is read.
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert getattr(again, f"{argument}_constraint") == limit


def constrained(variables: Any) -> list[tuple[tuple[int, ...], Any]]:
    return [(tuple(v.shape), v.constraint.axis) for v in variables if v.constraint is not None]


def test_units_of_layers_within_layers() -> None:
    limit = MaxNorm(0.1, axis="unit")
    attention = layers.MultiHeadAttention(2, 3, kernel_constraint=limit)
    attention.build((None, 5, 4), (None, 5, 4))
    assert constrained(attention.trainable_variables) == [
        *[((4, 2, 3), (0,))] * 3,
        ((2, 3, 4), (0, 1)),
    ]
    both = layers.Bidirectional(layers.LSTM(3, recurrent_constraint=limit))
    both.build((None, 5, 4))
    assert constrained(both.trainable_variables) == [((3, 12), (0,))] * 2
    each = layers.TimeDistributed(layers.Conv1DTranspose(2, 3, kernel_constraint=limit))
    each.build((None, 5, 8, 4))
    assert constrained(each.trainable_variables) == [((3, 2, 4), (0, 2))]


class Mine(layers.Dense):
    pass


class Unknown(layers.Layer):
    def build(self, input_shape: Any) -> None:
        self.mixer = self.add_weight(
            shape=(3, 3), name="mixer", constraint=MaxNorm(0.1, axis="unit")
        )


def test_a_class_of_ones_own_is_what_it_is_derived_from() -> None:
    layer = Mine(3, kernel_constraint=MaxNorm(0.1, axis="unit"))
    layer.build((None, 4))
    assert layer.kernel.constraint.axis == (0,)


def test_units_that_are_not_known_are_refused_when_the_layer_is_built() -> None:
    with pytest.raises(
        ValueError, match=r"Unknown\.mixer: MaxNorm.*Derive Unknown from the layer of Keras"
    ):
        Unknown().build((None, 3))


def test_an_axis_that_a_weight_lacks_is_refused_when_the_layer_is_built() -> None:
    with pytest.raises(ValueError, match=r"Dense\.kernel: MaxNorm: `axis` must name .*axis=2"):
        layers.Dense(3, kernel_constraint=MaxNorm(axis=2)).build((None, 4))
