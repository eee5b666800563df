from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from tests.conftest import BACKENDS, Backend

from feasible.constraints import RadialConstraint
from feasible.constraints.sets.radial import ring_indices

GOLDEN = json.loads(
    (Path(__file__).parent / "golden" / "radial-tfkeras-2.15.1.json").read_text("utf-8")
)["cases"]
# One of each library, for what has weights of its own shape: JAX compiles each shape anew.
LIBRARIES = ("numpy", "torch", "jax-jit", "array-api-strict")
each_library = pytest.mark.parametrize(
    "xp",
    [backend for backend in BACKENDS if backend.name in LIBRARIES],
    ids=lambda backend: backend.name,
)
MEANS = [RadialConstraint("mean"), RadialConstraint("mean", metric="euclidean")]


def call(xp: Backend, constraint: RadialConstraint, values: Any, dtype: str) -> np.ndarray:
    return xp.to_numpy(xp.call(constraint, xp.asarray(values, dtype)))


def picture(rows: list[str]) -> np.ndarray:
    """A kernel for one input and output channel, from rows of two digits each: row and column."""
    return np.array([row.split() for row in rows], float)[:, :, None, None]


def indices(size: int) -> np.ndarray:
    """The kernel of which each entry is its own two indices."""
    entries = [[f"{row}{column}" for column in range(size)] for row in range(size)]
    return picture([" ".join(row) for row in entries])


PICTURES = [
    (1, ["00"]),
    (2, ["00 00", "00 00"]),
    (3, ["22 22 22", "22 11 22", "22 22 22"]),
    (4, ["11 11 11 11", "11 33 33 11", "11 33 33 11", "11 11 11 11"]),
    (
        5,
        [
            "44 44 44 44 44",
            "44 33 33 33 44",
            "44 33 22 33 44",
            "44 33 33 33 44",
            "44 44 44 44 44",
        ],
    ),
    (
        6,
        [
            "22 22 22 22 22 22",
            "22 44 44 44 44 22",
            "22 44 55 55 44 22",
            "22 44 55 55 44 22",
            "22 44 44 44 44 22",
            "22 22 22 22 22 22",
        ],
    ),
]


@pytest.mark.parametrize(("size", "rows"), PICTURES)
def test_documented_pictures(size: int, rows: list[str]) -> None:
    once = RadialConstraint()(indices(size))
    assert np.array_equal(once, picture(rows))
    assert np.array_equal(RadialConstraint()(once), once)


def test_documented_picture_of_the_keras_page(xp: Backend) -> None:
    found = call(xp, RadialConstraint(), indices(4), "float32")
    assert np.array_equal(found, picture(dict(PICTURES)[4]))


def test_every_pair_of_channels_is_constrained_alone() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 4, 2, 3))
    w[..., 1, 2] = 7  # radial already, in a weight whose other kernels are not
    for rings in ("documented", "mean", "legacy"):
        found = RadialConstraint(rings)(w)
        for channels in np.ndindex(2, 3):
            alone = RadialConstraint(rings)(w[(..., *channels)][:, :, None, None])
            assert np.array_equal(found[(..., *channels)], alone[:, :, 0, 0])


@each_library
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"size-{case['size']}")
def test_legacy_is_that_of_tf_keras_bit_for_bit(xp: Backend, case: dict[str, Any]) -> None:
    kernel, expected = (
        np.array(case[name], np.float32).reshape(case["shape"]) for name in ("kernel", "result")
    )
    assert call(xp, RadialConstraint("legacy"), kernel, "float32").tobytes() == expected.tobytes()


@pytest.mark.parametrize(("size", "signed"), [(2, False), (4, False), (1, True), (3, True)])
def test_legacy_sign_of_zero_in_the_innermost_ring(size: int, signed: bool) -> None:
    # tf.keras adds zeros to the sample of an even kernel, and only of that.
    found = RadialConstraint("legacy")(np.full((size, size, 1, 1), -0.0))
    innermost = np.array(ring_indices(size, 2, "chebyshev")).reshape(size, size) == 0
    assert (np.signbit(found[innermost]) == signed).all()
    assert np.signbit(found[~innermost]).all()


def test_golden_covers_even_and_odd_sizes() -> None:
    assert {case["size"] for case in GOLDEN} >= {2, 3, 4, 5}


