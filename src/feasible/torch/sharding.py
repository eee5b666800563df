"""Projects weights that are sharded over processes, as `torch.distributed.tensor` shards them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from feasible.constraints import NormConstraint
from feasible.torch.applying import apply, observed
from feasible.torch.declarations import Bound


class _Part(NamedTuple):
    """A process's part of a weight whose vectors go on in other processes.

    Attributes:
        bound: The weight and its constraint.
        view: The part, in the layout in which the constraint counts axes.
        vectors: The shape of all vectors of the weight: 1 along the axes of a vector.
        place: Which of those vectors are partly here, after an axis of all their sums.
    """

    bound: Bound
    view: Tensor
    vectors: tuple[int, ...]
    place: tuple[slice, ...]


def project_sharded(bounds: Iterable[Bound]) -> None:
    """Project sharded weights, each process its own part.

    Where no vector crosses from one process to another, nothing is communicated. Norms that do are
    completed by one all-reduce for all weights of a mesh together, of one number a vector. Other
    vectors that do have their weight gathered, one weight at a time.

    Args:
        bounds: The weights, which are of type `DTensor`, and their constraints, in the same order
            in every process.

    Raises:
        ValueError: If a constraint returns another shape, dtype or device.
    """
    crossing: dict[DeviceMesh, list[_Part]] = defaultdict(list)
    for bound in bounds:
        weight = _sharded(bound)
        order, axes = _order(bound), _axes(bound)
        if not axes and bound.layout.part is None:
            apply(bound, weight.to_local())  # each entry alone, in whatever layout
        elif _is_whole_here(weight, order, axes):
            apply(bound, bound.layout.view(weight.to_local()))
        elif order is not None and isinstance(bound.constraint, NormConstraint):
            crossing[weight.device_mesh].append(_part(bound, weight, order, axes))
            continue
        else:
            _gather(bound, weight)
        bound.weight.write_back()
    for mesh, parts in crossing.items():
        _complete(mesh, parts)
        for part in parts:
            part.bound.weight.write_back()


def _is_whole_here(weight: DTensor, order: list[int] | None, axes: tuple[int, ...]) -> bool:
    """Say whether no vector goes on in another process."""
    split = [place for place in weight.placements if not isinstance(place, Replicate)]
    if not split or order is None:
        return not split
    along = {order[axis] for axis in axes}
    return not any(place.dim in along for place in split)  # type: ignore[attr-defined]


def _sharded(bound: Bound) -> DTensor:
    tensor = bound.weight.tensor.detach()
    assert isinstance(tensor, DTensor)
    return tensor


def _order(bound: Bound) -> list[int] | None:
    """Return which stored axis each axis of the view is, or None if it is no such permutation."""
    weight = _sharded(bound)
    plain = all(type(place) in (Shard, Replicate) for place in weight.placements)
    if bound.layout.part is not None or not plain:
        return None
    place = bound.layout.placement(weight.shape)
    return list(place.order) if place.is_permutation else None


def _axes(bound: Bound) -> tuple[int, ...]:
    """Return the axes of the view that one vector lies along; of a callable's, all."""
    shape = bound.layout.shape(bound.weight.tensor.shape)
    return bound.rule.vector_axes(shape)


def _part(bound: Bound, weight: DTensor, order: list[int], axes: tuple[int, ...]) -> _Part:
    _, offsets = compute_local_shape_and_global_offset(
        weight.shape, weight.device_mesh, weight.placements
    )
    view = bound.layout.view(weight.to_local())
    return _Part(
        bound,
        view,
        tuple(1 if axis in axes else weight.shape[stored] for axis, stored in enumerate(order)),
        (
            slice(None),
            *(
                slice(0, 1)
                if axis in axes
                else slice(offsets[stored], offsets[stored] + view.shape[axis])
                for axis, stored in enumerate(order)
            ),
        ),
    )


def _complete(mesh: DeviceMesh, parts: list[_Part]) -> None:
    """Sum up the squares of all parts in one all-reduce, and rescale each part by its norms."""
    sums = []
    for part in parts:
        constraint: NormConstraint = part.bound.constraint  # type: ignore[assignment]
        squares = constraint.squares(part.view)
        whole = squares.new_zeros((len(squares), *part.vectors))
        if _counts(_sharded(part.bound)):
            whole[part.place] = squares
        sums.append(whole.reshape(-1))
    total = torch.cat(sums)
    for group in _groups(mesh):
        dist.all_reduce(total, group=group)
    for part, whole in zip(parts, torch.split(total, [len(one) for one in sums]), strict=True):
        constraint = part.bound.constraint  # type: ignore[assignment]
        length = part.bound.weight.tensor.numel() // max(math.prod(part.vectors), 1)
        squares = whole.reshape(-1, *part.vectors)[part.place]
        seeings = observed(part.bound, part.view)
        part.view.copy_(constraint.rescaled(part.view, squares, length))
        for see in seeings:
            see(part.view)


def _counts(weight: DTensor) -> bool:
    """Say whether this process's part counts: of several copies of a part, only the first does."""
    coordinate = tuple(weight.device_mesh.get_coordinate() or ())
    return all(
        place == 0
        for place, placement in zip(coordinate, weight.placements, strict=True)
        if isinstance(placement, Replicate)
    )


def _groups(mesh: DeviceMesh) -> list[dist.ProcessGroup | None]:
    """Return the groups over which a sum reaches a whole mesh: one, wherever there is one."""
    if mesh.ndim == 1:
        return [mesh.get_group()]
    if mesh.size() == dist.get_world_size():
        return [None]
    return list(mesh.get_all_groups())


def _gather(bound: Bound, weight: DTensor) -> None:
    """Project the whole weight in every process, and keep the own part."""
    whole = weight.full_tensor()
    apply(bound, bound.layout.view(whole))
    everywhere = [Replicate()] * weight.device_mesh.ndim
    held = DTensor.from_local(whole, weight.device_mesh, everywhere, run_check=False)
    weight.to_local().copy_(held.redistribute(placements=weight.placements).to_local())
