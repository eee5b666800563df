"""Functions of `feasible.ops` in a model as Keras writes them into an archive, both ways."""

from __future__ import annotations

import inspect
from typing import Any

from feasible import ops
from feasible.layers.symbolic import Node, Operation, get_item
from feasible.registry import snake_case

# Where Keras has those that are not in its module for NumPy's functions.
_MODULES = {
    "core": ("cast", "stop_gradient"),
    "nn": [
        "elu",
        "gelu",
        "leaky_relu",
        "log_softmax",
        "normalize",
        "one_hot",
        "relu",
        "relu6",
        "sigmoid",
        "silu",
        "softmax",
        "softplus",
    ],
    "linalg": ("inv", "norm", "qr", "svd"),
    "math": ("erf", "logsumexp", "rsqrt"),
}
# The arguments that Keras takes when an operation is called; it is made with all others.
_CALLED_WITH = [
    "x",
    "x1",
    "x2",
    "xs",
    "a",
    "b",
    "condition",
    "indices",
    "inputs",
    "values",
    "key",
    "predicate",
    "updates",
    "y",
    "mask",
    "array",
    "arrays",
]
_PREFIX = "keras.src.ops."


def is_operation(entry: Any) -> bool:
    """Return whether a part of a model's config describes a function.

    Args:
        entry: The part.

    Returns:
        True if so.
    """
    return isinstance(entry, dict) and str(entry.get("module")).startswith(_PREFIX)


def operation_config(node: Node) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return a function as Keras writes it.

    Args:
        node: Its call.

    Returns:
        The module, the class's name, the arguments that it is made with; and those that it is
        called with.

    Raises:
        ValueError: If it is no function of `feasible.ops`.
    """
    function: Any = node.module.function
    name = function.__name__
    if function is not get_item and getattr(ops, name, None) is not function:
        raise ValueError(
            f"{node.module.name}: the function {name!r} is none of feasible.ops, and cannot be "
            "saved. Put it into a Layer of your own."
        )
    given = inspect.signature(node.module.function).bind(*node.arguments, **node.options).arguments
    room = next((room for room, names in _MODULES.items() if name in names), "numpy")
    kind = "".join(part.capitalize() for part in name.split("_"))
    config = {key: value for key, value in given.items() if key not in _CALLED_WITH}
    entry = {
        "module": f"{_PREFIX}{room}",
        "class_name": kind,
        "config": {"name": node.module.name, **_plain(config)},
        "registered_name": kind,
    }
    return entry, tuple(value for key, value in given.items() if key in _CALLED_WITH)


def operation_from_config(entry: dict[str, Any]) -> tuple[Operation, dict[str, Any]]:
    """Return the function that Keras, or we, wrote.

    Args:
        entry: What `operation_config` returned.

    Returns:
        The operation, and the arguments that it was made with.

    Raises:
        ValueError: If there is no such function.
    """
    name = snake_case(str(entry.get("class_name")))
    function: Any = get_item if name == "get_item" else None
    if name in ops.__all__:
        function = getattr(ops, name)
    if function is None:
        raise ValueError(f"the operation {entry.get('class_name')!r} is unknown here.")
    config = dict(entry.get("config") or {})
    own = config.pop("name", None)
    operation = Operation(function)
    operation.name = str(own or name)
    known = inspect.signature(function).parameters
    return operation, {key: value for key, value in config.items() if key in known}


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {key: list(one) if isinstance(one, tuple) else one for key, one in config.items()}
