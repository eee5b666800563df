"""What the arrays of a checkpoint are to their layers, told by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from feasible.axis_placement import AxisPart
from feasible.checkpoints.stored_array import StoredArray
from feasible.known_layouts.flax_layouts import GAMMA as FLAX_SCALE
from feasible.known_layouts.keras_layouts import KERAS
from feasible.known_layouts.torch_layouts import BIAS, EMBEDDINGS, GAMMA, KERNEL
from feasible.layouts import ParameterLayout

LAYOUTS = ("torch", "keras", "native")
_NATIVE = ParameterLayout("", "", "*rows unit", unit="unit")
_ENTRIES = ParameterLayout("", "", "*unit", unit="*unit")


class NamedLayout(NamedTuple):
    """What an array is taken for because of its name and how many axes it has.

    Attributes:
        pattern: A regular expression that is searched for in the name.
        ranks: How many axes it may have.
        layout: Its layout.
        taken_for: What a report says that it was taken for.
    """

    pattern: str
    ranks: range
    layout: ParameterLayout
    taken_for: str


_VECTORS, _MATRICES, _TENSORS, _ANY = range(1, 2), range(2, 3), range(3, 33), range(33)
_RECURRENT = replace(KERNEL, role="recurrent_kernel")

_TORCH = (
    NamedLayout(r"(^|[._])(bias\w*|\w+_bias)$", _VECTORS, BIAS, "a bias"),
    NamedLayout(r"weight_hh\w*$", _MATRICES, _RECURRENT, "a recurrent kernel, stored (out, in)"),
    NamedLayout(r"weight_ih\w*$", _MATRICES, KERNEL, "a recurrent layer's kernel, (out, in)"),
    NamedLayout(
        r"(?i)(embed|(^|\.)w[tp]e\.|lookup_table)",
        _MATRICES,
        EMBEDDINGS,
        "an embedding, because of its name: a row is a unit",
    ),
    NamedLayout(r"weight$", _VECTORS, GAMMA, "a normalization's scale"),
    NamedLayout(r"", _VECTORS, replace(_ENTRIES, role=""), "entries"),
    NamedLayout(r"", _MATRICES, KERNEL, "a linear map's kernel, stored (out, in)"),
    NamedLayout(r"", _TENSORS, KERNEL, "a convolution's kernel, stored (out, in, *spatial)"),
)
_DENSE = {row.role: row for rows in (KERAS["keras.src.layers.core.dense.Dense"],) for row in rows}  # type: ignore[union-attr]
_KERAS = (
    NamedLayout(
        r"depthwise_kernel(:0)?$",
        _TENSORS,
        replace(
            _DENSE["kernel"],
            stored="*spatial in multiplier",
            unit="in multiplier",
            role="depthwise_kernel",
        ),
        "a depthwise kernel",
    ),
    NamedLayout(
        r"recurrent_kernel(:0)?$",
        _MATRICES,
        replace(_DENSE["kernel"], role="recurrent_kernel"),
        "a recurrent kernel, (in, out)",
    ),
    NamedLayout(r"embeddings?(:0)?$", _MATRICES, EMBEDDINGS, "an embedding: a row is a unit"),
    NamedLayout(
        r"(gamma|scale)(:0)?$",
        _ANY,
        replace(FLAX_SCALE, stored="*unit", unit="*unit"),
        "a normalization's scale",
    ),
    NamedLayout(r"bias(:0)?$", _ANY, _DENSE["bias"], "a bias"),
    NamedLayout(r"", _VECTORS, _ENTRIES, "entries"),
    NamedLayout(r"", range(2, 33), _DENSE["kernel"], "a kernel, stored (*spatial, in, out)"),
)
_BARE = (
    NamedLayout(r"", range(2), _ENTRIES, "entries"),
    NamedLayout(r"", range(2, 33), _NATIVE, "a bare array: the last axis counts units"),
)
_BY_LAYOUT = {"torch": _TORCH, "keras": _KERAS, "native": _BARE}
_JOINT_PROJECTION = re.compile(r"in_proj_(weight|bias)$")


def layouts_by_name(array: StoredArray, layout: str) -> list[tuple[ParameterLayout, str]]:
    """Return what an array is to its layer, told by its name; one a part, where it has parts.

    Args:
        array: The array.
        layout: How arrays are stored: ``"torch"``, ``"keras"`` or ``"native"``.

    Returns:
        Layouts, and what a report says that the array was taken for.

    Example:
        >>> import numpy as np
        >>> array = StoredArray("fc.weight", (5, 3), np.dtype("float32"))
        >>> [(found, taken_for)] = layouts_by_name(array, "torch")
        >>> found.shape(array.shape), taken_for
        ((3, 5), "a linear map's kernel, stored (out, in)")
    """
    if layout == "torch" and _JOINT_PROJECTION.search(array.name) and array.shape[0] % 3 == 0:
        return _thirds(array)
    for row in _BY_LAYOUT[layout]:
        if len(array.shape) in row.ranks and re.search(row.pattern, array.name):
            return [(replace(row.layout, parameter=array.name), row.taken_for)]
    return [(replace(_ENTRIES, parameter=array.name), "entries")]


def _thirds(array: StoredArray) -> list[tuple[ParameterLayout, str]]:
    size = array.shape[0] // 3
    row = KERNEL if len(array.shape) == 2 else replace(BIAS, stored="unit", unit="unit")
    axis = "out" if len(array.shape) == 2 else "unit"
    return [
        (
            replace(row, parameter=array.name, part=AxisPart(name, axis, place * size, size)),
            f"attention's {name} projection",
        )
        for place, name in enumerate(("query", "key", "value"))
    ]


def class_layouts(name: str, instance: object) -> Sequence[ParameterLayout]:
    """Return the layouts of one of Keras's own layers, by the name of its class.

    Args:
        name: The class's name.
        instance: What has the attributes of the layer that its layouts depend on.

    Returns:
        The layouts; none for a class that is not known.

    Example:
        >>> [row.role for row in class_layouts("Dense", None)]
        ['kernel', 'bias']
    """
    for full_name, rows in KERAS.items():
        if full_name.rpartition(".")[2] == name:
            return rows(instance) if callable(rows) else rows
    return ()
