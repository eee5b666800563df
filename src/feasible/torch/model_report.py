"""Looks at a model's constrained parameters, and reports what it finds."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import nn

from feasible.constraints.base import is_whole_call
from feasible.layouts import ParameterLayout
from feasible.report import Report, Row, call_note
from feasible.torch.bound_weights import Bound, constraints_of
from feasible.torch.carrying import lost_declarations
from feasible.torch.declarations import Joint
from feasible.torch.stacking import stacked_groups
from feasible.torch.weights import is_sharded, whole


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
        _warn_of_averages(model)
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
    rows: dict[str, Row] = {}
    waiting = []
    alike: dict[_Kind, list[Bound]] = defaultdict(list)
    joint: dict[Joint, list[Bound]] = defaultdict(list)
    for bound in bounds:
        if bound.weight.tensor.device.type == "meta":
            waiting.append((bound.name, repr(bound.constraint)))
        elif bound.declaration is not None and bound.declaration.joint is not None:
            joint[bound.declaration.joint].append(bound)
        else:
            rows[bound.name] = None  # type: ignore[assignment]  # in this order
            alike[_Kind.of(bound)].append(bound)
    for kind, some in alike.items():
        for group in stacked_groups(some, math.prod(kind.stored)):
            for row in _rows(kind, group):
                rows[row.parameter] = row
    for several in joint.values():
        row = _joint_row(several)
        rows[row.parameter] = row
    return Report(tuple(rows.values()), (*waiting, *pending), tuple(notes), tuple(lost))


# Classes of other libraries that keep averaged copies, and where they keep them.
_AVERAGES = {
    "ema_pytorch.ema_pytorch.EMA": "ema_model",
    "timm.utils.model_ema.ModelEmaV2": "module",
    "timm.utils.model_ema.ModelEmaV3": "module",
}


def _warn_of_averages(model: nn.Module) -> None:
    """Warn of averaged copies, which no optimizer steps, and whose library calls no hook."""
    for module in model.modules():
        kind = type(module)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in _AVERAGES:
            warnings.warn(
                f"{kind.__name__} averages weights, and an average of feasible weights need not be "
                "feasible. No optimizer steps the copy, and nothing is called after its update: "
                f"call feasible.torch.project(ema.{_AVERAGES[name]}) after each.",
                stacklevel=3,
            )


class _Kind(NamedTuple):
    """What weights must share to be measured at once."""

    constraint: Hashable
    layout: ParameterLayout
    stored: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, bound: Bound) -> _Kind:
        tensor = bound.weight.tensor
        # Of a function, each has its own: it may hash as it likes.
        own = is_whole_call(bound.constraint) or is_sharded(tensor)
        constraint = id(bound) if own else bound.constraint
        return cls(constraint, bound.layout, tuple(tensor.shape), tensor.dtype, tensor.device)


def _joint_row(bounds: Sequence[Bound]) -> Row:
    """Report how far weights are from being feasible that are constrained together."""
    views = [bound.layout.view(whole(bound.weight.tensor)) for bound in bounds]
    return Row.joint([bound.name for bound in bounds], bounds[0].rule, views)


def _rows(kind: _Kind, bounds: Sequence[Bound]) -> list[Row]:
    """Report how far alike weights are from being feasible; a sharded one is gathered for it."""
    constraint, layout = bounds[0].constraint, bounds[0].layout
    views = [layout.view(whole(bound.weight.tensor)) for bound in bounds]
    counted = "in Keras layout" if layout.keras else "as stored"
    notes = (layout.note, call_note(constraint, views[0].shape, counted))
    names = [bound.name for bound in bounds]
    return Row.of_alike(names, constraint, views, kind.stored, "; ".join(filter(None, notes)))
