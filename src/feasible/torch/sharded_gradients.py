"""Projects gradients of weights that are sharded over processes onto tangent cones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate

from feasible.constraints.gate import tangent_steps, tangent_whole
from feasible.constraints.parts import Part, run_together
from feasible.local_pieces import local_piece
from feasible.torch.bound_weights import Bound
from feasible.torch.sharding import Piece, added_up, offsets_of, piece_of, take_own


class _Graded(NamedTuple):
    """A process's part of a weight, and of its gradient."""

    piece: Piece
    gradient: Tensor


def project_sharded_gradients(bounds: Sequence[Bound]) -> None:
    """Project the gradients of sharded weights, each process its own part.

    What is communicated is as in `project_sharded`.

    Args:
        bounds: The weights, which are of type `DTensor`, in the same order in every process.
    """
    crossing: dict[DeviceMesh, list[_Graded]] = defaultdict(list)
    for bound in bounds:
        weight, gradient = _pair(bound)
        piece = piece_of(bound, weight)
        if {type(one) for one in weight.placements} == {Replicate}:
            _project_local(bound, weight.to_local(), gradient.to_local())
        elif piece.is_gathered:
            whole = gradient.full_tensor()
            _project_local(bound, weight.full_tensor(), whole)
            take_own(gradient, whole)
        else:
            local, offsets = gradient.to_local(), offsets_of(weight)
            view = local_piece(bound.layout, weight.shape, local, offsets).view
            graded = _Graded(piece, view)
            if piece.crosses:
                crossing[weight.device_mesh].append(graded)
            else:
                view.copy_(tangent_whole(bound.rule, _part(graded), view))
    for mesh, several in crossing.items():
        steps = [tangent_steps(one.piece.bound.rule, _part(one), one.gradient) for one in several]
        add = partial(added_up, mesh, [one.piece for one in several])
        for one, found in zip(several, run_together(steps, add), strict=True):
            one.gradient.copy_(found)


def _pair(bound: Bound) -> tuple[DTensor, DTensor]:
    """Return a weight and its gradient, sharded alike."""
    weight, gradient = bound.weight.tensor.detach(), bound.weight.trained[0].grad
    assert isinstance(weight, DTensor)
    assert isinstance(gradient, DTensor)
    if gradient.placements != weight.placements:
        gradient = gradient.redistribute(placements=weight.placements)
        bound.weight.trained[0].grad = gradient
    return weight, gradient


def _project_local(bound: Bound, weight: Tensor, gradient: Tensor) -> None:
    view, target = bound.layout.view(weight), bound.layout.view(gradient)
    part = Part(view, bound.rule.vector_axes(view.shape), type(bound.rule).__name__)
    target.copy_(tangent_whole(bound.rule, part, target))


def _part(graded: _Graded) -> Part:
    piece = graded.piece
    owner = type(piece.bound.rule).__name__
    return Part(piece.view, piece.axes, owner, length=piece.length, place=piece.place)
