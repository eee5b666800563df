"""A constraint inside the forward pass, with the gradient through the projection."""

from __future__ import annotations

from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError
from feasible.known_layouts import layouts_of
from feasible.layouts import ParameterLayout
from feasible.rules import AnyConstraint
from feasible.torch.bound_weights import prepare
from feasible.torch.weights import weight_of


class Projection(nn.Module):
    """What `parametrization` makes: from a stored weight to its projection, stored alike.

    Args:
        constraint: The constraint as it acts on the layout, ``"unit"`` replaced.
        *layouts: The layouts in which it counts axes, one for each part of the weight.
    """

    def __init__(self, constraint: AnyConstraint, *layouts: ParameterLayout) -> None:
        super().__init__()
        self.layouts = layouts
        self.constraint = constraint

    def forward(self, weight: Tensor) -> Tensor:
        """Return the projection of a weight.

        Args:
            weight: The weight as it is stored.

        Returns:
            A feasible weight, differentiable by the one given.
        """
        projected = weight.clone()
        for layout in self.layouts:
            layout.view(projected).copy_(self.constraint(layout.view(weight)))
        return projected

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return what to store for a weight that is assigned: the weight itself.

        Args:
            weight: The weight assigned.

        Returns:
            The same.
        """
        return weight

    def extra_repr(self) -> str:
        """Return the constraint.

        Returns:
            What is shown when the module is printed.
        """
        return repr(self.constraint)


def parametrization(
    constraint: AnyConstraint, module: nn.Module | None = None, name: str = "weight"
) -> Projection:
    """Make a parametrization that keeps a weight feasible inside the forward pass.

    The optimizer then trains an unconstrained weight, the module computes with its projection, and
    the gradient passes through the projection. That is another method than projecting after each
    step, and neither needs the other.

    Args:
        constraint: A constraint or any differentiable callable.
        module: The module whose weight it will be, from which the axes are counted in Keras layout
            and ``"unit"`` is known. Without it axes are counted as the weight is stored.
        name: The weight's name in the module.

    Returns:
        A module for `torch.nn.utils.parametrize.register_parametrization`.

    Raises:
        TypeError: If the constraint cannot be called.
        InvalidArgumentError: If the module has no such weight, or is needed and not given.
        ValueError: If the weight does not have the constraint's axes.

    Example:
        >>> import torch
        >>> from feasible import UnitNorm
        >>> from torch.nn.utils.parametrize import register_parametrization
        >>> linear = nn.Linear(3, 2)
        >>> step = parametrization(UnitNorm(axis="unit"), linear)
        >>> _ = register_parametrization(linear, "weight", step)
        >>> linear.weight.norm(dim=1).round(decimals=4).tolist()
        [1.0, 1.0]
    """
    layout = ParameterLayout(name, name)
    if module is None:
        if getattr(constraint, "in_units", False):
            raise InvalidArgumentError(
                "parametrization", "module", module, f"the module of the weight for {constraint!r}"
            )
        return Projection(constraint, layout)
    if weight_of(module, name) is None:
        raise InvalidArgumentError(
            "parametrization", "name", name, f"that of a weight of {type(module).__name__}"
        )
    rows = [row for row in layouts_of(module) if row.parameter == name] or [layout]
    declarations = [prepare(module, row, constraint, stored=False) for row in rows]
    return Projection(declarations[0].resolved or constraint, *rows)
