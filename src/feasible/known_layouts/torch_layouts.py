"""What the parameters of torch.nn's modules are, and of ours, which store them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from feasible.axis_placement import AxisPart
from feasible.layouts import ParameterLayout

KERNEL = ParameterLayout("weight", "kernel", "out in *spatial", "*spatial in out", "out")
TRANSPOSE_KERNEL = ParameterLayout("weight", "kernel", "in out *spatial", "*spatial out in", "out")
EMBEDDINGS = ParameterLayout("weight", "embeddings", "vocabulary dim", unit="vocabulary")
BIAS = ParameterLayout("bias", "bias", "*unit", unit="*unit")
GAMMA = replace(BIAS, parameter="weight", role="gamma")
BETA = replace(BIAS, role="beta")
ALPHA = replace(GAMMA, role="alpha")

_Rows = tuple[ParameterLayout, ...]


@cache
def depthwise_layout(multiplier: int, parameter: str = "weight") -> ParameterLayout:
    """Return the layout of a depthwise kernel, stored as that of one group a channel.

    Args:
        multiplier: How many units each channel has.
        parameter: The parameter's name.

    Returns:
        Its layout.

    Example:
        >>> depthwise_layout(2).shape((6, 1, 5, 5))
        (5, 5, 3, 2)
    """
    stored, keras = "(in multiplier) 1 *spatial", "*spatial in multiplier"
    sizes = (("multiplier", multiplier),)
    return ParameterLayout(parameter, "depthwise_kernel", stored, keras, "in multiplier", sizes)


def _transposed_convolution(module: Any) -> _Rows:
    """Layouts of a transposed convolution, where a unit has the inputs of its group alone."""
    return (TRANSPOSE_KERNEL if module.groups == 1 else _grouped_kernel(module.groups)), BIAS


@cache
def _grouped_kernel(groups: int) -> ParameterLayout:
    return replace(
        TRANSPOSE_KERNEL,
        stored="(group in) out *spatial",
        keras="*spatial group out in",
        unit="group out",
        sizes=(("group", groups),),
    )


# How the names of a recurrent module's parameters begin, and what they are.
_RECURRENT = {
    "weight_ih": KERNEL,
    "weight_hh": replace(KERNEL, role="recurrent_kernel"),
    "weight_hr": replace(KERNEL, role="projection_kernel"),
    "bias_ih": BIAS,
    "bias_hh": BIAS,
}


def _recurrent(module: Any) -> _Rows:
    """Layouts of a recurrent module or cell, for each layer and direction."""
    return _recurrent_of(tuple(module._parameters))


@cache
def _recurrent_of(parameters: tuple[str, ...]) -> _Rows:
    return tuple(
        replace(layout, parameter=name)
        for name in parameters
        for prefix, layout in _RECURRENT.items()
        if name.startswith(prefix)
    )


def _attention(module: Any) -> _Rows:
    """Layouts of multi-head attention, which stores its projections in one parameter or three."""
    return _attention_of(module.embed_dim, module._parameters.get("in_proj_weight") is not None)


@cache
def _attention_of(size: int, is_joint: bool) -> _Rows:
    thirds = [(name, place * size) for place, name in enumerate(("query", "key", "value"))]
    if not is_joint:
        kernels = [replace(KERNEL, parameter=f"{name[0]}_proj_weight") for name, _ in thirds]
    else:
        kernels = [
            replace(KERNEL, parameter="in_proj_weight", part=AxisPart(name, "out", start, size))
            for name, start in thirds
        ]
    bias = ParameterLayout("in_proj_bias", "bias", "unit", unit="unit")
    return (
        *kernels,
        *(replace(bias, part=AxisPart(name, "unit", start, size)) for name, start in thirds),
    )


_SIZES = ("1d", "2d", "3d")
_NN = "torch.nn.modules"

TORCH: Mapping[str, _Rows | Callable[[Any], _Rows]] = {
    f"{_NN}.linear.Linear": (KERNEL, BIAS),
    f"{_NN}.linear.Bilinear": (
        ParameterLayout("weight", "kernel", "out in1 in2", "in1 in2 out", "out"),
        BIAS,
    ),
    **{f"{_NN}.conv.Conv{size}": (KERNEL, BIAS) for size in _SIZES},
    **{f"{_NN}.conv.ConvTranspose{size}": _transposed_convolution for size in _SIZES},
    f"{_NN}.sparse.Embedding": (EMBEDDINGS,),
    f"{_NN}.sparse.EmbeddingBag": (EMBEDDINGS,),
    f"{_NN}.rnn.RNNBase": _recurrent,
    f"{_NN}.rnn.RNNCellBase": _recurrent,
    f"{_NN}.activation.MultiheadAttention": _attention,
    # Batch and instance normalization derive from the first.
    f"{_NN}.batchnorm._NormBase": (GAMMA, BETA),
    f"{_NN}.normalization.LayerNorm": (GAMMA, BETA),
    f"{_NN}.normalization.GroupNorm": (GAMMA, BETA),
    f"{_NN}.normalization.RMSNorm": (GAMMA,),
    f"{_NN}.activation.PReLU": (ALPHA,),
}
