"""A step of Adam in JAX, one jit, with projections and without."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import keras
import optax

import feasible
from benchmarks.measuring import BRIEF, Figure, Subject, compared, written
from feasible.jax import apply_updates, constrain_updates

LISTS = {"4096x4096": [(4096, 4096)], "200 of 128x64": [(128, 64)] * 200}
ALONE = "Adam alone"
Apply = Callable[[Any, Any], Any]


def step_of(shapes: list[tuple[int, int]], apply: Apply, *last: Any) -> Callable[[], object]:
    """Return one step, compiled as one program whose parameters and states are donated."""
    optimizer = optax.chain(optax.adam(1e-3), *last)
    gradients = [
        jax.random.normal(key, shape)
        for key, shape in zip(jax.random.split(jax.random.key(0), len(shapes)), shapes, strict=True)
    ]
    # Units of norms around the bound, of which about half go beyond it at each step.
    params = [gradient / gradient.shape[0] ** 0.5 for gradient in gradients]
    state = [params, optimizer.init(params)]

    def step(params: Any, optimizer_state: Any, gradients: Any) -> Any:
        updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
        return apply(params, updates), optimizer_state

    compiled = jax.jit(step, donate_argnums=(0, 1))

    def run() -> None:
        state[:] = compiled(*state, gradients)
        jax.block_until_ready(state)

    return run


def then(project: Callable[[Any], Any]) -> Apply:
    """Return what projects each parameter after it is updated."""
    return lambda params, updates: jax.tree.map(project, optax.apply_updates(params, updates))


def figures() -> Iterator[Figure]:
    """Measure both lists of weights."""
    max_norm, non_neg = feasible.MaxNorm(1.0, axis="unit"), feasible.NonNeg()
    applied = {
        "MaxNorm": lambda p, u: apply_updates(p, u, {"*": max_norm}),
        "MaxNorm over outputs": lambda p, u: apply_updates(p, u, {"*": feasible.MaxNorm(1.0, 1)}),
        "UnitNorm": lambda p, u: apply_updates(p, u, {"*": feasible.UnitNorm(axis="unit")}),
        "NonNeg": lambda p, u: apply_updates(p, u, {"*": non_neg}),
        "optax's l2_ball, no axis": then(optax.projections.projection_l2_ball),
        "optax's non_negative": then(optax.projections.projection_non_negative),
        "Keras's MaxNorm": then(lambda w: keras.constraints.MaxNorm(1.0, axis=0)(w)),
        "MaxNorm by hand": then(
            lambda w: w / jnp.maximum(jnp.linalg.norm(w, axis=0, keepdims=True), 1.0)
        ),
    }
    for name, shapes in LISTS.items():
        some = shapes[:3] if BRIEF and len(shapes) > 1 else shapes
        subjects = {ALONE: Subject(step_of(some, optax.apply_updates))}
        subjects |= {who: Subject(step_of(some, apply)) for who, apply in applied.items()}
        hidden = step_of(some, optax.apply_updates, constrain_updates({"*": max_norm}))
        subjects["MaxNorm as an update"] = Subject(hidden)
        yield from compared("Adam in JAX", name, ALONE, subjects, seconds=8)


if __name__ == "__main__":
    written(figures)
