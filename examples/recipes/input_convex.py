"""An input-convex network, in Equinox: its graph lies below each of its chords.

Sums of convex functions with non-negative weights are convex, and so are increasing convex
functions of them. In an input-convex network (Amos, Xu, Kolter, ICML 2017) what goes from layer to
layer has non-negative weights, while each layer sees the input too, with any weights.

Trains the same network with and without the constraint on few noisy samples of a convex function,
and counts the pairs of points between which its graph rises above the chord.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.nn import softplus

from feasible import NonNeg
from feasible.jax import apply_updates, check, project
from feasible.report import align_columns

WIDTH = 32
RULES = {"inner/*/weight": NonNeg()}


class Convex(eqx.Module):
    """A network of three layers, each of which sees the input."""

    inner: list[eqx.nn.Linear]
    outer: list[eqx.nn.Linear]

    def __init__(self, key: jax.Array) -> None:
        keys = jax.random.split(key, 5)
        self.inner = [
            eqx.nn.Linear(WIDTH, out, use_bias=False, key=one)
            for out, one in zip((WIDTH, 1), keys[:2], strict=True)
        ]
        self.outer = [
            eqx.nn.Linear(2, out, key=one)
            for out, one in zip((WIDTH, WIDTH, 1), keys[2:], strict=True)
        ]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the value at one point."""
        z = softplus(self.outer[0](x))
        z = softplus(self.inner[0](z) + self.outer[1](x))
        return (self.inner[1](z) + self.outer[2](x))[0]


def truth(x: jax.Array) -> jax.Array:
    """A cone, beside a trough with a crease."""
    return jnp.linalg.norm(x, axis=-1) + jnp.abs(x[..., 0] - 0.3)


def trained(x: jax.Array, y: jax.Array, rules: dict[str, Any], key: jax.Array) -> Convex:
    """Return a network fitted to samples."""
    model = project(rules, Convex(key))
    optimizer = optax.adam(0.01)

    def loss(model: Convex) -> jax.Array:
        return jnp.square(jax.vmap(model)(x) - y).mean()

    def step(_: int, carried: tuple[Convex, Any]) -> tuple[Convex, Any]:
        model, state = carried
        updates, state = optimizer.update(jax.grad(loss)(model), state, model)
        return apply_updates(model, updates, rules), state

    model, _ = jax.jit(lambda start: jax.lax.fori_loop(0, 2000, step, start))(
        (model, optimizer.init(model))
    )
    return model


def measure(constrained: bool) -> dict[str, float]:
    """Train the network on noisy samples, and look at it between random points."""
    keys = jax.random.split(jax.random.key(0), 4)
    x = jax.random.uniform(keys[0], (60, 2), minval=-1, maxval=1)
    y = truth(x) + 0.25 * jax.random.normal(keys[1], (60,))
    rules = RULES if constrained else {}
    model = trained(x, y, rules, keys[2])
    check(rules, model).raise_if_violated()

    ends = jax.random.uniform(keys[3], (2, 10_000, 2), minval=-1, maxval=1)
    predict = jax.jit(jax.vmap(model))
    above = predict(ends.mean(axis=0)) - (predict(ends[0]) + predict(ends[1])) / 2
    error = jnp.square(predict(ends[0]) - truth(ends[0])).mean()
    return {
        "chords": len(above),
        "where it is above": int((above > 1e-5).sum()),
        "farthest above": max(0.0, float(above.max())),
        "error on the samples": float(jnp.sqrt(jnp.square(predict(x) - y).mean())),
        "error from the truth": float(jnp.sqrt(error)),
    }


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.5g}", f"{constrained[name]:.5g}") for name in without]
    print(align_columns(("", "without", "with NonNeg"), rows))


if __name__ == "__main__":
    main()
