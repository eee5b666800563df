"""Spheres, against division by the norm."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from tests.constraints.sets.definitions import (
    NARROW,
    check_agrees,
    check_holds,
    check_refused,
    check_round_trip,
    check_tangent,
    complex_weight,
    each_vector,
    narrow_weights,
    weights,
)

from feasible.constraints import Sphere

AXES = [(5,), 0], [(5, 3), "unit"], [(3, 4), None], [(4, 2, 3), (0, 2)], [(3, 2, 5), -1]


def of_norm(vector: np.ndarray, radius: float) -> np.ndarray:
    if not vector.any():
        return radius * np.eye(1, len(vector))[0]
    wide = vector.astype(np.clongdouble if np.iscomplexobj(vector) else np.longdouble)
    return wide * (radius / np.sqrt(np.square(np.abs(wide)).sum()))


@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("radius", [1, 2.5])
def test_vectors_are_scaled(shape: Any, axis: Any, radius: float) -> None:
    for place, weight in enumerate([*weights(shape), complex_weight(shape), 0j * np.ones(shape)]):
        check_agrees(
            Sphere(radius, axis),
            lambda w: each_vector(lambda v: of_norm(v, radius), w, axis),
            weight,
            jax=place in (0, 7) and shape == (4, 2, 3),
        )


def test_the_first_entry_of_a_zero_vector_becomes_the_radius() -> None:
    zeros = np.zeros((2, 3, 2), np.float32)
    expected = np.zeros((2, 3, 2))
    expected[0, 0, :] = 3
    for weight in (zeros, torch.tensor(zeros), jnp.asarray(zeros)):
        assert np.array_equal(np.asarray(Sphere(3, axis=(0, 1))(weight)), expected)
    radius = np.array([0.5, 2.0])
    assert np.array_equal(Sphere(radius, axis=(0, 1))(zeros)[0, 0], radius)


def test_a_radius_of_zero_makes_zeros() -> None:
    assert not Sphere(0)(weights((5, 3))[0]).any()
    assert not Sphere(0)(np.zeros((5, 3))).any()


def test_a_radius_may_be_of_each_vector() -> None:
    weight, radius = weights((5, 3))[0], np.array([0.5, 1.0, 100.0])
    found = Sphere(radius)(weight)
    expected = np.stack([of_norm(weight[:, one], radius[one]) for one in range(3)], axis=1)
    assert np.allclose(found, expected, rtol=1e-12)


def test_an_initial_radius_is_what_a_weight_had() -> None:
    weight = weights((5, 3))[0]
    declared = Sphere("initial", axis="unit").declared_for(weight)
    assert np.allclose(declared.radius, np.linalg.norm(weight, axis=0))
    assert np.array_equal(declared(weight), weight)
    assert np.allclose(declared(3 * weight), weight, rtol=1e-12)
    assert np.array_equal(Sphere("initial")(weight), weight)


@pytest.mark.parametrize("size", [1e-40, 1e-25, 1e25, 1e38])
def test_norms_of_any_size_come_out_right(size: float) -> None:
    weight = (weights((5, 3))[0] / 4 * size).astype(np.float32)
    expected = each_vector(lambda v: of_norm(v, 1), weight.astype(float))
    for found in (Sphere()(weight), Sphere()(torch.tensor(weight)).numpy()):
        assert np.allclose(found, expected, atol=1e-6)


def test_violations_are_distances_and_what_is_measured_the_norms() -> None:
    weight = np.array([[3.0, 0.6, 0.0, math.nan], [4.0, 0.8, 0.0, 1.0]])
    assert np.allclose(Sphere().violations(weight), [4, 0, 1, math.nan], equal_nan=True)
    assert np.allclose(Sphere().measured(weight), [5, 1, 0, math.nan], equal_nan=True)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_tangent_is_where_the_projection_goes(shape: Any, axis: Any) -> None:
    for weight in [*weights(shape)[:3], complex_weight(shape)]:
        check_tangent(Sphere(2, axis), weight)


@pytest.mark.parametrize("dtype", NARROW)
def test_what_was_projected_is_feasible(dtype: Any) -> None:
    for shape in ((64, 3), (512,)):
        for weight in [*narrow_weights(shape, dtype), np.zeros(shape, dtype)]:
            check_holds(Sphere(), weight)
            check_holds(Sphere(3.3, axis="unit"), weight)


def test_it_comes_back_from_json() -> None:
    check_round_trip(Sphere())
    check_round_trip(Sphere("initial", axis="unit"))
    check_round_trip(Sphere(np.array([[0.5], [2.0]]), axis=(1,)))


def test_what_cannot_be_used_is_refused() -> None:
    check_refused(lambda: Sphere(-1), "radius", "-1")
    check_refused(lambda: Sphere(math.nan), "radius", "nan")
    check_refused(lambda: Sphere([1.0, -2.0]), "radius", "-2.0")
    check_refused(lambda: Sphere("first"), "radius", "'first'")
    check_refused(lambda: Sphere([1.0, 2.0])(np.zeros((5, 3))), "radius", "(2,)", "(5, 3)")
    check_refused(lambda: Sphere(np.ones((5, 1)))(np.zeros((5, 3))), "radius", "(5, 1)", "(5, 3)")
    check_refused(lambda: Sphere(np.ones(3), axis=None)(np.zeros((5, 3))), "radius", "(3,)", "None")
    check_refused(lambda: Sphere("initial").declared_for(np.full(3, math.inf)), "initial")
