"""What the arrays of Flax's NNX modules are, and those of Linen's params by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from feasible.axis_placement import numbered_name
from feasible.layouts import ParameterLayout

_Rows = tuple[ParameterLayout, ...]

KERNEL = ParameterLayout("kernel", "kernel", "*in out", unit="out")
EMBEDDINGS = ParameterLayout("embedding", "embeddings", "vocabulary dim", unit="vocabulary")
BIAS = ParameterLayout("bias", "bias", "unit", unit="unit")
GAMMA = replace(BIAS, parameter="scale", role="gamma")
BETA = replace(BIAS, role="beta")
ALPHA = ParameterLayout("negative_slope", "alpha", "", unit="")


def _any_rank(layout: ParameterLayout) -> ParameterLayout:
    """Return a layout of elements that are units, along however many axes."""
    return replace(layout, stored="*unit", unit="*unit")


_BY_NAME: _Rows = (
    *(
        ParameterLayout(f"{name}/kernel", "kernel", "in *out", unit="*out")
        for name in ("query", "key", "value")
    ),
    *(
        replace(KERNEL, parameter=f"{name}/kernel", role="recurrent_kernel")
        for name in ("hi", "hf", "hg", "ho", "hr", "hz", "hn", "h", "dense_h")
    ),
    KERNEL,
    _any_rank(GAMMA),
    replace(EMBEDDINGS, stored="*vocabulary dim", unit="*vocabulary"),
    _any_rank(ALPHA),
)


def rows_by_name(params: Any) -> _Rows:
    """Return what the names that Flax gives tell of params whose modules are not there.

    Args:
        params: The params of one module, by their names.

    Returns:
        Layouts of arrays that are counted as they are stored.

    Example:
        >>> rows_by_name({"scale": None, "bias": None})[-1].role
        'beta'
    """
    return *_BY_NAME, _any_rank(BETA if GAMMA.parameter in params else BIAS)


def _linear_general(module: Any) -> _Rows:
    """Layouts of a linear map from some axes to others, whose kernel is (*batch, *in, *out)."""
    axes = module.batch_axis, module.in_features, module.out_features
    return _linear_general_of(*map(len, axes))


@cache
def _linear_general_of(batch_axes: int, inputs: int, outputs: int) -> _Rows:
    batch, out = numbered_name("batch", batch_axes), numbered_name("out", outputs)
    units, stored = f"{batch} {out}", f"{batch} {numbered_name('in', inputs)} {out}"
    return (
        ParameterLayout("kernel", "kernel", stored, unit=units),
        replace(BIAS, stored=units, unit=units),
    )


def _einsum(module: Any) -> _Rows:
    """Layouts of an einsum: along the axes of its kernel that are summed over lies one unit."""
    return _einsum_of(module.einsum_str, len(module.kernel_shape), len(module.bias_shape or ()))


@cache
def _einsum_of(equation: str, rank: int, bias_rank: int) -> _Rows:
    operands, _, result = equation.replace(" ", "").partition("->")
    letters = operands.partition(",")[2]
    # An ellipsis stands for axes that the result has too.
    before, _, after = letters.partition("...")
    others = numbered_name("other", rank - len(before + after))
    units = " ".join([*(letter for letter in before + after if letter in result), others])
    bias = numbered_name("unit", bias_rank)
    return (
        ParameterLayout("kernel", "kernel", " ".join([*before, others, *after]), unit=units),
        replace(BIAS, stored=bias, unit=bias),
    )


def _convolution(module: Any) -> _Rows:
    return _convolution_of(len(module.kernel_shape) - 2, "in out", "in out")


def _transposed_convolution(module: Any) -> _Rows:
    """Layouts of a transposed convolution, which stores its kernel in either order."""
    channels = "out in" if module.transpose_kernel else "in out"
    return _convolution_of(len(module.kernel_shape) - 2, channels, "out in")


@cache
def _convolution_of(rank: int, stored: str, keras: str) -> _Rows:
    spatial = numbered_name("spatial", rank)
    return replace(KERNEL, stored=f"{spatial} {stored}", keras=f"{spatial} {keras}"), BIAS


def _recurrent(*names: str) -> _Rows:
    return tuple(
        ParameterLayout(f"{name}/kernel", "recurrent_kernel", "in out", unit="out")
        for name in names
    )


_NN = "flax.nnx.nn"

FLAX: Mapping[str, _Rows | Callable[[Any], _Rows]] = {
    f"{_NN}.linear.Linear": (replace(KERNEL, stored="in out"), BIAS),
    f"{_NN}.linear.LinearGeneral": _linear_general,
    f"{_NN}.linear.Einsum": _einsum,
    f"{_NN}.linear.Conv": _convolution,
    f"{_NN}.linear.ConvTranspose": _transposed_convolution,
    f"{_NN}.linear.Embed": (EMBEDDINGS,),
    **{
        f"{_NN}.normalization.{name}": (GAMMA, BETA)
        for name in ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm")
    },
    f"{_NN}.normalization.RMSNorm": (GAMMA,),
    f"{_NN}.activations.PReLU": (ALPHA,),
    f"{_NN}.lora.LoRA": tuple(
        ParameterLayout(f"lora_{one}", f"lora_kernel_{one}", "in out", unit="out") for one in "ab"
    ),
    # What is not named here belongs to the linear maps inside.
    f"{_NN}.recurrent.LSTMCell": _recurrent("hi", "hf", "hg", "ho"),
    **{
        f"{_NN}.recurrent.{name}": _recurrent("dense_h")
        for name in ("OptimizedLSTMCell", "GRUCell", "SimpleCell")
    },
    # Params without their modules.
    "builtins.dict": rows_by_name,
    "flax.core.frozen_dict.FrozenDict": rows_by_name,
    "flax.nnx.statelib.State": rows_by_name,
}
