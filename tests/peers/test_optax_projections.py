"""optax.projections: the same result on whole weights, and the right one at the origin."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from feasible.constraints import MaxNorm, NonNeg, UnitNorm
from feasible.jax import project

WEIGHTS = [np.random.default_rng(0).normal(size=(3, 4)) * scale for scale in (0.1, 1, 100)]
PEERS = [
    (MaxNorm(2, axis=None), lambda w: optax.projections.projection_l2_ball(w, 2.0)),
    (UnitNorm(axis=None), lambda w: optax.projections.projection_l2_sphere(w, 1.0)),
    (NonNeg(), optax.projections.projection_non_negative),
]


@pytest.mark.parametrize(("constraint", "theirs"), PEERS, ids=["l2_ball", "l2_sphere", "non_neg"])
@pytest.mark.parametrize("values", WEIGHTS, ids=["small", "ordinary", "large"])
def test_equal_on_ordinary_weights(constraint, theirs, values: np.ndarray) -> None:
    w = jnp.asarray(values, "float32")
    np.testing.assert_allclose(constraint(w), theirs(w), rtol=2e-6)


@pytest.mark.parametrize(("constraint", "theirs"), PEERS, ids=["l2_ball", "l2_sphere", "non_neg"])
def test_a_tree_of_one_array_is_projected_as_theirs(constraint, theirs) -> None:
    for values in WEIGHTS:
        tree = {"dense": [jnp.asarray(values, "float32")]}
        found, expected = jax.jit(project)({"*": constraint}, tree), jax.jit(theirs)(tree)
        np.testing.assert_allclose(found["dense"][0], expected["dense"][0], rtol=2e-6)


def test_theirs_takes_all_arrays_for_one_vector_and_ours_each() -> None:
    tree = [jnp.asarray(values, "float32") for values in WEIGHTS]
    for mine, theirs in zip(project({"*": NonNeg()}, tree), PEERS[2][1](tree), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, alone in zip(project({"*": MaxNorm(2, axis=None)}, tree), tree, strict=True):
        np.testing.assert_allclose(mine, PEERS[0][1](alone), rtol=2e-6)
    assert optax.tree.norm(PEERS[0][1](tree)) == pytest.approx(2, rel=1e-5)


def test_zero_is_nan_on_the_sphere_of_optax() -> None:
    zeros = jnp.zeros(3)
    assert jnp.isnan(optax.projections.projection_l2_sphere(zeros, 1.0)).all()
    assert UnitNorm(axis=None)(zeros).tolist() == [0, 0, 0]


def test_the_ball_of_optax_does_not_keep_large_weights() -> None:
    w = jnp.full(4, 1e30)
    theirs = np.asarray(optax.projections.projection_l2_ball(w, 2.0))
    assert np.linalg.norm(theirs) != pytest.approx(2, rel=1e-3)
    assert np.linalg.norm(MaxNorm(2, axis=None)(w)) == pytest.approx(2, rel=1e-6)
