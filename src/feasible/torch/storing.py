"""Carries projected weights over to the parameters they are computed from, if they come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from feasible.backends import accumulation_dtype
from feasible.layouts import ParameterLayout
from feasible.torch.weights import Weight, is_sharded

# How many roundings of its dtype may lie between what is stored and what is read again, and which
# part of the weight that is at most.
_ROUNDINGS, _AT_MOST = 64, 2.0**-5


def store(weight: Weight) -> None:
    """Carry what was written to a weight's tensor over to the parameters behind it.

    Args:
        weight: The weight, projected.

    Raises:
        ValueError: If the module then computes another weight than this one; its parameters stay.
    """
    if weight.tensor is weight.trained[0]:
        return
    if weight.computed is not None and _is_same(weight.computed, weight.tensor):
        return
    with _restored(weight) as restore:
        _write(weight)
        comes_back = _is_close(_read(weight), weight.tensor)
        if comes_back:
            restore.clear()
    if not comes_back:
        raise ValueError(
            f"{_described(weight)} does not keep what is assigned to it: a projected weight was "
            "stored, and another one read again. Constrain the weight before it is parametrized, "
            "such as by feasible.torch.parametrization, remove the constraint or the "
            f"parametrization, or leave it out by a rule {{{weight.path!r}: None}}."
        )


@torch.no_grad()
def require_storable(
    weight: Weight, layout: ParameterLayout, constraint: Callable[[Any], Any]
) -> None:
    """Raise if a computed weight cannot be projected, because it would not come back.

    Args:
        weight: The weight; its parameters stay as they are.
        layout: In which layout the constraint is given its tensor, which is written to.
        constraint: The constraint, ``"unit"`` replaced.

    Raises:
        ValueError: If the module computes another weight than the projected one.
    """
    if weight.tensor is weight.trained[0] or is_sharded(weight.tensor) or weight.tensor.is_meta:
        return
    with _restored(weight):
        view = layout.view(weight.tensor.detach())
        view.copy_(constraint(view.clone()))
        store(weight)


def _write(weight: Weight) -> None:
    if parametrize.is_parametrized(weight.module, weight.name):
        setattr(weight.module, weight.name, weight.tensor.clone())
    else:
        weight.trained[0].copy_(weight.tensor)
        setattr(weight.module, weight.name, weight.tensor)


def _read(weight: Weight) -> Tensor:
    """Return the weight as the module computes it from its parameters."""
    if parametrize.is_parametrized(weight.module, weight.name):
        return getattr(weight.module, weight.name).detach()  # type: ignore[no-any-return]
    mask = weight.module._buffers[f"{weight.name}_mask"]
    assert mask is not None  # by which a pruned weight was known
    return weight.trained[0].detach() * mask


@contextmanager
def _restored(weight: Weight) -> Iterator[list[Callable[[], None]]]:
    """Put back what a weight is computed from, afterwards, unless what does so is cleared."""
    module, name = weight.module, weight.name
    restore: list[Callable[[], None]] = []
    if parametrize.is_parametrized(module, name):
        steps: nn.Module = module.parametrizations[name]  # type: ignore[index, assignment]
        for part in steps.modules():
            for held in (part._parameters, part._buffers):
                restore += [_putting_back(held, key, one) for key, one in held.items()]
    else:
        restore.append(_putting_back(module._parameters, f"{name}_orig", weight.trained[0]))
        restore.append(_putting_back(vars(module), name, vars(module).get(name)))
    try:
        yield restore
    finally:
        for put_back in restore:
            put_back()


def _putting_back(held: dict[str, Any], key: str, tensor: Any) -> Callable[[], None]:
    kept = tensor.detach().clone() if isinstance(tensor, Tensor) else None

    def put_back() -> None:
        held[key] = tensor
        if kept is not None:
            tensor.detach().copy_(kept)

    return put_back


def _is_same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(_here(one), _here(other))


def _is_close(found: Tensor, wanted: Tensor) -> bool:
    """Return whether two weights are the same within rounding, where they are finite."""
    found, wanted = _here(found), _here(wanted)
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return False
    finite = wanted.isfinite()
    dtype = accumulation_dtype(wanted)
    wide = torch.where(finite, wanted, 0.0).to(dtype)
    distance = torch.where(finite, found.to(dtype) - wide, 0.0)
    tolerance = min(_ROUNDINGS * torch.finfo(wanted.dtype).eps, _AT_MOST)
    # A NaN where there was a number is no rounding.
    return bool(torch.linalg.vector_norm(distance) <= tolerance * torch.linalg.vector_norm(wide))


def _here(tensor: Tensor) -> Tensor:
    """Return what of a tensor is in this process."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def _described(weight: Weight) -> str:
    """Return what to call a weight and what it is computed by."""
    module, name = weight.module, weight.name
    if not parametrize.is_parametrized(module, name):
        return f"{weight.path} is pruned, and"
    steps: nn.Module = module.parametrizations[name]  # type: ignore[index, assignment]
    kinds = " and ".join(type(step).__name__.lstrip("_") for step in steps.children())
    return f"{weight.path} is parametrized by {kinds}, which"
