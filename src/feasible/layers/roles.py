"""Attributes of a layer that show one of its weights, such as `kernel`, or its constraint."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor, nn
from torch.compiler import is_compiling

from feasible import constraints
from feasible.known_layouts import layouts_of
from feasible.layouts import ParameterLayout
from feasible.rules import AnyConstraint
from feasible.torch.bound_weights import declare
from feasible.torch.declarations import declared_constraint


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
        if tensor is None:
            return None
        view: Tensor = layout.view(tensor)
        name = f"{self.role}_constraint"
        is_constrained = isinstance(getattr(owner, name, None), ConstraintOf)
        if is_constrained and view is not tensor and not is_compiling():
            # A view is gone when the statement is that assigns to its `constraint`.
            last = weakref.finalize(view, _take_over, vars(view), weakref.ref(layer), name)
            last.atexit = False
        return view


def _take_over(attributes: dict[str, Any], layer: weakref.ref[nn.Module], name: str) -> None:
    """Declare on a layer what was assigned to the constraint of its weight, as in Keras."""
    holder = layer()
    if holder is not None and "constraint" in attributes:
        setattr(holder, name, attributes["constraint"])


class ConstraintOf:
    """An attribute of a layer that is the constraint of one of its weights.

    What is assigned acts from the next optimizer step on.

    Args:
        role: What the weight is to the layer, such as ``"kernel"``.
        part: The attribute by which the layer holds the layer that has the weight, such as
            ``"cell"``; None if it has the weight itself.
    """

    def __init__(self, role: str, part: str | None = None) -> None:
        self.role = role
        self.part = part

    def owner(self, layer: nn.Module) -> nn.Module:
        """Return the layer that has the weight.

        Args:
            layer: The layer that has this attribute.

        Returns:
            The same, or the part of it.
        """
        return layer if self.part is None else getattr(layer, self.part)

    def __get__(self, layer: nn.Module | None, owner: type[nn.Module]) -> Any:
        if layer is None:
            return self
        module = self.owner(layer)
        return declared_constraint(module, layout_of(module, self.role))

    def __set__(
        self, layer: nn.Module, constraint: AnyConstraint | str | dict[str, Any] | None
    ) -> None:
        module = self.owner(layer)
        declare(module, layout_of(module, self.role), constraints.get(constraint))


class OfPart:
    """An attribute of a layer that is one of a part of it, under the same name.

    Args:
        part: The attribute by which the layer holds the part, such as ``"cell"``.
    """

    def __init__(self, part: str) -> None:
        self.part = part

    def __set_name__(self, owner: type[nn.Module], name: str) -> None:
        self.name = name

    def __get__(self, layer: nn.Module | None, owner: type[nn.Module]) -> Any:
        return self if layer is None else getattr(getattr(layer, self.part), self.name)

    def __set__(self, layer: nn.Module, value: Any) -> None:
        setattr(getattr(layer, self.part), self.name, value)


def layout_of(layer: nn.Module, role: str) -> ParameterLayout:
    """Return the layout of a layer's weight by its role.

    Args:
        layer: The layer.
        role: What the weight is to it, such as ``"kernel"``.

    Returns:
        The layout registered for it.
    """
    return next(layout for layout in layouts_of(layer) if layout.role == role)
