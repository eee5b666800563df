"""Loops for sets of vectors, beside what NumPy makes of the definitions in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from feasible import Box, Constraint, FixedSum, L1Ball, Mask, MaxNorm, NofM, Simplex, Sphere
from feasible.constraints.precision import precision
from feasible.torch.fast import fast_gradient_plan
from feasible.torch.fast.set_plans import SetPlan
from feasible.torch.fast.spheres import SpherePlan
from feasible.torch.plans import plan_of

Vector = NDArray[np.float64]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
# Vectors that are rows of memory, columns of it, and the whole of it.
AXES = pytest.mark.parametrize("axes", [(1,), (0,), (0, 1)], ids=str)
# Shorter and longer than a block of columns or of a row, odd, of one entry, and of one vector.
SHAPES = [(1, 1), (1, 70), (3, 8), (20, 36), (2, 4100)]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def onto_simplex(v: Vector, total: float) -> Vector:
    """By sorting: Held, Wolfe, Crowder 1974."""
    ordered = np.sort(v)[::-1]
    sums = np.cumsum(ordered) - total
    places = np.arange(1, len(v) + 1)
    count = np.max(np.flatnonzero(ordered * places > sums), initial=0) + 1
    return np.maximum(v - sums[count - 1] / count, 0.0)


def onto_l1_ball(v: Vector, radius: float) -> Vector:
    if np.abs(v).sum() <= radius:
        return v
    return np.copysign(onto_simplex(np.abs(v), radius), v)


def onto_sum(v: Vector, total: float) -> Vector:
    return v - (v.sum() - total) / len(v)


def onto_sphere(v: Vector, radius: float) -> Vector:
    norm = np.linalg.norm(v)
    return v * (radius / norm) if norm > 0 else radius * np.eye(1, len(v))[0]


def root(excess: Callable[[float], float], low: float, high: float) -> float:
    """The root of a function that falls, by halving."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def tangent_of_simplex(v: Vector, g: Vector, held: NDArray[np.bool_]) -> Vector:
    d = -g
    limit = np.abs(d).max() + 1
    by = root(lambda t: np.where(held, d - t, np.maximum(d - t, 0)).sum(), -limit, limit)
    return -np.where(held, d - by, np.maximum(d - by, 0))


def tangent_of_l1_ball(v: Vector, g: Vector, held: NDArray[np.bool_], is_at_bound: bool) -> Vector:
    d, outward = -g, np.where(held, -np.sign(v) * g, np.abs(g))

    def excess(by: float) -> float:
        return float(np.where(held, outward - by, np.maximum(outward - by, 0)).sum())

    if not is_at_bound or excess(0.0) <= 0:
        return g
    by = root(excess, 0.0, np.abs(d).max() + 1)
    free = np.copysign(np.maximum(np.abs(d) - by, 0), d)
    return -np.where(held, d - by * np.sign(v), free)


def tangent_of_sphere(v: Vector, g: Vector) -> Vector:
    return g - v * (v @ g) / (v @ v)


def bits(weight: torch.Tensor) -> torch.Tensor:
    return weight.view(torch.int16 if weight.dtype == torch.bfloat16 else torch.int32)


def vectors(weight: torch.Tensor, axes: tuple[int, ...]) -> Vector:
    """The vectors of a matrix, as rows."""
    wide: Vector = weight.double().numpy()
    if axes == (0, 1):
        return wide.reshape(1, -1)
    return wide if axes == (1,) else wide.T


def rounding(dtype: torch.dtype) -> float:
    return precision("", torch.empty(0, dtype=dtype)).slack


