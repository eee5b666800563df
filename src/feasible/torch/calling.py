"""Calls a constraint on a weight, and checks what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from feasible.constraints import Constraint
from feasible.constraints.function import name_of


def call(owner: str, constraint: Callable[[Any], Any], view: Tensor) -> Tensor:
    """Return what a constraint makes of a weight, if that can be put in its place.

    Args:
        owner: The weight's name, for messages.
        constraint: The constraint or any callable.
        view: The weight, in the layout in which the constraint counts axes; it stays as it is.

    Returns:
        A tensor of its shape, dtype and device.

    Raises:
        TypeError: If the constraint does not return a tensor.
        ValueError: If it returns one of another shape, dtype or device.

    Example:
        >>> call("dense.bias", torch.abs, torch.tensor([-1.0]))
        tensor([1.])
    """
    # A callable of the user's may write to what it is given; the weight changes only if it returns.
    projected = constraint(view if isinstance(constraint, Constraint) else view.clone())
    if not isinstance(projected, Tensor):
        in_place = projected is None and (
            " It is given a copy of the weight: return the tensor, also where it was changed in "
            "place."
        )
        raise TypeError(
            f"{owner}: the constraint {name_of(constraint)} must return a tensor of shape "
            f"{tuple(view.shape)} and dtype {view.dtype}. Received: {projected!r}.{in_place or ''}"
        )
    for what in ("shape", "dtype", "device"):
        received, wanted = getattr(projected, what), getattr(view, what)
        if received != wanted:
            raise ValueError(
                f"{owner}: the constraint {name_of(constraint)} must return a tensor of the "
                f"weight's {what}, {wanted}. Received: {received}."
            )
    return projected


@torch.no_grad()
def try_out(owner: str, constraint: Callable[[Any], Any], view: Tensor) -> None:
    """Raise if a constraint cannot be called on a weight, of which it is given a copy.

    Args:
        owner: The weight's name, for messages.
        constraint: The constraint or any callable.
        view: The weight, in the layout in which the constraint counts axes.

    Raises:
        TypeError: If the constraint does not return a tensor.
        ValueError: If it returns one of another shape, dtype or device.
        Exception: Whatever the constraint raises, with the weight's name added to it.
    """
    try:
        call(owner, constraint, view.clone())
    except Exception as error:
        if owner not in str(error):
            error.add_note(
                f"{owner}: raised by the constraint {name_of(constraint)}, which was tried on a "
                f"copy of shape {tuple(view.shape)} and dtype {view.dtype}."
            )
        raise