def least_squares(w: np.ndarray, rank: int, metric: str) -> np.ndarray:
    """The nearest radial kernels, from the distance of each pixel to the centre."""
    size = w.shape[0]
    places = np.arange(size) - (size - 1) / 2
    offsets = np.array(list(product(places, repeat=rank)))
    order = np.inf if metric == "chebyshev" else 2
    radii = np.linalg.norm(offsets, ord=order, axis=1).round(9)
    basis = (radii[:, None] == np.unique(radii)).astype(float)
    pixels = w.reshape(size**rank, -1)
    return (basis @ np.linalg.lstsq(basis, pixels)[0]).reshape(w.shape)


@pytest.mark.parametrize("constraint", MEANS, ids=repr)
@pytest.mark.parametrize(
    "shape", [(4, 2, 3), (5, 1, 2), (3, 3, 2, 3), (6, 6, 1, 2), (4, 4, 4, 1, 2), (3, 3, 3, 2, 1)]
)
def test_mean_is_the_nearest_radial_kernel(
    constraint: RadialConstraint, shape: tuple[int, ...]
) -> None:
    w = np.random.default_rng(len(shape)).normal(size=shape)
    expected = least_squares(w, len(shape) - 2, constraint.metric)
    np.testing.assert_allclose(constraint(w), expected, rtol=1e-12, atol=1e-14)
    for dtype, tolerance in (("float32", 1e-6), ("float16", 1e-3)):
        found = constraint(w.astype(dtype)).astype(np.float64)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_mean_on_every_backend(xp: Backend) -> None:
    w = np.random.default_rng(0).normal(size=(5, 5, 2, 3))
    for constraint in MEANS:
        expected = least_squares(w, 2, constraint.metric)
        found = call(xp, constraint, w, "float32")
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


KERNELS = st.builds(
    lambda size, rank, seeds: np.array(
        [np.random.default_rng(seed).normal(size=(size,) * rank + (1, 2)) for seed in seeds]
    ),
    st.integers(1, 6),
    st.integers(1, 3),
    st.tuples(st.integers(0, 999), st.integers(0, 999)),
)


@given(st.sampled_from(MEANS), KERNELS)
def test_mean_is_an_orthogonal_projection(constraint: RadialConstraint, pair: np.ndarray) -> None:
    one, other = pair
    radial_one, radial_other = constraint(one), constraint(other)
    assert abs(np.vdot(one - radial_one, radial_other)) < 1e-12 * one.size
    moved = np.linalg.norm(radial_one - radial_other)
    assert moved <= np.linalg.norm(one - other) * (1 + 1e-12)
    assert constraint(radial_one).tobytes() == radial_one.tobytes()


@each_library
@pytest.mark.parametrize("constraint", [*MEANS, RadialConstraint()], ids=repr)
@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_radial_kernels_stay_bit_for_bit(
    xp: Backend, constraint: RadialConstraint, size: int
) -> None:
    rings = ring_indices(size, 2, constraint.metric)
    # A third has no exact mean, -0.0 is equal to 0.0, and NaN to nothing.
    values = np.array([1 / 3, np.nan, -0.0, 1e30, 0.1, 0.7, 0.3])[rings]
    array = xp.asarray(np.stack([values, values / 7], axis=-1).reshape(size, size, 1, 2))
    found = xp.to_numpy(xp.call(constraint, array))
    assert found.tobytes() == xp.to_numpy(array).tobytes()


@each_library
@pytest.mark.parametrize("constraint", MEANS, ids=repr)
def test_nan_and_infinity_fill_their_ring_only(xp: Backend, constraint: RadialConstraint) -> None:
    values = np.arange(9.0).reshape(3, 3, 1, 1).repeat(3, axis=-1)
    values[0, 0, 0, 0], values[0, 0, 0, 1], values[1, 1, 0, 2] = np.nan, np.inf, np.nan
    for dtype in xp.dtypes:
        found = call(xp, constraint, values, dtype)[:, :, 0].reshape(9, 3).astype(np.float64)
        rings = np.array(ring_indices(3, 2, constraint.metric))
        outer = rings == rings.max()
        assert np.isnan(found[outer, 0]).all()
        assert np.isposinf(found[outer, 1]).all()
        assert np.isfinite(found[~outer, :2]).all()
        assert np.isnan(found[:, 2]).tolist() == (rings == 0).tolist()


def test_documented_moves_nan_and_never_hides_a_sampled_one() -> None:
    w = indices(4)
    w[3, 3] = np.nan
    expected = np.full((4, 4), 11.0)
    expected[1:3, 1:3] = np.nan
    assert np.array_equal(RadialConstraint()(w)[:, :, 0, 0], expected, equal_nan=True)


