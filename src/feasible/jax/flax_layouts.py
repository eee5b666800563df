"""The tables of Flax: what the arrays of NNX modules are, and of Linen's params by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax
from flax import nnx

from feasible.jax.layouts import (
    ALPHA,
    BETA,
    BIAS,
    EMBEDDINGS,
    GAMMA,
    KERNEL,
    TRANSPOSE_KERNEL,
    ArrayLayout,
    Axes,
    Rows,
    as_stored,
    named,
    register_layouts,
)
from feasible.jax.trees import register_box
from feasible.unit_axes import all_but_last


def _always(axes: Sequence[int]) -> Axes:
    """Return a function from any number of axes to the same axes."""

    def constant(rank: int) -> tuple[int, ...]:
        del rank
        return tuple(axes)

    return constant


def _linear_general(module: Any) -> Rows:
    """Rows of a linear map from some axes to others: its kernel is (*batch, *in, *out)."""
    batch, inputs, outputs = map(len, (module.batch_axis, module.in_features, module.out_features))
    unit_axes = _always(range(batch, batch + inputs))
    return (
        ArrayLayout("kernel", "kernel", as_stored, unit_axes, batch + inputs + outputs),
        BIAS._replace(rank=batch + outputs),
    )


def _einsum(module: Any) -> Rows:
    """Rows of an einsum: along the axes of its kernel that are summed over lies one unit."""
    operands, _, result = module.einsum_str.partition("->")
    letters = operands.partition(",")[2]
    rank = len(module.kernel_shape)
    # An ellipsis stands for axes that the result has too; letters after it count from the end.
    before, _, after = letters.partition("...")
    places = [*enumerate(before), *enumerate(after, rank - len(after))]
    unit_axes = _always([axis for axis, letter in places if letter not in result])
    return (
        ArrayLayout("kernel", "kernel", as_stored, unit_axes, rank),
        BIAS._replace(rank=len(module.bias_shape or ())),
    )


def _convolution(module: Any) -> Rows:
    return KERNEL._replace(rank=len(module.kernel_shape)), BIAS._replace(rank=1)


def _transposed_convolution(module: Any) -> Rows:
    """Rows of a transposed convolution, which stores its kernel in either order."""
    stored = as_stored if module.transpose_kernel else TRANSPOSE_KERNEL.order
    rank = len(module.kernel_shape)
    return TRANSPOSE_KERNEL._replace(order=stored, rank=rank), BIAS._replace(rank=1)


def _recurrent(*names: str) -> Rows:
    return tuple(
        ArrayLayout(f"{name}/kernel", "recurrent_kernel", as_stored, all_but_last, 2)
        for name in names
    )


_TABLE: dict[tuple[type, ...], Rows | Callable[[Any], Rows]] = {
    (nnx.Linear,): (KERNEL._replace(rank=2), BIAS._replace(rank=1)),
    (nnx.LinearGeneral,): _linear_general,
    (nnx.Einsum,): _einsum,
    (nnx.Conv,): _convolution,
    (nnx.ConvTranspose,): _transposed_convolution,
    (nnx.Embed,): (EMBEDDINGS._replace(rank=2),),
    (nnx.BatchNorm, nnx.LayerNorm, nnx.GroupNorm, nnx.InstanceNorm): (
        GAMMA._replace(rank=1),
        BETA._replace(rank=1),
    ),
    (nnx.RMSNorm,): (GAMMA._replace(rank=1),),
    (nnx.PReLU,): (ALPHA._replace(rank=0),),
    (nnx.LoRA,): tuple(
        ArrayLayout(f"lora_{one}", f"lora_kernel_{one}", as_stored, all_but_last, 2) for one in "ab"
    ),
    # What is not named here belongs to the linear maps inside.
    (nnx.LSTMCell,): _recurrent("hi", "hf", "hg", "ho"),
    (nnx.OptimizedLSTMCell, nnx.GRUCell, nnx.SimpleCell): _recurrent("dense_h"),
    # Params without their modules.
    (flax.core.FrozenDict, nnx.State): named,
}

for _types, _rows in _TABLE.items():
    for _type in _types:
        register_layouts(_type, *(_rows if isinstance(_rows, tuple) else (_rows,)))

for _box in (nnx.Variable, flax.core.meta.AxisMetadata):
    register_box(_box)
