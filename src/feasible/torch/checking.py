"""Looks at a model's constrained parameters, and reports what it finds."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from feasible.report import Report, Row
from feasible.torch.binding import Bound, constraints_of


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
    bounds = constraints_of(model) if constraints is None else constraints
    parameters = dict(model.named_parameters())
    if missing := sorted(set(bounds) - set(parameters)):
        raise ValueError(
            f"`constraints` must name parameters of the model. Received: {missing}, where it has "
            f"{sorted(parameters)}."
        )
    return Report(
        tuple(
            Row.of(name, bound.constraint, bound._replace(parameter=parameters[name]).view)
            for name, bound in bounds.items()
        )
    )
