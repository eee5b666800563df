"""Projects weights that are sharded over processes, as `torch.distributed.tensor` shards them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard

from feasible.constraints import Constraint
from feasible.constraints.base import is_whole_call
from feasible.constraints.gate import projection_steps
from feasible.constraints.parts import Part, Place, Sums, added_together, run_together
from feasible.local_pieces import local_piece
from feasible.torch.applying import apply_alone, observers_of
from feasible.torch.bound_weights import Bound
from feasible.torch.storing import store
from feasible.torch.weights import is_sharded


class Piece(NamedTuple):
    """A process's part of a weight.

    Attributes:
        bound: The weight and its constraint.
        view: The part, in the layout in which the constraint counts axes.
        vectors: The shape of all vectors of the weight: 1 along the axes of a vector.
        place: Where the part is in the weight, as a set is told.
        slices: The same as slices.
        axes: The axes of a vector.
        length: How long a whole vector is.
        crosses: Whether its vectors go on in other processes.
        is_gathered: Whether the whole weight is needed to project it.
    """

    bound: Bound
    view: Tensor
    vectors: tuple[int, ...]
    place: Place
    slices: tuple[slice, ...]
    axes: tuple[int, ...]
    length: int
    crosses: bool
    is_gathered: bool

    @property
    def here(self) -> tuple[slice, ...]:
        """Which of all vectors are partly here."""
        return tuple(
            slice(0, 1) if axis in self.axes else along for axis, along in enumerate(self.slices)
        )


def project_sharded(bounds: Iterable[Bound]) -> None:
    """Project sharded weights, each process its own part.

    Where no vector crosses from one process to another, nothing is communicated. Sums over vectors
    that do are completed for all weights of a mesh together, by one all-reduce for each round of
    sums that a constraint asks for: norms ask for one. Functions of the whole weight, and sets that
    need whole vectors, have their weight gathered, one weight at a time.

    Args:
        bounds: The weights, which are of type `DTensor`, and their constraints, in the same order
            in every process.

    Raises:
        ValueError: If a constraint returns another shape, dtype or device.
    """
    crossing: dict[DeviceMesh, list[Piece]] = defaultdict(list)
    for bound in bounds:
        weight, constraint = _sharded(bound), bound.constraint
        kinds = {type(one) for one in weight.placements}
        if kinds == {Replicate}:
            apply_alone(bound, bound.layout.view(weight.to_local()))
        elif is_whole_call(constraint) or not kinds <= {Shard, Replicate}:
            _gather(bound, weight)
        else:
            piece = piece_of(bound, weight)
            if piece.is_gathered:
                _gather(bound, weight)
            elif piece.crosses:
                crossing[weight.device_mesh].append(piece)
                continue
            else:
                apply_alone(bound, piece.view, place=piece.place)
        store(bound.weight)
    for mesh, pieces in crossing.items():
        _project_together(mesh, pieces)
        for piece in pieces:
            store(piece.bound.weight)


def _sharded(bound: Bound) -> DTensor:
    tensor = bound.weight.tensor.detach()
    assert isinstance(tensor, DTensor)
    return tensor


def offsets_of(weight: DTensor) -> list[int]:
    """Return where on each axis what is in this process begins: axes are cut as `chunk` does.

    Args:
        weight: A sharded weight.

    Returns:
        An offset for each axis.
    """
    sizes, offsets = list(weight.shape), [0] * weight.ndim
    mesh = weight.device_mesh
    ranks = mesh.get_coordinate() or [0] * mesh.ndim
    for placement, count, rank in zip(weight.placements, mesh.shape, ranks, strict=True):
        if isinstance(placement, Shard):
            axis = placement.dim
            chunk = math.ceil(sizes[axis] / count)
            begins = min(rank * chunk, sizes[axis])
            offsets[axis] += begins
            sizes[axis] = min(chunk, sizes[axis] - begins)
    return offsets


def piece_of(bound: Bound, weight: DTensor) -> Piece:
    """Return what of a weight is in this process.

    Args:
        bound: The weight and its constraint.
        weight: The weight.

    Returns:
        The part.
    """
    constraint: Constraint = bound.constraint  # type: ignore[assignment]
    layout = bound.layout
    local = local_piece(layout, weight.shape, weight.to_local(), offsets_of(weight))
    axes, (_, length) = constraint.vector_axes(local.shape), constraint.vectors(local.shape)
    stored = {layout.placement(weight.shape).stored_axes[axis] for axis in axes}
    crosses = any(one.is_shard(axis) for axis in stored for one in weight.placements)
    vectors = [1 if axis in axes else size for axis, size in enumerate(local.shape)]
    for first, *others in local.joined:
        vectors[first] = math.prod(local.shape[axis] for axis in (first, *others))
        for axis in others:
            vectors[axis] = 1
    # Of what a piece cuts in the middle, only vectors that do not lie along it are to be found.
    is_cut = any(axis in axes for joined in local.joined for axis in joined)
    return Piece(
        bound,
        local.view,
        tuple(vectors),
        local if local.joined else local.slices,
        local.slices,
        axes,
        length,
        crosses,
        crosses and (is_cut or constraint.whole_blocks),
    )


def _project_together(mesh: DeviceMesh, pieces: Sequence[Piece]) -> None:
    """Project parts of weights in lockstep, each round of sums in one all-reduce."""
    seeings = [observers_of(piece.bound, piece.view) for piece in pieces]
    steps = [
        projection_steps(
            piece.bound.constraint,  # type: ignore[arg-type]
            Part(
                piece.view,
                piece.axes,
                type(piece.bound.constraint).__name__,
                length=piece.length,
                place=piece.place,
            ),
        )
        for piece in pieces
    ]
    found = run_together(steps, partial(added_up, mesh, pieces))
    for piece, projected, seeing in zip(pieces, found, seeings, strict=True):
        piece.view.copy_(projected)
        for see in seeing:
            see(piece.view)


def added_up(
    mesh: DeviceMesh,
    pieces: Sequence[Piece] | Mapping[int, Piece],
    sums: dict[int, Sums],
    *,
    whole: bool = False,
) -> dict[int, Sums]:
    """Add up the sums of all parts over the processes of a mesh.

    Args:
        mesh: The mesh.
        pieces: The parts that are here.
        sums: Their partial sums, by their places.
        whole: Whether to return those of all vectors, and not only those that are partly here.

    Returns:
        The totals.
    """
    wholes = []
    for index, several in sums.items():
        piece = pieces[index]
        counts = _counts(_sharded(piece.bound))
        for one in several:
            every = one.new_zeros(piece.vectors)
            if counts:
                every[piece.here] = one
            wholes.append(every.reshape(-1))
    total = torch.cat(wholes)
    for group in _groups(mesh):
        dist.all_reduce(total, group=group)
    totals = iter(torch.split(total, [len(every) for every in wholes]))
    return {
        index: tuple(
            next(totals).reshape(pieces[index].vectors)[... if whole else pieces[index].here]
            for _ in several
        )
        for index, several in sums.items()
    }


def _counts(weight: DTensor) -> bool:
    """Return whether this process's part counts: of several copies of a part, only the first."""
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
    apply_alone(bound, bound.layout.view(whole))
    take_own(weight, whole)


