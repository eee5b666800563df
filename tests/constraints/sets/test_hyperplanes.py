"""Hyperplanes and half-spaces, against their formulas for one vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.conftest import Backend
from tests.constraints.sets.definitions import (
    EXACT,
    NARROW,
    ROUNDED,
    axes_of,
    check_agrees,
    check_close,
    check_holds,
    check_no_complex,
    check_refused,
    check_round_trip,
    check_tangent,
    narrow_weights,
    weights,
)

from feasible.constraints import HalfSpace, Hyperplane

AXES = [(5,), 0], [(5, 3), "unit"], [(3, 4), None], [(4, 2, 3), (0, 2)], [(3, 2, 5), -1]


def moved(w: np.ndarray, normal: Any, offset: float, axis: Any, *, half: bool) -> np.ndarray:
    wide, axes = w.astype(np.longdouble), axes_of(axis, w.ndim)
    normal = np.broadcast_to(np.asarray(normal, np.longdouble), w.shape)
    excess = (normal * wide).sum(axes, keepdims=True) - offset
    excess = np.maximum(excess, 0) if half else excess
    return wide - normal * excess / np.square(normal).sum(axes, keepdims=True)


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("offset", [0, 2.5])
@pytest.mark.parametrize("kind", [Hyperplane, HalfSpace])
def test_vectors_are_moved_along_the_normal(
    kind: Any, shape: Any, axis: Any, offset: float
) -> None:
    # Numbers that are the same in float32.
    normal = np.round(np.random.default_rng(2).normal(size=shape) * 64) / 64
    set_ = kind(normal, offset, axis)
    for place, weight in enumerate(weights(shape)):
        check_agrees(
            set_,
            lambda w: moved(w, normal, offset, axis, half=kind is HalfSpace),
            weight,
            jax=place in (0, 3) and shape == (4, 2, 3) and offset > 0,
        )


def test_one_normal_may_be_of_all_vectors() -> None:
    normal = np.array([1.0, -2.0, 0.5])
    for weight in weights((4, 3)):
        found = Hyperplane(normal, 1.0, axis=-1)(weight)
        check_close(found, moved(weight, normal, 1.0, -1, half=False), EXACT)
        column = normal[:, None]
        found = HalfSpace(column, 1.0)(weight.T.astype(np.float32))
        narrow = weight.T.astype(np.float32).astype(float)
        check_close(found, moved(narrow, column, 1.0, 0, half=True), ROUNDED)


def test_a_normal_may_be_of_any_size() -> None:
    weight = weights((4, 3))[0]
    for size in (1e-200, 1e-30, 1e30, 1e200):
        for dtype in (np.float64, np.float32):
            found = Hyperplane(np.full(3, size), axis=-1)(weight.astype(dtype))
            assert np.abs(found.sum(-1)).max() < 1e-6
            found = HalfSpace([size, 0, 0], axis=-1)(weight.astype(dtype))
            expected = np.where([True, False, False], np.minimum(weight, 0), weight)
            assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_normals_of_vectors_may_be_of_very_different_sizes(dtype: Any) -> None:
    weight = weights((4, 3))[0].astype(dtype)
    sizes = np.array([[1e30], [1.0], [1e-20], [1e-30]])
    found = Hyperplane(sizes * [1.0, 2.0, 3.0], axis=-1)(weight)
    check_close(found, moved(weight.astype(float), [1.0, 2.0, 3.0], 0, -1, half=False), ROUNDED)


def test_violations_are_distances_and_what_is_measured_the_products() -> None:
    weight = np.array([[0.5, 3.0], [0.5, math.nan], [-3.0, -4.0]])
    plane, half = Hyperplane([3.0, 4.0], 1.0, axis=-1), HalfSpace([3.0, 4.0], 1.0, axis=-1)
    assert np.allclose(plane.violations(weight), [2.5, math.nan, 5.2], equal_nan=True)
    assert np.allclose(half.violations(weight), [2.5, math.nan, 0], equal_nan=True)
    for each in (plane, half):
        assert np.allclose(each.measured(weight), [13.5, math.nan, -25], equal_nan=True)


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("kind", [Hyperplane, HalfSpace])
def test_a_tangent_is_where_the_projection_goes(kind: Any, shape: Any, axis: Any) -> None:
    normal = np.random.default_rng(2).normal(size=shape)
    for weight in weights(shape)[:3]:
        for offset in (0, 0.5):
            check_tangent(kind(normal, offset, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("kind", [Hyperplane, HalfSpace])
def test_what_was_projected_is_feasible(kind: Any, dtype: Any) -> None:
    normal = np.random.default_rng(2).normal(size=(64, 1))
    for weight in narrow_weights((64, 8), dtype):
        check_holds(kind(normal, 0.3), weight)
        check_holds(kind(np.ones((64, 8)), axis="unit"), weight)
    for weight in narrow_weights((512,), dtype):
        check_holds(kind(np.linspace(-1, 1, 512), -1), weight)


@pytest.mark.parametrize("kind", [Hyperplane, HalfSpace])
def test_it_comes_back_from_json(kind: Any) -> None:
    check_round_trip(kind([1, 2, 3]))
    check_round_trip(kind(np.random.default_rng(0).normal(size=(4, 1, 3)), -0.1, axis=(0, 2)))


@pytest.mark.parametrize("kind", [Hyperplane, HalfSpace])
def test_what_cannot_be_used_is_refused(kind: Any) -> None:
    check_no_complex(kind(np.ones((3, 1))), (3, 2))
    check_refused(lambda: kind(np.zeros(3)), "normal", "[0., 0., 0.]")
    check_refused(lambda: kind([1.0, math.nan]), "normal", "nan")
    check_refused(lambda: kind([1.0, math.inf]), "normal", "inf")
    check_refused(lambda: kind([1j]), "normal", "1j")
    check_refused(lambda: kind([1.0], offset=math.nan), "offset", "nan")
    check_refused(lambda: kind([1.0, 0.0])(np.zeros((5, 2))), "normal", "zeros", "axis=0", "(5, 2)")
    check_refused(lambda: kind([1.0, 2.0])(np.zeros((5, 3))), "normal", "(2,)", "(5, 3)")


@pytest.mark.parametrize("kind", [Hyperplane, HalfSpace])
def test_normals_may_differ_in_size(xp: Backend, kind: Any) -> None:
    directions, sizes = np.array([[1.0, 2.0, -1.0]] * 3).T, np.array([1e-30, 1.0, 1e30])
    set_ = kind(directions * sizes)
    w = xp.asarray(np.array([[3.0, 1.0, 2.0]] * 3).T)
    expected = np.array([[2.5, 0.0, 2.5]] * 3).T
    np.testing.assert_allclose(xp.to_numpy(xp.call(set_, w)), expected, atol=1e-6)
    tangent = xp.to_numpy(set_.tangent(xp.asarray(expected), -w))
    np.testing.assert_allclose(-tangent, expected, atol=1e-6)
