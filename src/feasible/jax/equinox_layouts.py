"""The table of Equinox: what the arrays of its modules are, and how they are laid out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from equinox import nn

from feasible.jax.layouts import (
    ArrayLayout,
    Rows,
    as_stored,
    input_second,
    output_first,
    register_layouts,
)
from feasible.unit_axes import all_but_last, all_but_second_to_last, last_axis, no_axes


def _each(array: str, role: str, rank: int | None) -> ArrayLayout:
    """Return the row of an array whose elements are units of their own."""
    return ArrayLayout(array, role, as_stored, no_axes, rank)


# They store a bias as (out, 1, ...), to be added to (out, *spatial).
def _convolution(module: Any) -> Rows:
    rank = module.num_spatial_dims + 2
    kernel = ArrayLayout("weight", "kernel", output_first, all_but_last, rank)
    return kernel, _each("bias", "bias", rank - 1)


def _transposed_convolution(module: Any) -> Rows:
    rank = module.num_spatial_dims + 2
    kernel = ArrayLayout("weight", "kernel", input_second, all_but_second_to_last, rank)
    return kernel, _each("bias", "bias", rank - 1)


def _normalization(module: Any) -> Rows:
    return _each("weight", "gamma", len(module.shape)), _each("bias", "beta", len(module.shape))


_TABLE: dict[tuple[type, ...], Rows | Callable[[Any], Rows]] = {
    (nn.Linear,): (
        ArrayLayout("weight", "kernel", output_first, all_but_last, 2),
        _each("bias", "bias", 1),
    ),
    (nn.Conv,): _convolution,
    (nn.ConvTranspose,): _transposed_convolution,
    (nn.Embedding,): (ArrayLayout("weight", "embeddings", as_stored, last_axis, 2),),
    (nn.LSTMCell, nn.GRUCell): (
        ArrayLayout("weight_ih", "kernel", output_first, all_but_last, 2),
        ArrayLayout("weight_hh", "recurrent_kernel", output_first, all_but_last, 2),
        _each("bias", "bias", 1),
        _each("bias_n", "bias", 1),
    ),
    (nn.BatchNorm, nn.GroupNorm): (_each("weight", "gamma", 1), _each("bias", "beta", 1)),
    (nn.LayerNorm, nn.RMSNorm): _normalization,
    # One slope, or one a channel, stacked or not.
    (nn.PReLU,): (_each("negative_slope", "alpha", None),),
}

for _types, _rows in _TABLE.items():
    for _type in _types:
        register_layouts(_type, *(_rows if isinstance(_rows, tuple) else (_rows,)))
