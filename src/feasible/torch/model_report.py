"""Looks at a model's constrained parameters, and reports what it finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

from feasible.report import Report, Row, call_note
from feasible.torch.bound_weights import Bound, constraints_of
from feasible.torch.carrying import lost_declarations
from feasible.torch.weights import whole


def check(model: nn.Module, constraints: Mapping[str, Bound] | None = None) -> Report:
    """Report how far each constrained parameter of a model is from being feasible.

    Args:
        model: The model.
        constraints: What `constraints_of` returned for a model of the same architecture, to
            measure this one by; None takes the constraints declared on the model itself.

    Returns:
        What was found, which prints as a table.

    Raises:
        ValueError: If the model lacks a parameter named in `constraints`.

    Example:
        >>> import torch
        >>> from feasible.layers import Dense
        >>> layer = Dense(2, kernel_constraint="unit_norm")
        >>> _ = layer(torch.ones(1, 3))
        >>> check(layer).ok
        False
    """
    if constraints is None:
        bounds = constraints_of(model).values()
        lost = [(name, repr(one.constraint)) for name, one in lost_declarations(model)]
        return model_report(bounds, lost=lost)
    weights = {name: tensor.detach() for name, tensor in model.named_parameters()}
    if missing := sorted(set(map(_parameter_of, constraints.values())) - set(weights)):
        raise ValueError(
            f"`constraints` must name parameters of the model. Received: {missing}, where it has "
            f"{sorted(weights)}."
        )
    return model_report(
        bound._replace(weight=bound.weight._replace(tensor=weights[_parameter_of(bound)]))
        for bound in constraints.values()
    )


def _parameter_of(bound: Bound) -> str:
    """Return the name in the model of the parameter that a weight is, or is a part of."""
    return bound.name.partition("[")[0]


def model_report(
    bounds: Iterable[Bound],
    pending: Iterable[tuple[str, str]] = (),
    notes: Iterable[str] = (),
    lost: Iterable[tuple[str, str]] = (),
) -> Report:
    """Report how far some weights are from being feasible.

    Args:
        bounds: The weights and their constraints. Those on the meta device have no values to look
            at, and are listed as pending.
        pending: The names and constraints of weights that do not exist yet.
        notes: What else is to be said.
        lost: The names and constraints of weights that are no longer there.

    Returns:
        What was found.
    """
    rows, waiting = [], []
    for bound in bounds:
        if bound.weight.tensor.device.type == "meta":
            waiting.append((bound.name, repr(bound.constraint)))
        else:
            rows.append(row_of(bound))
    return Report(tuple(rows), (*waiting, *pending), tuple(notes), tuple(lost))


def row_of(bound: Bound) -> Row:
    """Report how far one weight is from being feasible; a sharded one is gathered for it.

    Args:
        bound: The weight and its constraint.

    Returns:
        What was found.
    """
    tensor = whole(bound.weight.tensor)
    view = bound.layout.view(tensor)
    counted = "in Keras layout" if bound.layout.keras else "as stored"
    notes = (bound.layout.note, call_note(bound.constraint, view.shape, counted))
    note = "; ".join(filter(None, notes))
    return Row.of(bound.name, bound.constraint, view, tensor.shape, note)
