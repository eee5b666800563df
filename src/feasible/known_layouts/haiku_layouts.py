"""What the arrays of Haiku's modules are, by the names that Haiku gives modules in params."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from feasible.layouts import ParameterLayout

_Rows = tuple[ParameterLayout, ...]

_KERNEL = ParameterLayout("w", "kernel", "*in out", unit="out")
_RECURRENT_KERNEL = replace(_KERNEL, role="recurrent_kernel")
_TRANSPOSE_KERNEL = replace(_KERNEL, stored="*spatial out in")
# One input channel a unit: the units of all channels lie along the last axis.
_DEPTHWISE_KERNEL = replace(_KERNEL, role="depthwise_kernel")
# (out, 1, ...) where channels come first.
_BIAS = ParameterLayout("b", "bias", "*unit", unit="*unit")
_NORMALIZATION = (
    replace(_BIAS, parameter="scale", role="gamma"),
    replace(_BIAS, parameter="offset", role="beta"),
)
_SIZES = ("1_d", "2_d", "3_d", "_nd")

# By the name that a module has unless it is given one, without the number behind it.
_BY_MODULE: Mapping[str, _Rows] = {
    "linear": (_KERNEL, _BIAS),
    **{f"conv{size}": (_KERNEL, _BIAS) for size in _SIZES},
    **{f"conv{size}_transpose": (_TRANSPOSE_KERNEL, _BIAS) for size in _SIZES},
    **{f"depthwise_conv{size}": (_DEPTHWISE_KERNEL, _BIAS) for size in _SIZES},
    "embed": (ParameterLayout("embeddings", "embeddings", "vocabulary dim", unit="vocabulary"),),
    **{f"{kind}_norm": _NORMALIZATION for kind in ("layer", "batch", "group", "instance", "rms")},
    # Those of attention, and of recurrent cores; an LSTM has one `linear` for both.
    **dict.fromkeys(("query", "key", "value", "input_to_hidden"), (_KERNEL, _BIAS)),
    "hidden_to_hidden": (_RECURRENT_KERNEL, _BIAS),
    "gru": (
        replace(_KERNEL, parameter="w_i"),
        replace(_RECURRENT_KERNEL, parameter="w_h"),
        _BIAS,
    ),
    "bias": (_BIAS,),
}
_NUMBER = re.compile(r"_\d+\Z")


def named_modules(params: Mapping[str, Any]) -> _Rows:
    """Return what the names of Haiku's modules tell of params.

    Args:
        params: Params by the paths of modules, such as ``"mlp/~/linear_0"``, and by their names.

    Returns:
        Layouts of the arrays of those modules that go by the name Haiku gives them.

    Example:
        >>> [row.parameter for row in named_modules({"net/~/linear_1": {"w": None}})]
        ['net/~/linear_1/w', 'net/~/linear_1/b']
    """
    return tuple(
        row
        for path, arrays in params.items()
        if isinstance(path, str) and isinstance(arrays, Mapping)
        for row in _rows_of(path)
    )


@cache
def _rows_of(path: str) -> _Rows:
    name = _NUMBER.sub("", path.rpartition("/")[2])
    rows = _BY_MODULE.get(name, ())
    return tuple(replace(row, parameter=f"{path}/{row.parameter}") for row in rows)
