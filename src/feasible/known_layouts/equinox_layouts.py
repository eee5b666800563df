"""What the arrays of Equinox's modules are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from feasible.axis_placement import numbered_name
from feasible.layouts import ParameterLayout

_Rows = tuple[ParameterLayout, ...]


def _each(array: str, role: str, axes: str = "unit") -> ParameterLayout:
    """Return the layout of an array whose elements are units of their own."""
    return ParameterLayout(array, role, axes, unit=axes)


def _kernel(array: str, role: str = "kernel") -> ParameterLayout:
    return ParameterLayout(array, role, "out in", "in out", "out")


# They store a bias as (out, 1, ...), to be added to (out, *spatial).
def _convolution(module: Any) -> _Rows:
    return _convolution_of(module.num_spatial_dims, "in out")


def _transposed_convolution(module: Any) -> _Rows:
    return _convolution_of(module.num_spatial_dims, "out in")


@cache
def _convolution_of(rank: int, channels: str) -> _Rows:
    spatial = numbered_name("spatial", rank)
    kernel = f"{spatial} {channels}"
    return (
        ParameterLayout("weight", "kernel", f"out in {spatial}", kernel, "out"),
        _each("bias", "bias", f"unit {spatial}"),
    )


def _normalization(module: Any) -> _Rows:
    return _normalization_of(len(module.shape))


@cache
def _normalization_of(rank: int) -> _Rows:
    axes = numbered_name("unit", rank)
    return _each("weight", "gamma", axes), _each("bias", "beta", axes)


_RECURRENT = (
    _kernel("weight_ih"),
    _kernel("weight_hh", "recurrent_kernel"),
    _each("bias", "bias"),
    _each("bias_n", "bias"),
)
_CHANNELS = (_each("weight", "gamma"), _each("bias", "beta"))
_NN = "equinox.nn"

EQUINOX: Mapping[str, _Rows | Callable[[Any], _Rows]] = {
    f"{_NN}._linear.Linear": (_kernel("weight"), _each("bias", "bias")),
    f"{_NN}._conv.Conv": _convolution,
    f"{_NN}._conv.ConvTranspose": _transposed_convolution,
    f"{_NN}._embedding.Embedding": (
        ParameterLayout("weight", "embeddings", "vocabulary dim", unit="vocabulary"),
    ),
    f"{_NN}._rnn.LSTMCell": _RECURRENT,
    f"{_NN}._rnn.GRUCell": _RECURRENT,
    f"{_NN}._batch_norm.BatchNorm": _CHANNELS,
    f"{_NN}._normalisation.GroupNorm": _CHANNELS,
    f"{_NN}._normalisation.LayerNorm": _normalization,
    f"{_NN}._normalisation.RMSNorm": _normalization,
    # One slope, or one a channel, stacked or not.
    f"{_NN}._activations.PReLU": (_each("negative_slope", "alpha", "*unit"),),
}
