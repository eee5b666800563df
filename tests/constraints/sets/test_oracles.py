"""Each set of the catalogue beside an oracle of its own, in float64."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.isotonic import isotonic_regression

from feasible import (
    Blocks,
    Box,
    CappedSimplex,
    Constraint,
    FixedSum,
    HalfSpace,
    Hyperplane,
    L1Ball,
    Mask,
    MaxNorm,
    Monotone,
    NofM,
    NonNeg,
    NuclearNorm,
    Orthogonal,
    PositiveSemidefinite,
    Rank,
    Simplex,
    SpectralNorm,
    Sphere,
    Symmetric,
    TopK,
    UnitNorm,
)

Vector = np.ndarray


def bisected(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a decreasing function is zero."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def simplex(v: Vector, total: float = 1.0, upper: float = np.inf) -> Vector:
    far = abs(v).max() + upper if np.isfinite(upper) else abs(v).max() + total
    t = bisected(lambda t: np.clip(v - t, 0, upper).sum() - total, -far - total, far + total)
    return np.clip(v - t, 0, upper)


def l1_ball(v: Vector, radius: float = 1.0) -> Vector:
    return v if abs(v).sum() <= radius else np.sign(v) * simplex(abs(v), radius)


def sparsest(v: Vector, k: int) -> Vector:
    """The nearest vector with k entries, of all choices; of those as near, the first."""
    choices = combinations(range(len(v)), k)
    best = max(choices, key=lambda one: round(float((v[list(one)] ** 2).sum()), 12))
    return np.where(np.isin(np.arange(len(v)), best), v, 0)


def of_singular(function: Callable[[Vector], Vector]) -> Callable[[np.ndarray], np.ndarray]:
    def project(matrix: np.ndarray) -> np.ndarray:
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        return (left * function(values)) @ right

    return project


def positive(matrix: np.ndarray, least: float = 0.0) -> np.ndarray:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.maximum(values, least)) @ vectors.T


NORMAL = np.array([1.0, -2.0, 0.5, 3.0, 1.0, -1.0, 2.0])
VECTORS: list[tuple[Constraint, Callable[[Vector], Vector]]] = [
    (Simplex(1.5, axis=0), lambda v: simplex(v, 1.5)),
    (CappedSimplex(1.5, 0.6, axis=0), lambda v: simplex(v, 1.5, 0.6)),
    (L1Ball(1.5, axis=0), lambda v: l1_ball(v, 1.5)),
    (FixedSum(0.7, axis=0), lambda v: v - (v.sum() - 0.7) / len(v)),
    (
        Hyperplane(NORMAL[:, None], 0.7, axis=0),
        lambda v: v - NORMAL * (NORMAL @ v - 0.7) / (NORMAL @ NORMAL),
    ),
    (
        HalfSpace(NORMAL[:, None], -0.7, axis=0),
        lambda v: v - NORMAL * max(NORMAL @ v + 0.7, 0) / (NORMAL @ NORMAL),
    ),
    (Sphere(1.5, axis=0), lambda v: 1.5 * v / np.linalg.norm(v)),
    (Monotone(axis=0), isotonic_regression),
    (Monotone(increasing=False, axis=0), lambda v: isotonic_regression(v, increasing=False)),
    (TopK(3, axis=0), lambda v: sparsest(v, 3)),
    (NonNeg() & MaxNorm(1, axis=0), lambda v: ball(np.maximum(v, 0))),
    (Monotone(axis=0) & UnitNorm(axis=0), lambda v: unit(isotonic_regression(v))),
    (TopK(2, axis=0) & MaxNorm(1, axis=0), lambda v: ball(sparsest(v, 2))),
]
MATRICES: list[tuple[Constraint, Callable[[np.ndarray], np.ndarray]]] = [
    (SpectralNorm(1.2), of_singular(lambda s: np.minimum(s, 1.2))),
    (NuclearNorm(1.2), of_singular(lambda s: l1_ball(s, 1.2))),
    (Rank(2), of_singular(lambda s: np.where(np.arange(len(s)) < 2, s, 0))),
    (Orthogonal(), lambda m: scipy.linalg.polar(m)[0]),
]
SQUARE: list[tuple[Constraint, Callable[[np.ndarray], np.ndarray]]] = [
    (Symmetric(), lambda m: (m + m.T) / 2),
    (PositiveSemidefinite(), positive),
    (PositiveSemidefinite(0.3), lambda m: positive(m, 0.3)),
]


def names(cases: list[tuple[Constraint, Any]]) -> list[str]:
    return [repr(constraint)[:60] for constraint, _ in cases]


def unit(v: Vector) -> Vector:
    return v / np.linalg.norm(v)


def ball(v: Vector) -> Vector:
    return v / max(np.linalg.norm(v), 1)


def compare(constraint: Constraint, w: np.ndarray, expected: np.ndarray) -> None:
    """The projection in float64, and in float32 by each library."""
    size = max(abs(w).max(), abs(expected).max(), 1)
    np.testing.assert_allclose(constraint(w), expected, rtol=0, atol=2e-12 * size)
    narrow = w.astype(np.float32)
    for found in (
        constraint(narrow),
        constraint(torch.tensor(narrow)).numpy(),
        np.asarray(constraint(jnp.asarray(narrow))),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * size)


def weights(*shape: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    found = [scale * rng.normal(size=shape) for scale in (0.1, 1.0, 30.0)]
    return [*found, found[1] + 5.0, np.round(found[1])]


@pytest.mark.parametrize(("constraint", "oracle"), VECTORS, ids=names(VECTORS))
def test_vectors(constraint: Constraint, oracle: Callable[[Vector], Vector]) -> None:
    for w in weights(7, 5):
        compare(constraint, w, np.stack([oracle(v) for v in w.T], axis=1))


@pytest.mark.parametrize(("constraint", "oracle"), VECTORS, ids=names(VECTORS))
def test_vectors_along_other_axes(constraint: Constraint, oracle: Any) -> None:
    if isinstance(constraint, Hyperplane) or "&" in repr(constraint):
        return
    w = weights(2, 3, 4)[1]
    expected = np.stack([oracle(w[:, place].ravel()) for place in range(3)], axis=1)
    compare(constraint.along((0, 2)), w, expected.reshape(2, 4, 3).transpose(0, 2, 1))


@pytest.mark.parametrize(("constraint", "oracle"), MATRICES, ids=names(MATRICES))
@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (1, 4), (4, 1)])
def test_matrices(constraint: Any, oracle: Any, shape: tuple[int, int]) -> None:
    for w in weights(*shape)[:4]:
        compare(constraint, w, oracle(w))
    batched = constraint.replace(axis=1, batch=(0, 3))
    w = np.random.default_rng(1).normal(size=(2, *shape, 3))
    expected = [[oracle(w[i, :, :, j]) for j in range(3)] for i in range(2)]
    compare(batched, w, np.moveaxis(np.array(expected), 1, -1))


@pytest.mark.parametrize(("constraint", "oracle"), SQUARE, ids=names(SQUARE))
def test_square_matrices(constraint: Any, oracle: Any) -> None:
    for w in weights(5, 5):
        compare(constraint, w, oracle(w))
    w = np.random.default_rng(1).normal(size=(4, 2, 4))
    expected = np.stack([oracle(w[:, place]) for place in range(2)], axis=1)
    compare(constraint.replace(axes=(0, 2)), w, expected)


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 2), (0, 3), (3, 3)])
def test_groups_of_entries(n: int, m: int) -> None:
    w = np.random.default_rng(0).normal(size=(12, 3))
    groups = w.T.reshape(3, -1, m)
    expected = np.stack([np.stack([sparsest(one, n) for one in row]) for row in groups])
    compare(NofM(n, m, axis=0), w, expected.reshape(3, 12).T)


def test_of_equal_entries_the_first_are_kept() -> None:
    w = np.array([1.0, -2.0, 2.0, 2.0, -1.0, 1.0, 0.0, 1.0])
    for array in (w, torch.tensor(w), jnp.asarray(w, jnp.float32)):
        assert [*map(float, TopK(2)(array))] == [0, -2, 2, 0, 0, 0, 0, 0]
        assert [*map(float, NofM(1, 4)(array))] == [0, -2, 0, 0, -1, 0, 0, 0]


def test_a_zero_vector_has_a_place_on_a_sphere() -> None:
    w = np.zeros((3, 2))
    for array in (w, torch.tensor(w), jnp.asarray(w, jnp.float32)):
        assert np.asarray(Sphere(2, axis=0)(array)).tolist() == [[2, 2], [0, 0], [0, 0]]
        assert np.asarray(Sphere(2, axis=None)(array)).tolist() == [[2, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_what_lacks_of_a_rank_is_taken_from_the_identity(shape: tuple[int, int]) -> None:
    zero = np.zeros(shape)
    one = zero.copy()
    one[0, 1] = 3.0
    for array in (zero, torch.tensor(zero), jnp.asarray(zero, jnp.float32)):
        np.testing.assert_allclose(np.asarray(Orthogonal()(array)), np.eye(*shape), atol=1e-6)
    found = [Orthogonal()(one), Orthogonal()(torch.tensor(one)).numpy()]
    np.testing.assert_allclose(found[0], found[1], atol=1e-10)
    small = found[0].T @ found[0] if shape[0] >= shape[1] else found[0] @ found[0].T
    np.testing.assert_allclose(small, np.eye(min(shape)), atol=1e-12)
    assert found[0][0, 1] == pytest.approx(1)


def test_bounds_of_entries() -> None:
    low, high = np.linspace(-1, 0, 12).reshape(3, 4), np.array([0.0, 0.5, 1.0, 2.0])
    w = np.random.default_rng(0).normal(size=(3, 4))
    compare(Box(low, high), w, np.clip(w, low, high))
    mask = w > 0
    compare(Mask(mask), w, np.where(mask, w, 0))
    compare(Box(-0.5, 0.5) & Mask(mask), w, np.where(mask, np.clip(w, -0.5, 0.5), 0))
    compare(NonNeg() & Box(None, high), w, np.clip(w, 0, high))


def dykstra(w: np.ndarray, first: Any, second: Any) -> np.ndarray:
    here, one, other = w, np.zeros_like(w), np.zeros_like(w)
    for _ in range(100_000):
        between = first(here + one)
        one_next = here + one - between
        here = second(between + other)
        other_next = between + other - here
        moved = max(abs(one_next - one).max(), abs(other_next - other).max())
        one, other = one_next, other_next
        if moved < 1e-14:
            break
    return here


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Simplex(1, axis=0), Box(0, 0.3)),
        (L1Ball(1, axis=0), MaxNorm(0.6, axis=0)),
        (FixedSum(1, axis=0), MaxNorm(1, axis=0)),
        (PositiveSemidefinite(), Box(-0.5, 0.5)),
        (SpectralNorm(1), NonNeg()),
    ],
    ids=repr,
)
def test_two_convex_sets(first: Constraint, second: Constraint) -> None:
    for w in weights(6, 6)[1:2]:
        expected = dykstra(w, first, second)
        both = first & second
        compare(both, w, expected)
        assert not both.violations(both(w)).any()
        assert np.array_equal(both(both(w)), both(w))


def test_blocks_one_by_one() -> None:
    w = np.random.default_rng(0).normal(size=(6, 5, 2))
    for constraint in (UnitNorm(axis=0), SpectralNorm(0.5, axis=0, batch=2), Simplex(axis=(0, 1))):
        expected = np.concatenate([constraint(w[:2]), constraint(w[2:])])
        np.testing.assert_array_equal(Blocks(constraint, 0, (2, 4))(w), expected)


COMPLEX = [
    MaxNorm(1, axis=0),
    UnitNorm(axis=0),
    Sphere(2, axis=0),
    L1Ball(1, axis=0),
    TopK(2, axis=0),
    Mask([[True, False, True]]),
    SpectralNorm(0.5),
    NuclearNorm(0.5),
    Rank(1),
    Orthogonal(),
]


@pytest.mark.parametrize("constraint", COMPLEX, ids=repr)
def test_complex_numbers_count_by_their_modulus(constraint: Constraint) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
    found = constraint(w)
    assert found.dtype == np.complex128
    assert not constraint.violations(found).any()
    assert np.array_equal(constraint(found), found)
    # A turn of all numbers turns the result.
    np.testing.assert_allclose(constraint(w * 1j), found * 1j, atol=1e-12)
    # Real numbers are projected as such.
    np.testing.assert_allclose(constraint(w.real + 0j), constraint(w.real.copy()), atol=1e-12)
    for _ in range(20):
        other = constraint(w + rng.normal(size=w.shape) + 1j * rng.normal(size=w.shape))
        assert np.linalg.norm(found - w) <= np.linalg.norm(other - w) + 1e-9
    for array in (torch.tensor(w), jnp.asarray(w, jnp.complex64)):
        np.testing.assert_allclose(np.asarray(constraint(array)), found, atol=1e-5)


@pytest.mark.parametrize(
    "constraint",
    [Box(0, 1), NonNeg(), Simplex(), Monotone(), FixedSum(), CappedSimplex(), Symmetric()],
    ids=repr,
)
def test_sets_with_an_order_refuse_complex_numbers(constraint: Constraint) -> None:
    with pytest.raises(TypeError, match="the weight must be real"):
        constraint(np.ones((3, 3), complex))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("length", [64, 500])
def test_large_and_narrow(dtype: str, length: int) -> None:
    rng = np.random.default_rng(0)
    values = torch.tensor(rng.normal(size=(length, 8))).to(getattr(torch, dtype))
    square = torch.tensor(rng.normal(size=(64, 64))).to(getattr(torch, dtype))
    for constraint, w in [
        *((one, values) for one, _ in VECTORS if not isinstance(one, Hyperplane)),
        *((one, values) for one, _ in MATRICES),
        *((one, square) for one, _ in SQUARE),
    ]:
        once = constraint(w)
        assert torch.equal(constraint(once), once), constraint
        assert not constraint.violations(once).any(), constraint


def test_the_bound_of_a_spectral_norm_holds() -> None:
    for dtype in (np.float32, np.float64):
        w = np.random.default_rng(0).normal(size=(300, 200)).astype(dtype)
        found = SpectralNorm(1)(w).astype(np.float64)
        assert np.linalg.norm(found, 2) <= 1
        assert np.linalg.norm(found, 2) >= 1 - 1e-6
