"""Attributes of a layer that show one of its weights, such as `kernel`, or its constraint."""

from __future__ import annotations

from typing import Any

from torch import nn

from feasible import constraints
from feasible.torch.declarations import AnyConstraint, declare, declared_constraint
from feasible.torch.layouts import ParameterLayout, layouts_of


class WeightOf:
    """An attribute of a layer that shows one of its weights in Keras layout.

    Args:
        role: What the weight is to the layer, such as ``"kernel"``.
    """

    def __init__(self, role: str) -> None:
        self.role = role

    def __get__(self, layer: nn.Module | None, owner: type[nn.Module]) -> Any:
        if layer is None:
            return self
        layout = layout_of(layer, self.role)
        tensor = getattr(layer, layout.parameter)
        return None if tensor is None else layout.view(layer, tensor)


class ConstraintOf:
    """An attribute of a layer that is the constraint of one of its weights.

    What is assigned acts from the next optimizer step on.

    Args:
        role: What the weight is to the layer, such as ``"kernel"``.
    """

    def __init__(self, role: str) -> None:
        self.role = role

    def __get__(self, layer: nn.Module | None, owner: type[nn.Module]) -> Any:
        if layer is None:
            return self
        return declared_constraint(layer, layout_of(layer, self.role))

    def __set__(
        self, layer: nn.Module, constraint: AnyConstraint | str | dict[str, Any] | None
    ) -> None:
        declare(layer, layout_of(layer, self.role), constraints.get(constraint))


def layout_of(layer: nn.Module, role: str) -> ParameterLayout:
    """Return the layout of a layer's weight by its role.

    Args:
        layer: The layer.
        role: What the weight is to it, such as ``"kernel"``.

    Returns:
        The layout registered for it.
    """
    return next(layout for layout in layouts_of(layer) if layout.role == role)
