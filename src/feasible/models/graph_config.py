"""The calls of a functional model as Keras writes them into an archive's config, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import Tensor, nn

from feasible.layers.input import InputLayer
from feasible.layers.symbolic import (
    Node,
    Operation,
    SymbolicTensor,
    map_nest,
    record,
    symbolic_tensors,
)
from feasible.models.graph import Graph
from feasible.models.operation_config import operation_config

_TENSOR, _ARRAY, _SLICE, _ELLIPSIS = "__keras_tensor__", "__numpy__", "__slice__", "__ellipsis__"
# Keras's largest models have a few hundred layers.
MOST_LAYERS = 2048

ConfigEntry = dict[str, Any]


def graph_entries(
    graph: Graph, names: list[str], entry_of: Callable[[nn.Module], ConfigEntry]
) -> ConfigEntry:
    """Return the calls of a graph as Keras writes them.

    Args:
        graph: The graph.
        names: The names of what is called, in order.
        entry_of: From a layer or a model to how Keras writes it.

    Returns:
        ``"layers"``, each with its calls, ``"input_layers"`` and ``"output_layers"``.
    """
    calls = graph.calls()
    named = dict(zip(calls, names, strict=True))
    places = {node: place for nodes in calls.values() for place, node in enumerate(nodes)}

    def history(tensor: SymbolicTensor) -> list[Any]:
        return [named[tensor.node.module], places[tensor.node], tensor.place]

    def end(tensor: SymbolicTensor) -> list[Any]:
        name, place, output = history(tensor)
        return [name, place + _is_functional(tensor.node.module), output]

    def written(value: Any) -> Any:
        return map_nest(lambda one: _written(one, history), value, _WRITTEN)

    layers = []
    starts = {tensor.node for tensor in graph.input_tensors}
    for module, nodes in calls.items():
        arguments: dict[Node, Any] = {node: node.arguments for node in nodes}
        options: dict[Node, Any] = {node: node.options for node in nodes}
        if isinstance(module, Operation):
            entry, arguments[nodes[0]] = operation_config(nodes[0])
            entry["config"]["name"] = named[module]
            options[nodes[0]] = {}
        else:
            entry = entry_of(module)
        inbound = [
            {"args": list(written(arguments[node])), "kwargs": written(options[node])}
            for node in nodes
            if node not in starts or node.sources
        ]
        layers.append({**entry, "name": named[module], "inbound_nodes": inbound})
    return {
        "layers": layers,
        "input_layers": map_nest(end, graph.inputs, SymbolicTensor),
        "output_layers": map_nest(end, graph.outputs, SymbolicTensor),
    }


def _is_functional(module: Any) -> bool:
    """Return whether Keras counts the calls of a part from 1, where outputs are named."""
    return getattr(module, "is_functional", False)


_WRITTEN = (SymbolicTensor, Tensor, np.ndarray, np.generic, slice, type(Ellipsis))


def _written(one: Any, history: Callable[[SymbolicTensor], list[Any]]) -> Any:
    if isinstance(one, SymbolicTensor):
        config = {"shape": list(one.shape), "dtype": one.dtype, "keras_history": history(one)}
        return {"class_name": _TENSOR, "config": config}
    if isinstance(one, slice):
        config = {"start": one.start, "stop": one.stop, "step": one.step}
        return {"class_name": _SLICE, "config": config}
    if one is Ellipsis:
        return {"class_name": _ELLIPSIS, "config": {}}
    array = one.detach().cpu().numpy() if isinstance(one, Tensor) else np.asarray(one)
    config = {"value": array.tolist(), "dtype": array.dtype.name}
    return {"class_name": _ARRAY, "config": config}


def graph_from_entries(
    config: ConfigEntry, part_of: Callable[[ConfigEntry], tuple[nn.Module, dict[str, Any]]]
) -> tuple[Any, Any]:
    """Make the layers of a functional model, and call them as they were called.

    Args:
        config: The model's config, as Keras 3 or Keras 2 writes it.
        part_of: From how Keras writes a layer to the layer, and arguments of each of its calls.

    Returns:
        What stands for the inputs, and for the outputs.

    Raises:
        ValueError: If the config does not describe a graph of calls.
    """
    layers = {_name(entry): entry for entry in config["layers"]}
    if len(layers) < len(config["layers"]) or len(layers) > MOST_LAYERS:
        raise ValueError(
            f"its layers must have names of their own, and be {MOST_LAYERS} at most. Received: "
            f"{len(config['layers'])} layers, of {len(layers)} names."
        )
    parts = {name: part_of(entry) for name, entry in layers.items()}
    outputs: dict[tuple[str, int], list[SymbolicTensor]] = {
        (name, 0): [part.tensor]
        for name, (part, _) in parts.items()
        if isinstance(part, InputLayer)
    }
    waiting = [
        (name, place, node)
        for name, entry in layers.items()
        if not isinstance(parts[name][0], InputLayer)
        for place, node in enumerate(entry.get("inbound_nodes") or [])
    ]
    while waiting:
        left = []
        for name, place, node in waiting:
            # Calls of one layer are made in their order, by which others name them.
            is_next = place == 0 or (name, place - 1) in outputs
            if not is_next or any(source[:2] not in outputs for source in _sources(node)):
                left.append((name, place, node))
                continue
            module, options = parts[name]
            arguments, named = _arguments(node, outputs)
            result = _call(module, arguments, {**options, **named})
            outputs[name, place] = list(symbolic_tensors(result))
        if len(left) == len(waiting):
            name, _, node = left[0]
            sources = ", ".join(repr(source[0]) for source in _sources(node)) or "nothing"
            raise ValueError(f"the layer {name!r} is called on {sources}, which is never computed.")
        waiting = left
    ends = {
        (name, place + _is_functional(parts[name][0])): tensors
        for (name, place), tensors in outputs.items()
    }
    return _ends(config.get("input_layers"), ends), _ends(config.get("output_layers"), ends)


def _call(module: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if isinstance(module, Operation):
        return record(module, arguments, options)
    return module(*arguments, **options)


def _name(entry: ConfigEntry) -> str:
    name = entry.get("name", entry["config"].get("name"))
    if not isinstance(name, str):
        raise ValueError(f"each layer must have a name. Received: {entry!r:.200}")
    return name


def _is_history(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(one, int) and not isinstance(one, bool) for one in value[1:3])
    )


def _found(history: list[Any], outputs: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    tensors = outputs.get((history[0], history[1]), [])
    if not 0 <= history[2] < len(tensors):
        raise ValueError(f"there is no output {history[2]} of call {history[1]} of {history[0]!r}.")
    return tensors[history[2]]


def _ends(value: Any, outputs: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    """Return the tensors that a model begins or ends with."""
    if _is_history(value):
        return _found(value, outputs)
    if isinstance(value, dict):
        return {name: _ends(one, outputs) for name, one in value.items()}
    if not isinstance(value, list) or not value:
        raise ValueError(f"its inputs and outputs must be listed. Received: {value!r:.200}")
    ends = [_ends(one, outputs) for one in value]
    return ends[0] if len(ends) == 1 else ends


def _sources(node: Any) -> Iterator[tuple[str, int, int]]:
    """Return where the tensors that a call takes are from, however Keras wrote it."""
    if isinstance(node, dict) and "args" not in node:
        config = node.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if node.get("class_name") == _TENSOR and history is not None and _is_history(history):
            yield history[0], history[1], history[2]
            return
    if _is_history(node):
        yield node[0], node[1], node[2]
        node = node[3:]
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _sources(one)


def _arguments(
    node: Any, outputs: dict[tuple[str, int], list[SymbolicTensor]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(node, dict):
        arguments = tuple(_read(one, outputs) for one in node.get("args") or [])
        options = _read(node.get("kwargs") or {}, outputs)
        if options.get("training") is False:
            # Keras 3 writes it where nothing was given; where it was given, `fit` overrides it.
            del options["training"]
        return arguments, {key: one for key, one in options.items() if one is not None}
    # Keras 2 lists what is taken, each with the call's further arguments.
    calls = [node] if _is_history(node) else node
    tensors = [_found(call, outputs) for call in calls]
    options = calls[0][3] if len(calls[0]) > 3 and isinstance(calls[0][3], dict) else {}
    read = {key: _ends_or(one, outputs) for key, one in options.items() if one is not None}
    return (tensors[0] if len(tensors) == 1 else tensors,), read


def _ends_or(value: Any, outputs: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    if _is_history(value):
        return _found(value, outputs)
    return [_ends_or(one, outputs) for one in value] if isinstance(value, list) else value


def _read(value: Any, outputs: dict[tuple[str, int], list[SymbolicTensor]]) -> Any:
    if isinstance(value, list):
        return [_read(one, outputs) for one in value]
    if not isinstance(value, dict):
        return value
    config: dict[str, Any] = value["config"] if isinstance(value.get("config"), dict) else {}
    kind = value.get("class_name")
    if kind == _TENSOR and _is_history(config.get("keras_history")):
        return _found(config["keras_history"], outputs)
    if kind == _ARRAY:
        return np.array(config.get("value"), str(config.get("dtype")))
    if kind == "__tensor__":
        return np.array(config.get("value"), str(config.get("dtype", "float32")))
    if kind == _SLICE:
        return slice(config.get("start"), config.get("stop"), config.get("step"))
    if kind == _ELLIPSIS:
        return Ellipsis
    return {name: _read(one, outputs) for name, one in value.items()}
