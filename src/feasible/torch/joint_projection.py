"""Projects several weights as if they were one, such as by one norm over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.constraints.gate import projection_steps
from feasible.constraints.joint import joint_parts
from feasible.constraints.parts import added_together, run_together
from feasible.torch.applying import observers_of
from feasible.torch.bound_weights import Bound
from feasible.torch.storing import store
from feasible.torch.weights import is_sharded


def project_joint(bounds: Sequence[Bound]) -> None:
    """Project weights whose vectors go through all of them, in their own storage.

    Args:
        bounds: The weights, and the constraint of all.

    Raises:
        ValueError: If their vectors are not as many in each.
    """
    if any(is_sharded(bound.weight.tensor) for bound in bounds):
        from feasible.torch.sharding import JointPieces  # imports torch.distributed's

        pieces = JointPieces(bounds)
        views, places, add = pieces.views, pieces.places, pieces.add
    else:
        views, places, add = [bound.view for bound in bounds], [None] * len(bounds), added_together
    parts = joint_parts(bounds[0].rule, views, [_shape(bound) for bound in bounds])
    for part, place in zip(parts, places, strict=True):
        part.place = place
    seeings = [observers_of(bound, view) for bound, view in zip(bounds, views, strict=True)]
    steps = [projection_steps(bounds[0].rule, part) for part in parts]
    found = run_together(steps, add)
    for bound, view, projected, seeing in zip(bounds, views, found, seeings, strict=True):
        view.copy_(projected)
        store(bound.weight)
        for see in seeing:
            see(view)


def _shape(bound: Bound) -> tuple[int, ...]:
    shape: tuple[int, ...] = bound.layout.shape(bound.weight.tensor.shape)
    return shape
