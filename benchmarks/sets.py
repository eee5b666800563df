"""The catalogue of sets: projections and tangents relative to one pass over the weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from pyproximal.projection import BoxProj, EuclideanBallProj, L1BallProj, SimplexProj
from torch import Tensor

import feasible
from benchmarks.measuring import BRIEF, Figure, Subject, compared, written
from feasible import Constraint
from feasible.torch.fast import fast_gradient_plan
from feasible.torch.plans import plan_of

FLOOR = "w.mul_(1)"
SIZE = 512 if BRIEF else 4096
ROWS, COLUMNS = 1, 0


def cases() -> Iterator[tuple[str, Constraint, int]]:
    """Return each set with the axis, as stored, that its vectors lie along."""
    mask = np.random.default_rng(0).random((SIZE, SIZE)) > 0.5
    yield "Box", feasible.Box(-1, 1), ROWS
    yield "Mask", feasible.Mask(mask), ROWS
    for axis in (ROWS, COLUMNS):
        yield "FixedSum", feasible.FixedSum(1, axis=axis), axis
        yield "Sphere", feasible.Sphere(1, axis=axis), axis
        yield "MaxNorm", feasible.MaxNorm(1, axis=axis), axis
    yield "Simplex", feasible.Simplex(1, axis=ROWS), ROWS
    yield "L1Ball", feasible.L1Ball(1, axis=ROWS), ROWS
    yield "NofM(2, 4)", feasible.NofM(2, 4, axis=ROWS), ROWS


def by_sorting(weight: Tensor) -> None:
    """Project rows onto the simplex as it is written by hand."""
    ordered = weight.sort(dim=1, descending=True).values
    sums = ordered.cumsum(1) - 1
    places = torch.arange(1, weight.shape[1] + 1)
    count = (ordered * places > sums).sum(1, keepdim=True)
    lowest = sums.gather(1, count - 1) / count
    weight.copy_((weight - lowest).clamp_(min=0))


def sets() -> Iterator[Figure]:
    """Measure each set in place: from random weights, and one small step away from the set."""
    torch.manual_seed(0)
    weight, floor = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    values = torch.randn(SIZE, SIZE)
    for name, constraint, axis in cases():
        planned = plan_of(constraint, weight)
        assert planned is not None
        plan, stored = planned
        weight.copy_(values)
        plan.project([stored])
        near = weight + 1e-3 * weight.abs().mean() * torch.randn(SIZE, SIZE)
        over = "rows" if axis == ROWS else "columns"
        for state, start in (("cold", values), ("warm", near)):
            subjects = {
                FLOOR: Subject(lambda: floor.mul_(1)),
                "feasible": Subject(
                    lambda plan=plan, stored=stored: plan.project([stored]),  # type: ignore[misc]
                    lambda start=start: weight.copy_(start),  # type: ignore[misc]
                ),
            }
            if name == "Simplex":
                subjects["by sorting, in PyTorch"] = Subject(
                    lambda: by_sorting(weight),
                    lambda start=start: weight.copy_(start),  # type: ignore[misc]
                )
            yield from compared("sets", f"{name} {over}, {state}", FLOOR, subjects)
        yield from tangents(name, constraint, axis, weight)


def tangents(name: str, constraint: Constraint, axis: int, weight: Tensor) -> list[Figure]:
    """Measure how long gradients take, relative to the projection of a weight."""
    gradient, values = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    plan = fast_gradient_plan(constraint, weight, gradient, (axis,))
    planned = plan_of(constraint, weight)
    if plan is None or planned is None or not constraint.vector_axes(weight.shape):
        return []
    projection, stored = planned
    on_set = weight.clone()
    subjects = {
        "its projection": Subject(
            lambda: projection.project([stored]), lambda: weight.copy_(values)
        ),
        "feasible": Subject(lambda: plan.project([on_set], [gradient])),
    }
    over = "rows" if axis == ROWS else "columns"
    return compared("tangents", f"{name} {over}", "its projection", subjects)


def orthogonal() -> Iterator[Figure]:
    """Measure the polar factor of nearly orthogonal matrices, relative to an SVD."""
    size = 64 if BRIEF else 512
    torch.manual_seed(0)
    matrix = torch.linalg.qr(torch.randn(size, size))[0] + 1e-4 * torch.randn(size, size)

    def by_decomposition() -> Tensor:
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        return left @ right

    constraint = feasible.Orthogonal(axis=0)
    subjects = {
        "torch's SVD": Subject(by_decomposition),
        "feasible": Subject(lambda: constraint(matrix)),
    }
    yield from compared("sets", f"Orthogonal {size}x{size}, warm", "torch's SVD", subjects)


def in_jax() -> Iterator[Figure]:
    """Measure compiled projections of rows, relative to optax's under vmap."""
    w = jnp.asarray(np.random.default_rng(0).normal(size=(SIZE, SIZE)), jnp.float32)
    peers: dict[str, tuple[Constraint, Callable[..., jax.Array]]] = {
        "Simplex": (feasible.Simplex(1, axis=1), optax.projections.projection_simplex),
        "L1Ball": (feasible.L1Ball(1, axis=1), optax.projections.projection_l1_ball),
    }
    for name, (constraint, theirs) in peers.items():
        ours = jax.jit(constraint)
        other = jax.jit(jax.vmap(lambda row, theirs=theirs: theirs(row, 1.0)))
        subjects = {
            "optax under vmap": Subject(lambda other=other: other(w).block_until_ready()),  # type: ignore[misc]
            "feasible": Subject(lambda ours=ours: ours(w).block_until_ready()),  # type: ignore[misc]
        }
        yield from compared("sets in JAX", f"{name} rows", "optax under vmap", subjects)


def in_numpy() -> Iterator[Figure]:
    """Measure projections of rows in NumPy, beside pyproximal's, which take a row at a time."""
    shape = (16, 512) if BRIEF else (256, 4096)
    w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    peers: dict[str, tuple[Constraint, Callable[..., np.ndarray]]] = {
        "Simplex": (feasible.Simplex(1, axis=1), SimplexProj(shape[1], 1.0)),
        "L1Ball": (feasible.L1Ball(1, axis=1), L1BallProj(shape[1], 1.0)),
        "MaxNorm": (feasible.MaxNorm(1, axis=1), EuclideanBallProj(0.0, 1.0)),
        "Box": (feasible.Box(-1, 1), BoxProj(-1.0, 1.0)),
    }
    for name, (constraint, theirs) in peers.items():
        subjects = {
            "pyproximal": Subject(lambda theirs=theirs: np.stack([theirs(row) for row in w])),  # type: ignore[misc]
            "feasible": Subject(lambda constraint=constraint: constraint(w)),  # type: ignore[misc]
        }
        yield from compared("sets in NumPy", f"{name} rows", "pyproximal", subjects)


@torch.no_grad()
def figures() -> list[Figure]:
    """Measure everything here."""
    return [*sets(), *orthogonal(), *in_jax(), *in_numpy()]


if __name__ == "__main__":
    written(figures)
