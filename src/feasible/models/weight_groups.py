"""The weights of a model by the groups in which Keras's files keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from feasible.layers import Layer
from feasible.layers.symbolic import Operation
from feasible.layouts import ParameterLayout
from feasible.models.model import Model
from feasible.registry import snake_case

Views = list[tuple[ParameterLayout, Tensor]]


class Group(NamedTuple):
    """What one group holds.

    Attributes:
        name: The name of the layer.
        views: Its weights in Keras's order and layout.
    """

    name: str
    views: Views


def archive_groups(model: Model, stems: Mapping[nn.Module, str]) -> dict[str, Group]:
    """Return the weights of a model by the groups of an archive.

    Args:
        model: The model.
        stems: What the layers' classes are called in the file, where that is not their name.

    Returns:
        Groups by path, such as ``"layers/lstm_1/cell"``: layers are counted by their class.
    """
    return {"": Group(model.name, []), **dict(_of_model(model, "", stems, set()))}


def _of_model(
    model: Model, prefix: str, stems: Mapping[nn.Module, str], seen: set[nn.Module]
) -> Iterator[tuple[str, Group]]:
    # What several models, or places in one, share is kept once, where it is met first.
    for path, layer in _places(model, stems):
        if layer in seen:
            continue
        seen.add(layer)
        group = f"{prefix}{path}"
        if isinstance(layer, Model):
            yield group, Group(layer.name, [])
            yield from _of_model(layer, f"{group}/", stems, seen)
        else:
            yield from _of_layer(layer, group)


def _places(model: Model, stems: Mapping[nn.Module, str]) -> Iterator[tuple[str, nn.Module]]:
    """Return where the layers of a model are met: by attribute, and in its list of layers."""
    layers = [layer for layer in model.layers if not isinstance(layer, Operation)]
    if model.is_made_of_layers:
        attributes: dict[str, nn.Module] = {}
    else:
        layers = list(_flat(layers))
        attributes = dict(model.named_children())
    for name in sorted([*attributes, "layers"]):
        part = attributes.get(name)
        if name == "layers" or isinstance(part, nn.ModuleList):
            used: Counter[str] = Counter()
            for layer in layers if name == "layers" else _flat([part]):
                stem = snake_case(stems.get(layer) or _class_name(layer))
                yield f"{name}/{stem}_{used[stem]}" if used[stem] else f"{name}/{stem}", layer
                used[stem] += 1
        elif part is not None:
            yield name, part


def _class_name(layer: nn.Module) -> str:
    """Return what Keras calls the class."""
    is_functional = type(layer) is Model and layer.is_functional
    return "Functional" if is_functional else type(layer).__name__


def _flat(modules: Iterable[nn.Module | None]) -> Iterator[nn.Module]:
    for module in modules:
        if isinstance(module, nn.ModuleList):
            yield from _flat(module)
        elif module is not None:
            yield module


def _of_layer(layer: nn.Module, group: str) -> Iterator[tuple[str, Group]]:
    views = layer.weight_views() if isinstance(layer, Layer) else []
    yield group, Group(str(getattr(layer, "name", "")), views)
    if isinstance(layer, Layer):
        for name, part in layer.sublayers().items():
            yield from _of_layer(part, f"{group}/{name}")


def legacy_groups(model: Model) -> dict[str, Group]:
    """Return the weights of a model by the groups of an HDF5 file of Keras 2.

    Args:
        model: The model.

    Returns:
        Groups by the layers' names; in each the weights that are trained come first, also where
        the layer is a model.
    """
    return {
        str(layer.name): Group(str(layer.name), [*_views(layer, True), *_views(layer, False)])
        for layer in model.layers
        if not isinstance(layer, Operation)
    }


def _views(layer: Any, trained: bool) -> Iterator[tuple[ParameterLayout, Tensor]]:
    """Return the weights of a layer and of those within it that are trained, or are not."""
    parts: Sequence[Any] = ()
    if isinstance(layer, Model):
        parts = layer.layers
    elif isinstance(layer, Layer):
        parts = [*layer.sublayers().values()]
        for layout, view in layer.weight_views():
            if getattr(layer, layout.parameter).requires_grad == trained:
                yield layout, view
    for part in parts:
        yield from _views(part, trained)
