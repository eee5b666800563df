"""Along which axes of a Keras layer's weight the weights incident to one unit lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feasible.unit_axes import (
    all_but_last,
    all_but_second_to_last,
    last_axis,
    no_axes,
    spatial_axes,
    summed_axes,
)

# By a weight's name: from the number of its axes to those of one unit.
_Units = dict[str, Callable[[int], tuple[int, ...]]]

_SIZES = ("1D", "2D", "3D")
_KERNEL: _Units = {"kernel": all_but_last}

# By the class of a layer.
_UNITS: dict[str, _Units] = {
    "Dense": _KERNEL,
    **{f"Conv{size}": _KERNEL for size in _SIZES},
    **{f"Conv{size}Transpose": {"kernel": all_but_second_to_last} for size in _SIZES},
    **{f"DepthwiseConv{size}": {"kernel": spatial_axes} for size in _SIZES},
    **{
        f"SeparableConv{size}": {"depthwise_kernel": spatial_axes, "pointwise_kernel": all_but_last}
        for size in _SIZES
    },
    **{
        f"{name}Cell": {**_KERNEL, "recurrent_kernel": all_but_last}
        for name in ("SimpleRNN", "LSTM", "GRU", "ConvLSTM")
    },
    "Embedding": {"embeddings": last_axis},
    "BatchNormalization": {},
    "LayerNormalization": {},
    "GroupNormalization": {},
    "PReLU": {},
    # Its kernel's axes are what an equation says.
    "EinsumDense": {},
}
_ELEMENTS = dict.fromkeys(("bias", "gamma", "beta", "alpha"), no_axes)


def unit_axes_of(layer: Any, weight: str, rank: int) -> tuple[int, ...] | None:
    """Return the axes along which the weights incident to one unit lie.

    Args:
        layer: A layer of Keras, or of a class derived from one.
        weight: The weight's name in it, such as ``"kernel"``.
        rank: The number of the weight's axes.

    Returns:
        The axes in ascending order, none where each element is a unit of its own; None where the
        layer is not known.
    """
    for kind in type(layer).__mro__:
        if kind.__name__ in _UNITS and kind.__module__.partition(".")[0] == "keras":
            if kind.__name__ == "EinsumDense" and weight == "kernel":
                return _summed(layer.equation)
            axes = {**_ELEMENTS, **_UNITS[kind.__name__]}.get(weight)
            return None if axes is None else axes(rank)
    return None


def _summed(equation: str) -> tuple[int, ...]:
    """Return the axes of an `EinsumDense` kernel that the output lacks, as they are summed over."""
    operands, _, output = equation.partition("->")
    return summed_axes(operands.partition(",")[2].strip(), output)
