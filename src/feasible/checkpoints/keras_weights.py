"""The weights in Keras's HDF5 files, by the names of their layers and what they are to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from feasible.archives import hdf5
from feasible.checkpoints.mapped_file import MappedFile
from feasible.checkpoints.stored_array import Segment, StoredArray, named_dtype
from feasible.checkpoints.stored_layouts import class_layouts
from feasible.registry import snake_case

_CELL = ("kernel", "recurrent_kernel", "bias")
# The weights of Keras's layers in the order in which their files number them.
WEIGHTS_IN_ORDER: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Dense", "EinsumDense"), ("kernel", "bias")),
    **{
        f"Conv{size}D{kind}": ("kernel", "bias") for size in (1, 2, 3) for kind in ("", "Transpose")
    },
    **{f"DepthwiseConv{size}D": ("kernel", "bias") for size in (1, 2)},
    **{
        f"SeparableConv{size}D": ("depthwise_kernel", "pointwise_kernel", "bias") for size in (1, 2)
    },
    "Embedding": ("embeddings",),
    "PReLU": ("alpha",),
    **{f"{kind}Cell": _CELL for kind in ("SimpleRNN", "LSTM", "GRU")},
    **{f"ConvLSTM{size}D": _CELL for size in (1, 2, 3)},
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), ("gamma", "beta")),
    "RMSNormalization": ("gamma",),
}
# A config's switches that leave out a weight.
_SWITCHES = {"gamma": "scale", "beta": "center"}
# Layers whose weights are those of a cell, and what the cell's class is.
CELLS = {kind: f"{kind}Cell" for kind in ("SimpleRNN", "LSTM", "GRU")}
_ATTENTION = ("query_dense", "key_dense", "value_dense", "output_dense")
_KNOWN_STEMS = {snake_case(kind): kind for kind in (*WEIGHTS_IN_ORDER, *CELLS)}
_NUMBER = re.compile(r"_\d+\Z")
_DEEPEST = 12


@dataclass(frozen=True)
class KerasWeights:
    """The HDF5 file of weights, or the part of a file that holds one.

    Attributes:
        file: The file that it is in.
        base: Where in that it begins.
        content: Its bytes, mapped.
        load: What returns the bytes of an array where they are compressed; None where mapped.
    """

    file: MappedFile
    base: int
    content: memoryview | bytes
    is_mapped: bool = True

    def array(
        self,
        tree: hdf5.File,
        place: int,
        name: str,
        group: str,
        layout: Any = None,
        kind: str = "",
    ) -> StoredArray | None:
        """Return a dataset; None for one that is not of floating numbers."""
        try:
            found = tree.dataset(place)
        except ValueError as error:
            # Of seeds and counters, which no constraint is on.
            if "floating" in str(error):
                return None
            raise
        dtype = found.dtype
        if dtype == hdf5.BFLOAT16:
            dtype = named_dtype("bfloat16", self.file.source)
        layouts = (replace(layout, parameter=name),) if layout is not None else ()
        if not self.is_mapped:
            load = _loader(tree, found, dtype)
            return StoredArray(
                name, found.shape, dtype, load=load, layouts=layouts, kind=kind, group=group
            )
        segment = Segment(self.file, self.base + found.offset, found.shape)
        return StoredArray(
            name, found.shape, dtype, (segment,), layouts=layouts, kind=kind, group=group
        )


def _loader(tree: hdf5.File, found: hdf5.Dataset, dtype: Any) -> Callable[[], Any]:
    return lambda: tree.read(found).view(dtype)


def archive_arrays(
    weights: KerasWeights, configs: Mapping[str, Mapping[str, Any]]
) -> Iterator[StoredArray]:
    """Return the weights of a file of Keras 3, whose groups are numbered by class.

    Args:
        weights: The file.
        configs: The layers' class names and configs by their groups, where those are known.

    Yields:
        Each array, named by its layer and its role, as ``"dense/kernel"``.
    """
    tree = hdf5.File(weights.content)
    waiting: list[tuple[str, str, int, int]] = [("", "", tree.root, 0)]
    while waiting:
        path, name, place, depth = waiting.pop()
        children = tree.names(place)
        own = children.pop("vars", None)
        if own is not None:
            names = tree.texts(own, "name")
            label = path.rpartition("/")[2]
            if names and names[0] and _is_layer(path):
                name = _joined(name.rpartition("/")[0], names[0])
            yield from _group_arrays(weights, tree, own, name or label, path, configs.get(path))
        if depth > _DEEPEST:
            raise ValueError("its groups are nested deeper than those of any model")
        for child, inner in reversed(children.items()):
            below = f"{path}/{child}" if path else child
            # What only holds layers has no say in their names.
            label = name if child in ("layers", "cells") else _joined(name, child)
            waiting.append((below, label, inner, depth + 1))


def _is_layer(path: str) -> bool:
    """Return whether a group is that of a layer with a name of its own."""
    return path.rpartition("/")[0].rpartition("/")[2] in ("layers", "cells")


def _joined(name: str, child: str) -> str:
    return f"{name}/{child}" if name else child


def _group_arrays(
    weights: KerasWeights,
    tree: hdf5.File,
    own: int,
    name: str,
    path: str,
    config: Mapping[str, Any] | None,
) -> Iterator[StoredArray]:
    places = tree.names(own)
    numbers = [str(number) for number in range(len(places))]
    if set(places) != set(numbers):
        raise ValueError(f"the weights of {name} are not numbered from 0")
    kind = str(config["class_name"]) if config is not None else _class_of_group(path)
    order = ordered_weights(kind, (config or {}).get("config"), len(numbers))
    rows = {row.parameter: row for row in _rows(kind, (config or {}).get("config"))}
    for number in numbers:
        own_name = order[int(number)] if int(number) < len(order) else number
        array = weights.array(
            tree, places[number], f"{name}/{own_name}", path, rows.get(own_name), kind
        )
        if array is not None:
            yield array


def _class_of_group(path: str) -> str:
    """Return the class that a group of Keras's is named for; empty for one that is not known."""
    *_, before, last = ["", "", *path.split("/")]
    if last == "cell":
        return CELLS.get(_KNOWN_STEMS.get(_NUMBER.sub("", before), ""), "")
    return _KNOWN_STEMS.get(_NUMBER.sub("", last), "EinsumDense" if last in _ATTENTION else "")