def take_own(sharded: DTensor, whole: Tensor) -> None:
    """Write a process's own part of a tensor that is whole in every process.

    Args:
        sharded: What is written to.
        whole: All of it.
    """
    everywhere = [Replicate()] * sharded.device_mesh.ndim
    held = DTensor.from_local(whole, sharded.device_mesh, everywhere, run_check=False)
    sharded.to_local().copy_(held.redistribute(placements=sharded.placements).to_local())


class JointPieces:
    """Parts of weights whose vectors go through all of them.

    Args:
        bounds: The weights, sharded or whole.

    Attributes:
        views: What of each is in this process.
        places: Where that is in it.
    """

    def __init__(self, bounds: Sequence[Bound]) -> None:
        self._pieces = [
            piece_of(bound, _sharded(bound)) if is_sharded(bound.weight.tensor) else None
            for bound in bounds
        ]
        pairs = list(zip(bounds, self._pieces, strict=True))
        self.views = [bound.view if piece is None else piece.view for bound, piece in pairs]
        self.places = [piece and piece.place for piece in self._pieces]

    def add(self, sums: dict[int, Sums]) -> dict[int, Sums]:
        """Add up sums over processes, and those of all weights.

        Args:
            sums: Partial sums, by the weights' places.

        Returns:
            The totals, in the shape that each has.
        """
        meshes: dict[DeviceMesh, dict[int, Piece]] = defaultdict(dict)
        for index in sums:
            piece = self._pieces[index]
            if piece is not None:
                meshes[_sharded(piece.bound).device_mesh][index] = piece
        totals = dict(sums)
        for mesh, pieces in meshes.items():
            some = {index: sums[index] for index in pieces}
            totals |= added_up(mesh, pieces, some, whole=True)
        together = added_together(totals)
        return {
            index: tuple(one[piece.here] for one in several)
            if (piece := self._pieces[index]) is not None
            else several
            for index, several in together.items()
        }
