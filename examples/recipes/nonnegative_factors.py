"""Non-negative matrix factorization by Adam: parts, because nothing can be taken away again.

Lee and Seung (Nature 401, 1999) factorize images into non-negative parts and non-negative amounts
of them. Their multiplicative updates are made for that one loss; with NonNeg on both factors any
optimizer does it, for any loss.

Factorizes sums of bars, four rows and four columns of a grid, with and without the constraint.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from feasible import NonNeg
from feasible.jax import apply_updates, check
from feasible.report import align_columns

SIZE, IMAGES = 4, 300
Params = dict[str, jax.Array]


def images(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return all bars, and images that are noisy sums of a few of them."""
    grid = jnp.eye(SIZE)
    rows = jnp.repeat(grid, SIZE, axis=1)
    bars = jnp.concatenate([rows, jnp.tile(grid, SIZE)])
    there, amount, noise = jax.random.split(key, 3)
    amounts = jax.random.bernoulli(there, 0.3, (IMAGES, len(bars))) * jax.random.uniform(
        amount, (IMAGES, len(bars)), minval=0.5, maxval=1.5
    )
    return bars, amounts @ bars + 0.05 * jax.random.normal(noise, (IMAGES, SIZE**2))


def factorize(x: jax.Array, parts: int, rules: dict[str, Any], key: jax.Array) -> Params:
    """Return two factors of a matrix."""
    first, second = jax.random.split(key)
    params = {
        "amounts": jax.random.uniform(first, (len(x), parts)),
        "parts": jax.random.uniform(second, (parts, x.shape[1])),
    }
    optimizer = optax.adam(0.03)

    def loss(params: Params) -> jax.Array:
        sparse = 0.01 * jnp.abs(params["amounts"]).mean()
        return jnp.square(params["amounts"] @ params["parts"] - x).mean() + sparse

    def step(_: int, carried: tuple[Params, Any]) -> tuple[Params, Any]:
        params, state = carried
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return apply_updates(params, updates, rules), state

    params, _ = jax.jit(lambda start: jax.lax.fori_loop(0, 2000, step, start))(
        (params, optimizer.init(params))
    )
    return params


def measure(constrained: bool) -> dict[str, float]:
    """Factorize the images, and compare the parts with the bars."""
    bars, x = images(jax.random.key(0))
    rules = {"amounts": NonNeg(), "parts": NonNeg()} if constrained else {}
    params = factorize(x, len(bars), rules, jax.random.key(1))
    check(rules, params).raise_if_violated()

    parts = params["parts"] / jnp.linalg.norm(params["parts"], axis=1, keepdims=True)
    similarities = jnp.abs(parts @ bars.T) / SIZE**0.5
    error = jnp.square(params["amounts"] @ params["parts"] - x).mean()
    return {
        "smallest entry": float(min(factor.min() for factor in params.values())),
        "bars found, of 8": int((similarities.max(axis=0) > 0.95).sum()),
        "nearest part to a bar": float(similarities.max(axis=0).mean()),
        "error": float(jnp.sqrt(error)),
    }


def main() -> None:
    """Print what was measured."""
    without, constrained = measure(False), measure(True)
    rows = [(name, f"{without[name]:.4g}", f"{constrained[name]:.4g}") for name in without]
    print(align_columns(("", "without", "with NonNeg"), rows))


if __name__ == "__main__":
    main()
