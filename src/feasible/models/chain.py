"""A model's config as one chain of layers, where it is one: Sequential or functional."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from feasible.models.layer_config import check_entry

FUNCTIONAL = ("Functional", "Model")
_MODELS = ("Sequential", *FUNCTIONAL)
_INPUT = "InputLayer"
_INSTEAD = (
    "Only one chain of layers becomes a Sequential. Build the model by your own code, and take its "
    "constraints from the file by feasible.keras.rules_from."
)

# Keras's largest models have a few hundred. Adding a layer takes longer the more there are.
_MOST_LAYERS = 2048

ConfigEntry = dict[str, Any]


def is_model(entry: Any) -> bool:
    """Return whether a part of a config describes a model, rather than a layer.

    Args:
        entry: The part.

    Returns:
        Whether it is a Sequential or a functional model.
    """
    return isinstance(entry, dict) and entry.get("class_name") in _MODELS


def chain(entry: Any) -> list[ConfigEntry]:
    """Return the layers of a model in the order in which they are called.

    Args:
        entry: The model, as Keras writes it.

    Returns:
        The layers' entries, that of the input first if there is one.

    Raises:
        ValueError: If it is not one chain, and it names the layer where it is not; or the chain is
            longer than any model's.
    """
    if isinstance(entry, dict) and isinstance(entry.get("config"), list):
        # Before Keras 2.2.3, the config was the list.
        entry = {**entry, "config": {"layers": entry["config"]}}
    check_entry(entry)
    layers = entry["config"].get("layers")
    if not is_model(entry) or not isinstance(layers, list):
        raise ValueError(
            f"the model is a {entry['class_name']}, and must be a Sequential, or a functional "
            f"model that is one chain, with its layers. {_INSTEAD}"
        )
    if len(layers) > _MOST_LAYERS:
        raise ValueError(f"it has {len(layers)} layers, more than the {_MOST_LAYERS} allowed.")
    for layer in layers:
        check_entry(layer)
    return _in_order(entry["config"]) if entry["class_name"] in FUNCTIONAL else layers


def _in_order(config: ConfigEntry) -> list[ConfigEntry]:
    layers = {_name(layer): layer for layer in config["layers"]}
    inputs = [name for name, layer in layers.items() if layer["class_name"] == _INPUT]
    if len(inputs) != 1 or len(layers) < len(config["layers"]):
        raise ValueError(f"the model has {len(inputs)} inputs ({', '.join(inputs)}). {_INSTEAD}")
    following: dict[str, str] = {}
    for name, layer in layers.items():
        if name == inputs[0]:
            continue
        source = _source(name, layer)
        if source in following:
            raise ValueError(
                f"the output of {source!r} goes to {following[source]!r} and to {name!r}. "
                f"{_INSTEAD}"
            )
        following[source] = name
    order = [inputs[0]]
    # Popped, so that a circle ends.
    while order[-1] in following:
        order.append(following.pop(order[-1]))
    outputs = [one for one in _strings(config.get("output_layers")) if one in layers]
    if len(order) < len(layers) or outputs != [order[-1]]:
        raise ValueError(
            f"the model's output is that of {', '.join(map(repr, outputs)) or 'no layer'}, and its "
            f"chain from {order[0]!r} ends at {order[-1]!r}. {_INSTEAD}"
        )
    return [layers[name] for name in order]


def _name(layer: ConfigEntry) -> str:
    name = layer.get("name", layer["config"].get("name"))
    if not isinstance(name, str):
        raise ValueError(f"each layer must have a name. Received: {layer!r:.200}")
    return name


def _source(name: str, layer: ConfigEntry) -> str:
    """Return the name of the layer whose output a layer is called on, if it is called on one."""
    nodes = layer.get("inbound_nodes")
    calls = nodes if isinstance(nodes, list) else []
    if len(calls) != 1:
        raise ValueError(f"the layer {name!r} is called {len(calls)} times. {_INSTEAD}")
    sources, options = _of_keras_2(calls[0]) if isinstance(calls[0], list) else _call(calls[0])
    given = {key: value for key, value in options.items() if value is not None}
    if len(sources) != 1 or given:
        inputs = ", ".join(map(repr, sources)) or "nothing"
        besides = f", with {given!r:.80}" if given else ""
        raise ValueError(f"the layer {name!r} is called on {inputs}{besides}. {_INSTEAD}")
    return sources[0]


def _call(node: Any) -> tuple[list[str], ConfigEntry]:
    """Return the sources of a call as Keras 3 writes it, and its other arguments."""
    node = node if isinstance(node, dict) else {}
    options = node.get("kwargs")
    options = dict(options) if isinstance(options, dict) else {}
    if options.get("training") is False:
        # Keras 3 writes it where nothing was given; where it was given, `fit` overrides it.
        del options["training"]
    sources = [history[0] for history in _histories(node.get("args"))]
    return [str(source) for source in sources], options


def _histories(value: Any) -> Iterator[list[Any]]:
    """Return what says where each tensor among a call's arguments is from."""
    if isinstance(value, dict):
        config = value.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if isinstance(history, list) and history:
            yield history
    elif isinstance(value, list):
        for one in value:
            yield from _histories(one)


def _of_keras_2(node: list[Any]) -> tuple[list[str], ConfigEntry]:
    """Return the sources of a call as Keras 2 writes it, and its other arguments."""
    # That of one input may stand without a list around it.
    calls = [node] if node and isinstance(node[0], str) else node
    calls = [call for call in calls if isinstance(call, list) and call]
    options = [call[3] for call in calls if len(call) > 3 and isinstance(call[3], dict)]
    return [str(call[0]) for call in calls], options[0] if options else {}


def _strings(value: Any) -> list[str]:
    """Return the names in what may be one history or a list of them."""
    if isinstance(value, list):
        return [name for one in value for name in _strings(one)]
    return [value] if isinstance(value, str) else []
