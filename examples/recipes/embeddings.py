"""Unit-norm embeddings: what is near is what is alike, and not what is popular.

Embeddings that are learned from what occurs together put popularity into their norms, so that the
largest dot products are those with popular items, whatever they are. On the unit sphere there are
angles only. In an embedding table, ``axis="unit"`` is a row: the vector of one item.

Learns from pairs of items, of which most are of one kind and some are just popular, with and
without the constraint, and looks for the items that are nearest to each.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from feasible import UnitNorm
from feasible.jax import apply_updates, check, project
from feasible.report import align_columns

ITEMS, KINDS, SIZE, PAIRS, NEAREST = 120, 12, 16, 6000, 5
RULES = {"items/embedding": UnitNorm(axis="unit")}
KIND = jnp.arange(ITEMS) % KINDS
Params = dict[str, Any]


def pairs(key: jax.Array) -> jax.Array:
    """Return pairs of items: the second is of the first's kind, or just popular."""
    popularity = -1.2 * jnp.log1p(jax.random.permutation(jax.random.key(7), ITEMS))
    which, near, far, mixed = jax.random.split(key, 4)
    first = jax.random.categorical(which, popularity, shape=(PAIRS,))
    alike = jnp.where(KIND[first][:, None] == KIND, popularity, -jnp.inf)
    second = jnp.where(
        jax.random.bernoulli(mixed, 0.5, (PAIRS,)),
        jax.random.categorical(near, alike),
        jax.random.categorical(far, popularity, shape=(PAIRS,)),
    )
    return jnp.stack([first, second], axis=1)


def learn(seen: jax.Array, rules: dict[str, Any], key: jax.Array) -> Params:
    """Return embeddings from which the second of a pair is predicted."""
    params = {"items": {"embedding": jax.random.normal(key, (ITEMS, SIZE)) / SIZE**0.5}}
    params = project(rules, {**params, "sharpness": jnp.array(3.0)})
    optimizer = optax.adam(0.02)

    def loss(params: Params) -> jax.Array:
        table = params["items"]["embedding"]
        logits = params["sharpness"] * table @ table.T
        return optax.softmax_cross_entropy_with_integer_labels(
            logits[seen[:, 0]], seen[:, 1]
        ).mean()

    def step(_: int, carried: tuple[Params, Any]) -> tuple[Params, Any]:
        params, state = carried
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return apply_updates(params, updates, rules), state

    params, _ = jax.jit(lambda start: jax.lax.fori_loop(0, 150, step, start))(
        (params, optimizer.init(params))
    )
    return params


def measure(constrained: bool) -> dict[str, float]:
    """Learn the embeddings, and look for the nearest of each item."""
    rules = RULES if constrained else {}
    params = learn(pairs(jax.random.key(0)), rules, jax.random.key(1))
    check(rules, params).raise_if_violated()

    table = params["items"]["embedding"]
    norms = jnp.linalg.norm(table, axis=1)
    _, nearest = jax.lax.top_k(table @ table.T - 1e9 * jnp.eye(ITEMS), NEAREST)
    return {
        "shortest vector": float(norms.min()),
        "longest vector": float(norms.max()),
        "of the nearest, of one kind": float((KIND[nearest] == KIND[:, None]).mean()),
        "most often among the nearest": int(jnp.bincount(nearest.ravel()).max()),
        "items never among them": ITEMS - len(jnp.unique(nearest)),
    }


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.4g}", f"{constrained[name]:.4g}") for name in without]
    print(align_columns(("", "without", "with UnitNorm"), rows))


if __name__ == "__main__":
    main()
