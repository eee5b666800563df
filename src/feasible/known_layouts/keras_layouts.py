"""What the weights of Keras's own layers are, by their names in the layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from feasible.layouts import ParameterLayout

_Rows = tuple[ParameterLayout, ...]

_KERNEL = ParameterLayout("kernel", "kernel", "*in out", unit="out")
_TRANSPOSE_KERNEL = replace(_KERNEL, stored="*spatial out in")
_RECURRENT_KERNEL = replace(_KERNEL, parameter="recurrent_kernel", role="recurrent_kernel")
_DEPTHWISE_KERNEL = ParameterLayout(
    "kernel", "depthwise_kernel", "*spatial in multiplier", unit="in multiplier"
)
_BIAS, _GAMMA, _BETA, _ALPHA = (
    ParameterLayout(name, name, "*unit", unit="*unit")
    for name in ("bias", "gamma", "beta", "alpha")
)


def _einsum(layer: Any) -> _Rows:
    """Layouts of an einsum: along the axes of its kernel that the output lacks lies one unit."""
    operands, _, output = layer.equation.replace(" ", "").partition("->")
    letters = operands.partition(",")[2]
    units = " ".join(letter for letter in letters if letter in output)
    return replace(_KERNEL, stored=" ".join(letters), unit=units), _BIAS


_LAYERS = "keras.src.layers"
# By the name of a file of Keras, what it defines for each number of spatial axes.
_CONVOLUTIONS: Mapping[str, tuple[str, _Rows]] = {
    "conv{}d": ("Conv{}D", (_KERNEL, _BIAS)),
    "conv{}d_transpose": ("Conv{}DTranspose", (_TRANSPOSE_KERNEL, _BIAS)),
    "depthwise_conv{}d": ("DepthwiseConv{}D", (_DEPTHWISE_KERNEL, _BIAS)),
    "separable_conv{}d": (
        "SeparableConv{}D",
        (
            replace(_DEPTHWISE_KERNEL, parameter="depthwise_kernel"),
            replace(_KERNEL, parameter="pointwise_kernel", role="pointwise_kernel"),
            _BIAS,
        ),
    ),
}
_CELLS = ("simple_rnn.SimpleRNN", "lstm.LSTM", "gru.GRU", "conv_lstm.ConvLSTM")

KERAS: Mapping[str, _Rows | Callable[[Any], _Rows]] = {
    f"{_LAYERS}.core.dense.Dense": (_KERNEL, _BIAS),
    f"{_LAYERS}.core.einsum_dense.EinsumDense": _einsum,
    f"{_LAYERS}.core.embedding.Embedding": (
        ParameterLayout("embeddings", "embeddings", "*vocabulary dim", unit="*vocabulary"),
    ),
    **{
        f"{_LAYERS}.convolutional.{file}.{kind}".format(size, size): rows
        for file, (kind, rows) in _CONVOLUTIONS.items()
        for size in (1, 2, 3)
    },
    **{f"{_LAYERS}.rnn.{name}Cell": (_KERNEL, _RECURRENT_KERNEL, _BIAS) for name in _CELLS},
    **{
        f"{_LAYERS}.normalization.{name}": (_GAMMA, _BETA)
        for name in (
            "batch_normalization.BatchNormalization",
            "layer_normalization.LayerNormalization",
            "group_normalization.GroupNormalization",
        )
    },
    f"{_LAYERS}.activations.prelu.PReLU": (_ALPHA,),
}
