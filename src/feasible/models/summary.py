"""A table of a model's layers, parameters and constraints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from feasible.constraints import Constraint
from feasible.constraints.function import name_of
from feasible.known_layouts import layouts_of
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape
from feasible.models.weight_views import count_params, is_built
from feasible.report import align_columns
from feasible.torch.bound_weights import Bound, constraints_of
from feasible.torch.declarations import declared_constraint


class Line(NamedTuple):
    """A layer, as a summary shows it.

    Attributes:
        name: Its name in the model.
        layer: The layer.
        shape: The sizes of its output, or None where they are not known.
    """

    name: str
    layer: nn.Module
    shape: Shape | None


def summary(title: str, model: nn.Module, lines: list[Line]) -> str:
    """Return a table of a model's layers, with each parameter's constraint below its layer.

    Args:
        title: What stands above it.
        model: The model.
        lines: Its layers.

    Returns:
        The table, and below it how many parameters there are.

    Example:
        >>> from feasible.layers import Dense
        >>> layer = Dense(2, kernel_constraint="max_norm")
        >>> _ = layer([[1.0, 2.0, 3.0]])
        >>> print(summary("One layer", layer, [Line("dense", layer, (None, 2))]))
        One layer
        Layer          Output shape  Parameters
        ───────────────────────────────────────
        dense (Dense)  (None, 2)              8
            kernel: MaxNorm(max_value=2, axis=0) · 2 vectors of 3
        ───────────────────────────────────────
        8 parameters: 8 trained, 0 not
    """
    rows = [
        (
            f"{name} ({type(layer).__name__})",
            "?" if shape is None else str(shape),
            _counted(layer).rjust(len("Parameters")),
        )
        for name, layer, shape in lines
    ]
    header, *body = align_columns(("Layer", "Output shape", "Parameters"), rows).splitlines()
    rule = "─" * max(map(len, [header, *body]))
    shown = [title, header, rule]
    for row, line in zip(body, lines, strict=True):
        shown.extend([row, *(f"    {constraint}" for constraint in _constraints(line.layer))])
    total, trained = count_params(model), count_params(model, trained=True)
    totals = f"{total:,} parameters: {trained:,} trained, {total - trained:,} not"
    return "\n".join([*shown, rule, totals])


def _counted(layer: nn.Module) -> str:
    return f"{count_params(layer):,}" if is_built(layer) else "not built"


def _constraints(layer: nn.Module) -> Iterator[str]:
    order = {name: place for place, (name, _) in enumerate(layer.named_parameters())}
    bounds = constraints_of(layer).values()
    yield from map(_described, sorted(bounds, key=lambda bound: order.get(bound.name, len(order))))
    for name, module in layer.named_modules():
        if isinstance(module, Layer) and not module.built:
            for layout in layouts_of(module):
                if (constraint := declared_constraint(module, layout)) is not None:
                    yield f"{name}.{layout.role}: {name_of(constraint)}".lstrip(".")


def _described(bound: Bound) -> str:
    path = bound.name.rpartition(".")[0]
    text = f"{path}.{bound.layout.role}: {name_of(bound.declared)}".lstrip(".")
    if not isinstance(bound.constraint, Constraint):
        return text
    vectors, length = bound.constraint.vectors(bound.view.shape)
    counted = f"{vectors:,} vectors of {length:,}" if length > 1 else f"{vectors:,} entries"
    return f"{text} · {counted}"