def ordered_weights(kind: str, config: Any, count: int) -> Sequence[str]:
    """Return the names of a layer's weights in order.

    Args:
        kind: The layer's class.
        config: Its config, or None.
        count: How many weights it has.

    Returns:
        As many names as are known for sure.

    Example:
        >>> ordered_weights("Dense", {"use_bias": False}, 1)
        ('kernel',)
    """
    order = WEIGHTS_IN_ORDER.get(kind, ())
    if isinstance(config, dict):
        order = tuple(one for one in order if config.get(_SWITCHES.get(one, ""), True))
    elif any(one in _SWITCHES for one in order) and count != len(order):
        return ()
    return order[:count]


def _rows(kind: str, config: Any) -> Sequence[Any]:
    if kind == "EinsumDense":
        equation = config.get("equation") if isinstance(config, dict) else None
        if not isinstance(equation, str) or len(equation) > 200:
            return ()
        return class_layouts(kind, SimpleNamespace(equation=equation))
    return class_layouts(kind, None)


def legacy_arrays(
    weights: KerasWeights, tree: hdf5.File, own_layers: Collection[str] = ()
) -> Iterator[StoredArray]:
    """Return the weights of a file of Keras 2, which have names.

    Args:
        weights: The file.
        tree: Its groups.
        own_layers: The names of layers that are known.

    Yields:
        Each array, named by its layer and its role, as ``"dense/kernel"``.
    """
    root = tree.find("model_weights")
    root = tree.root if root is None else root
    for layer, place in tree.names(root).items():
        names = tree.texts(place, "weight_names") if layer != "top_level_model_weights" else None
        for name in names or ():
            found = place
            for step in name.split("/"):
                found = tree.names(found)[step]
            # In a model within the model, weights are named for their own layers.
            owner, _, own_name = name.partition(":")[0].rpartition("/")
            first = owner.partition("/")[0]
            inside = f"{layer}/{owner}" if first != layer else layer
            group = first if first in own_layers else layer
            array = weights.array(tree, found, f"{inside}/{own_name}", group)
            if array is not None:
                yield array