def shapes(axes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Few vectors each, of which the oracles go over one after the other."""
    return [shape[::-1] if axes == (0,) else shape for shape in SHAPES]


def weights(dtype: torch.dtype, shapes: list[tuple[int, int]]) -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for shape in shapes:
        values = torch.randn(shape, generator=generator)
        yield values.to(dtype)
        yield (1e-3 * values + 0.01).to(dtype)
        yield (1e3 + values).to(dtype)
        yield (values.round() / 4).to(dtype)
        yield (values.abs() * 1e18).to(dtype)
        yield (values * 1e-25).to(dtype)


def project(constraint: Constraint, weight: torch.Tensor, kind: type = SetPlan) -> torch.Tensor:
    projected = weight.clone()
    planned = plan_of(constraint, projected)
    assert planned is not None
    plan, stored = planned
    assert isinstance(plan, kind)
    plan.project([stored])
    return projected


def check_vectors(
    constraint: Constraint,
    oracle: Callable[[Vector], Vector],
    weight: torch.Tensor,
    axes: tuple[int, ...],
    kind: type = SetPlan,
) -> None:
    """Each vector is where the oracle says, within rounding; and then it stays, bit for bit."""
    once = project(constraint, weight, kind)
    slack = rounding(weight.dtype)
    for before, found in zip(vectors(weight, axes), vectors(once, axes), strict=True):
        expected = oracle(before)
        # Each entry is rounded as it is stored; a vector that is near enough stays.
        within = 2 * slack * (np.linalg.norm(expected) + np.linalg.norm(before - expected) * 1e-7)
        assert np.linalg.norm(found - expected) <= within, (before, found, expected)
    assert torch.equal(bits(project(constraint, once, kind)), bits(once))
    assert not constraint.violations(once).any()
    # What the class itself does with it, too.
    assert torch.equal(bits(constraint(once)), bits(once))


@DTYPES
@AXES
@pytest.mark.parametrize("total", [1.0, 50.0, 1e-3])
def test_simplex(total: float, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    for weight in weights(dtype, shapes(axes)):
        constraint = Simplex(total, axis=axes)
        check_vectors(constraint, lambda v: onto_simplex(v, total), weight, axes)
        found = project(constraint, weight)
        assert not (torch.signbit(found) & (bits(found) != bits(weight))).any()


@DTYPES
@AXES
@pytest.mark.parametrize("radius", [1.0, 50.0, 1e-3])
def test_l1_ball(radius: float, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    for weight in weights(dtype, shapes(axes)):
        constraint = L1Ball(radius, axis=axes)
        check_vectors(constraint, lambda v: onto_l1_ball(v, radius), weight, axes)
        assert torch.equal(torch.signbit(project(constraint, weight)), torch.signbit(weight))


@DTYPES
@AXES
@pytest.mark.parametrize("total", [0.0, 3.0])
def test_fixed_sum(total: float, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    for weight in weights(dtype, shapes(axes)):
        constraint = FixedSum(total, axis=axes)
        once = project(constraint, weight)
        assert torch.equal(bits(project(constraint, once)), bits(once))
        assert not constraint.violations(once).any()
        for v, found in zip(vectors(weight, axes), vectors(once, axes), strict=True):
            expected = onto_sum(v, total)
            within = rounding(dtype) * (np.linalg.norm(expected) + np.linalg.norm(v))
            assert np.linalg.norm(found - expected) <= within


@DTYPES
@AXES
def test_sphere(axes: tuple[int, ...], dtype: torch.dtype) -> None:
    for weight in weights(dtype, shapes(axes)):
        weight[0], weight[:, 0] = 0.0, 0.0
        constraint = Sphere(2.0, axis=axes)
        check_vectors(constraint, lambda v: onto_sphere(v, 2.0), weight, axes, SpherePlan)


@DTYPES
@AXES
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (0, 4), (4, 4), (1, 2), (3, 8)])
def test_n_of_m(n: int, m: int, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    for weight in weights(dtype, [(8, 24), (4, 4096), (4096, 4)]):
        if weight.shape[axes[0]] % m:
            continue
        weight[0, 0], weight[0, 1] = -0.0, 0.0
        constraint = NofM(n, m, axis=axes)
        found = project(constraint, weight)
        groups = vectors(weight, axes).reshape(-1, m)
        order = np.argsort(-np.abs(groups), axis=1, kind="stable")
        kept = np.argsort(order, axis=1) < n
        expected = np.where(kept, groups, 0.0)
        assert np.array_equal(vectors(found, axes).reshape(-1, m), expected)
        assert torch.equal(bits(found), bits(constraint(weight)))
        assert torch.equal(bits(project(constraint, found)), bits(found))


@DTYPES
def test_entries(dtype: torch.dtype) -> None:
    for weight in weights(dtype, [(20, 36), (3, 5000)]):
        weight[0, 0], weight[0, 1], weight[1, 1] = -0.0, float("nan"), float("-inf")
        for box in (Box(-0.3, 0.7), Box(0.0), Box(upper=0.1)):
            found, expected = project(box, weight), box(weight)
            assert torch.equal(bits(found), bits(expected))
            low = -np.inf if box.lower is None else float(torch.tensor(box.lower).to(dtype))
            high = np.inf if box.upper is None else float(torch.tensor(box.upper).to(dtype))
            clipped = np.clip(weight.double().numpy(), low, high)
            assert np.array_equal(found.double().numpy(), clipped, equal_nan=True)
        mask = np.random.default_rng(0).random(weight.shape) < 0.5
        mask[0, :2], mask[1, 1] = False, False
        found = project(Mask(mask), weight)
        assert torch.equal(bits(found), bits(Mask(mask)(weight)))
        stays = torch.from_numpy(mask) | weight.isnan() | (weight == 0)
        assert torch.equal(bits(found), bits(torch.where(stays, weight, torch.zeros_like(weight))))


@DTYPES
@AXES
@pytest.mark.parametrize("scale", [1e-1, 1e-3, 1e-5, 1e-7])
def test_one_step_away(scale: float, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    start = torch.randn((24, 600), generator=generator).to(dtype)
    step = scale * torch.randn((24, 600), generator=generator)
    for constraint, oracle in (
        (Simplex(1, axis=axes), lambda v: onto_simplex(v, 1.0)),
        (Simplex(100, axis=axes), lambda v: onto_simplex(v, 100.0)),
        (L1Ball(20, axis=axes), lambda v: onto_l1_ball(v, 20.0)),
    ):
        weight = (project(constraint, start).float() + step).to(dtype)
        check_vectors(constraint, oracle, weight, axes)
        check_vectors(constraint, oracle, (weight.float() + 3 * scale).to(dtype), axes)


@DTYPES
@AXES
def test_what_is_not_finite_stays(axes: tuple[int, ...], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(2)
    for unknown in (float("nan"), float("inf"), float("-inf")):
        weight = torch.randn((40, 40), generator=generator).to(dtype)
        weight[3, 5], weight[7, 5], weight[3, 8] = unknown, -unknown, -0.0
        marked = torch.zeros((40, 40), dtype=torch.bool)
        marked[3, 5] = marked[7, 5] = True
        stays = marked.any(axes[0], keepdim=True) if len(axes) == 1 else marked.any()
        stays = stays.expand(40, 40)
        for constraint in (
            Simplex(1, axis=axes),
            L1Ball(1, axis=axes),
            FixedSum(1, axis=axes),
            NofM(2, 4, axis=axes),
        ):
            found = project(constraint, weight)
            assert torch.equal(bits(found)[stays], bits(weight)[stays])
            assert found[~stays].isfinite().all()
            assert len(axes) == 2 or not torch.equal(found[~stays], weight[~stays])


@DTYPES
def test_a_long_vector(dtype: torch.dtype) -> None:
    # Sums of so many alike in float32, one by one, would be off by far more than rounding.
    length = 1 << 20
    for constraint in (Simplex(1, axis=None), L1Ball(1, axis=None), FixedSum(1, axis=None)):
        even = torch.full((length,), 1 / length, dtype=dtype)
        assert torch.equal(project(constraint, even), even)
        found = project(constraint, (3 * even.float()).to(dtype))
        torch.testing.assert_close(found, even, rtol=2 * rounding(dtype), atol=0.0)


@DTYPES
@AXES
def test_little_is_left_of_much(axes: tuple[int, ...], dtype: torch.dtype) -> None:
    for size in (1e10, 1e18):
        weight = torch.full((6, 40), size).to(dtype)
        count = 240 if len(axes) == 2 else weight.shape[axes[0]]
        expected = torch.full_like(weight, 1e-3 / count)
        for constraint in (
            FixedSum(1e-3, axis=axes),
            Simplex(1e-3, axis=axes),
            L1Ball(1e-3, axis=axes),
        ):
            found = project(constraint, weight)
            torch.testing.assert_close(found, expected, rtol=2 * rounding(dtype), atol=0.0)
            assert torch.equal(bits(project(constraint, found)), bits(found))


def gradient_after(
    constraint: Constraint, weight: torch.Tensor, gradient: torch.Tensor, axes: tuple[int, ...]
) -> torch.Tensor:
    plan = fast_gradient_plan(constraint, weight, gradient, axes)
    assert plan is not None
    found = gradient.clone()
    before = weight.clone()
    plan.project([weight], [found])
    assert torch.equal(bits(weight), bits(before))
    return found


@DTYPES
@AXES
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_tangents(offset: float, axes: tuple[int, ...], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    slack = 4 * rounding(dtype)
    for shape in shapes(axes)[1:]:
        start = torch.randn(shape, generator=generator).to(dtype)
        gradient = (torch.randn(shape, generator=generator) + offset).to(dtype)

        def held(v: Vector, size: float) -> NDArray[np.bool_]:
            return np.abs(v) > slack * size / len(v)

        def is_long(size: Any) -> bool:
            return bool(size >= 2 * (1 - slack))

        for constraint, oracle in (
            (FixedSum(2, axis=axes), lambda v, g: g - g.mean()),
            (Sphere(2, axis=axes), tangent_of_sphere),
            (
                MaxNorm(2, axis=axes),
                lambda v, g: (
                    tangent_of_sphere(v, g) if is_long(np.linalg.norm(v)) and v @ g < 0 else g
                ),
            ),
            (Simplex(2, axis=axes), lambda v, g: tangent_of_simplex(v, g, held(v, 2))),
            (
                L1Ball(2, axis=axes),
                lambda v, g: tangent_of_l1_ball(v, g, held(v, 2), is_long(np.abs(v).sum())),
            ),
        ):
            weight = constraint(start)
            found = gradient_after(constraint, weight, gradient, axes)
            every = (vectors(one, axes) for one in (weight, gradient, found))
            for v, g, after in zip(*every, strict=True):
                expected = oracle(v, g)
                within = rounding(dtype) * (np.linalg.norm(expected) + 1e-6 * np.linalg.norm(g))
                assert np.linalg.norm(after - expected) <= 1.01 * within + 1e-30, constraint


@AXES
@pytest.mark.parametrize("radius", [1e-30, 1e30])
def test_tangents_of_any_magnitude(radius: float, axes: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(5)
    for shape in shapes(axes)[1:]:
        weight = Sphere(radius, axis=axes)(torch.randn(shape, generator=generator))
        gradient = torch.randn(shape, generator=generator) / radius**0.5
        found = gradient_after(Sphere(radius, axis=axes), weight, gradient, axes)
        every = (vectors(one, axes) for one in (weight, gradient, found))
        for v, g, after in zip(*every, strict=True):
            within = rounding(torch.float32) * np.linalg.norm(g)
            assert np.linalg.norm(after - tangent_of_sphere(v, g)) <= within


@DTYPES
def test_gradients_that_are_not_finite_stay(dtype: torch.dtype) -> None:
    weight = torch.rand((2, 40), dtype=torch.float32).to(dtype)
    for unknown in (float("nan"), float("inf")):
        gradient = torch.randn(2, 40).to(dtype)
        gradient[0, 7] = unknown
        for constraint in (Simplex(1, axis=1), L1Ball(1, axis=1), Sphere(1, axis=1)):
            found = gradient_after(constraint, constraint(weight), gradient, (1,))
            assert torch.equal(bits(found)[0], bits(gradient)[0])
            assert found[1].isfinite().all()


@AXES
def test_threads_do_the_same(axes: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn((520, 512), generator=generator)
    gradient = torch.randn((520, 512), generator=generator)
    for constraint in (
        Simplex(2, axis=axes),
        L1Ball(2, axis=axes),
        FixedSum(2, axis=axes),
        NofM(2, 4, axis=axes),
        Box(-0.5, 0.5),
    ):
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            once = project(constraint, weight)
            plan = fast_gradient_plan(constraint, once, gradient, axes)
            along = gradient.clone()
            if plan is not None:
                plan.project([once], [along])
            found.append((once, along))
        for one, other in zip(*found, strict=True):
            assert torch.equal(bits(one), bits(other))
