"""The names of layers in a model."""

from __future__ import annotations

from torch import nn

from feasible.layers.symbolic import Operation
from feasible.registry import snake_case


def name_for(model: nn.Module, layer: nn.Module) -> str:
    """Return the name of a layer in a model, as Keras makes it: dense, dense_1, dense_2.

    A layer that was not given a name takes it, unless it has one from another model.

    Args:
        model: The model, with the layers that are in it already.
        layer: The layer.

    Returns:
        The name, which no other layer of the model has.

    Raises:
        ValueError: If the layer was given a name that is taken.
    """
    for name, child in model._modules.items():
        if child is layer:
            return name
    own = str(getattr(layer, "name", ""))
    if getattr(layer, "named", False):
        if own in model._modules or own in vars(model) or "." in own:
            raise ValueError(
                f"{model.name}: names of layers must be unique, without a dot, and none of the "
                f"model's own attributes. Received: {own!r}, where there are "
                f"{', '.join(model._modules) or 'none yet'}."
            )
        return own
    # What another model has named it stays, where it can.
    is_placed = bool(vars(layer).get("_is_placed"))
    if is_placed and not hasattr(model, own):
        return own
    base = name = own if isinstance(layer, Operation) else snake_case(type(layer).__name__)
    count = 0
    while hasattr(model, name):
        count += 1
        name = f"{base}_{count}"
    if hasattr(layer, "named") and not is_placed:
        layer.name = name  # type: ignore[assignment]
        object.__setattr__(layer, "_is_placed", True)
    return name