@each_library
def test_large_values_do_not_overflow(xp: Backend) -> None:
    values = np.full((3, 3, 1, 1), 3e38)
    values[0, 0] = 2.9e38
    found = call(xp, RadialConstraint("mean"), values, "float32")
    assert np.isfinite(found).all()
    if "float16" in xp.dtypes:
        found = call(xp, RadialConstraint("mean"), values * 2e-34, "float16")
        assert np.isfinite(found).all()


RINGS = [
    (1, 2, "chebyshev", [0]),
    (2, 2, "chebyshev", [0, 0, 0, 0]),
    (4, 1, "chebyshev", [1, 0, 0, 1]),
    (4, 1, "euclidean", [1, 0, 0, 1]),
    (2, 3, "euclidean", [0] * 8),
    (4, 2, "euclidean", [2, 1, 1, 2, 1, 0, 0, 1, 1, 0, 0, 1, 2, 1, 1, 2]),
    (4, 2, "chebyshev", [1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1]),
]


@pytest.mark.parametrize(("size", "rank", "metric", "rings"), RINGS)
def test_ring_indices(size: int, rank: int, metric: Any, rings: list[int]) -> None:
    assert ring_indices(size, rank, metric) == rings


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_documented_rings_of_any_rank(rank: int) -> None:
    w = np.arange(5.0**rank).reshape((5,) * rank + (1, 1))
    found = RadialConstraint()(w)[..., 0, 0]
    sample = w[..., 0, 0][(np.arange(5),) * rank]
    offsets = np.abs(np.indices((5,) * rank) - 2).max(axis=0)
    assert np.array_equal(found, sample[2 + offsets])


BAD_SHAPES = [
    ("documented", ()),
    ("documented", (3,)),
    ("documented", (3, 3)),
    ("documented", (3, 4, 1, 1)),
    ("mean", (3, 3, 4, 1, 1)),
    ("mean", (0, 0, 1, 1)),
    ("legacy", (3, 1, 1)),
    ("legacy", (3, 3, 3, 1, 1)),
]


@each_library
@pytest.mark.parametrize(("rings", "shape"), BAD_SHAPES)
def test_shapes_that_hold_no_kernels(xp: Backend, rings: Any, shape: tuple[int, ...]) -> None:
    constraint = RadialConstraint(rings)
    with pytest.raises(ValueError, match="equal spatial sizes") as caught:
        constraint(xp.asarray(np.ones(shape)))
    assert repr(constraint) in str(caught.value)
    assert f"of shape {shape!r}" in str(caught.value)
    with pytest.raises(ValueError, match="spatial sizes"):
        constraint.vectors(shape)


def test_weight_without_channels() -> None:
    for rings in ("documented", "mean", "legacy"):
        assert RadialConstraint(rings)(np.ones((3, 3, 0, 2))).shape == (3, 3, 0, 2)


@pytest.mark.parametrize("rings", ["documented", "mean", "legacy"])
def test_no_array(rings: Any) -> None:
    with pytest.raises(TypeError, match="expected an array"):
        RadialConstraint(rings)([[[[1.0]]]])


@each_library
def test_violations(xp: Backend) -> None:
    values = np.zeros((3, 3, 1, 4))
    values[..., 1] = 1 / 3
    values[0, 0, 0, 2] = 8.0
    values[0, 0, 0, 3] = np.nan
    for constraint in (RadialConstraint(), MEANS[0]):
        found = xp.to_numpy(constraint.violations(xp.asarray(values)))
        expected = np.linalg.norm([7, *[-1] * 7])
        np.testing.assert_allclose(found, [0, 0, expected, np.nan], rtol=1e-6)
        assert constraint.vectors(values.shape) == (4, 9)
    found = xp.to_numpy(MEANS[1].violations(xp.asarray(values[..., 2:3])))
    np.testing.assert_allclose(found, np.linalg.norm([6, -2, -2, -2]), rtol=1e-6)


@pytest.mark.parametrize("constraint", [*MEANS, RadialConstraint()], ids=repr)
def test_gradient(constraint: RadialConstraint) -> None:
    rng = np.random.default_rng(0)
    w, direction = rng.normal(size=(2, 3, 3, 1, 1))
    gradient = jax.grad(lambda one: (constraint(one) * direction).sum())(jnp.asarray(w, "float32"))
    if constraint.rings == "mean":  # which is symmetric
        np.testing.assert_allclose(gradient, constraint(direction), rtol=1e-5)
    else:
        expected = np.zeros((3, 3, 1, 1))
        expected[1, 1], expected[2, 2] = direction[1, 1], direction.sum() - direction[1, 1]
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)
