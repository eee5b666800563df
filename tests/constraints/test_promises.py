"""What every constraint promises, on every backend."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import hypothesis.strategies as st
import jax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from tests.conftest import BACKENDS, Backend
from tests.known_constraints import IN_EVERY_DTYPE, KNOWN, SHAPE, is_idempotent

from feasible.constraints import (
    Constraint,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    NormConstraint,
    RadialConstraint,
    UnitNorm,
)

TOLERANCES = {"float64": 1e-12, "float32": 1e-6, "float16": 1e-2, "bfloat16": 1e-2}
HALF_SPACINGS = {"float16": 2.0**-25}  # the error of an entry among the subnormals
# How many weights to try: each shape is compiled anew for JAX.
EXAMPLES = {
    "numpy": 300,
    "numpy-read-only": 50,
    "torch": 200,
    "array-api-strict": 100,
    "jax-jit": 20,
}
VARIED = [backend for backend in BACKENDS if backend.name in EXAMPLES]
varied = pytest.mark.parametrize("backend", VARIED, ids=lambda backend: backend.name)


def rows(array: np.ndarray, axis: Any) -> np.ndarray:
    """One vector a row."""
    axes = {None: tuple(range(array.ndim)), "unit": tuple(range(array.ndim - 1))}.get(
        tuple(axis) if isinstance(axis, list) else axis, axis
    )
    axes = axes if isinstance(axes, tuple) else (axes,)
    length = math.prod(array.shape[one] for one in axes)
    moved = np.moveaxis(array, axes, range(-len(axes), 0))
    return moved.reshape((math.prod(moved.shape[: array.ndim - len(axes)]), length))


def norms(vectors: np.ndarray) -> np.ndarray:
    """The norms of rows, in more precision and range than any constraint has."""
    wide = vectors.astype(np.float64).astype(np.longdouble)
    return np.sqrt(np.sum(wide * wide, axis=1))


def bits(array: np.ndarray) -> np.ndarray:
    """The bits of each entry, so that NaN equals itself and -0.0 is not 0.0."""
    return array.view(f"uint{8 * array.dtype.itemsize}")


def check_feasible_vectors(constraint: Constraint, before: np.ndarray, after: np.ndarray) -> None:
    """What is feasible, or cannot be made so by a factor, is the same bit for bit."""
    if isinstance(constraint, NormConstraint):
        old, new = rows(before, constraint.axis), rows(after, constraint.axis)
        found = norms(old)
        inside = (found >= constraint.min_value) & (found <= constraint.max_value)
        same = inside | (found == 0) | ~np.isfinite(found)
        assert np.array_equal(bits(old)[same], bits(new)[same])
    elif isinstance(constraint, NonNeg):
        same = before.astype(np.float64) >= 0
        assert np.array_equal(bits(before)[same], bits(after)[same])
        assert np.array_equal(np.isnan(before), np.isnan(after))
        assert not np.any(after[before.astype(np.float64) < 0])


def check_norms(constraint: NormConstraint, before: np.ndarray, after: np.ndarray) -> None:
    """A vector that can be scaled has the norm that it should have."""
    old, new = rows(before, constraint.axis), rows(after, constraint.axis)
    found = norms(old)
    scaled = np.isfinite(found) & (found > 0)
    old, new, found = old[scaled], new[scaled], found[scaled]
    clipped = np.clip(found, constraint.min_value, constraint.max_value)
    expected = (1 - constraint.rate) * found + constraint.rate * clipped
    dtype = str(before.dtype)
    rounding = HALF_SPACINGS.get(dtype, 0) * math.sqrt(old.shape[1])
    assert np.all(np.abs(norms(new) - expected) <= TOLERANCES[dtype] * expected + rounding)
    if isinstance(constraint, MaxNorm) and dtype in ("float32", "float64"):
        moved = np.any(bits(old) != bits(new), axis=1)
        assert np.all(norms(new)[moved] <= constraint.max_value)


def check_promises(xp: Backend, constraint: Constraint, values: np.ndarray, dtype: str) -> None:
    array = xp.asarray(values, dtype)
    before = xp.to_numpy(array).copy()
    function = xp.transform(constraint)
    result = function(array)
    after = xp.to_numpy(result)

    assert xp.to_numpy(array).tobytes() == before.tobytes()
    assert type(result) is type(array)
    assert (result.shape, result.dtype, result.device) == (array.shape, array.dtype, array.device)
    if is_idempotent(constraint):
        assert xp.to_numpy(function(result)).tobytes() == after.tobytes()
    if before.size:
        check_feasible_vectors(constraint, before, after)
        if isinstance(constraint, NormConstraint):
            check_norms(constraint, before, after)


@pytest.mark.parametrize("constraint", KNOWN, ids=repr)
def test_promises_on_a_table(xp: Backend, constraint: Constraint) -> None:
    values = np.random.default_rng(0).normal(size=SHAPE)
    values[..., 0] *= 1e-3
    values[..., 1] *= 1e4
    values[..., 2] = 0
    values[0, 0, 0, 3:] = -0.0, np.nan, np.inf
    is_compiled = xp.name in ("torch-compile", "jax-jit", "jax-vmap")
    is_short = is_compiled and not isinstance(constraint, IN_EVERY_DTYPE)
    for dtype in ("float32",) if is_short else xp.dtypes:
        check_promises(xp, constraint, values, dtype)


def test_promises_of_jax_with_x64() -> None:
    backend = next(backend for backend in BACKENDS if backend.name == "jax-jit")
    values = np.random.default_rng(1).normal(size=SHAPE) * 1e3
    with jax.enable_x64(True):
        for constraint in KNOWN:
            check_promises(backend, constraint, values, "float64")


class Case(NamedTuple):
    constraint: NormConstraint
    values: np.ndarray
    dtype: str


AXES = st.one_of(
    st.none(),
    st.just("unit"),
    st.integers(-5, 4),
    st.lists(st.integers(-5, 4), max_size=5, unique=True).map(tuple),
)
BOUNDS = st.sampled_from([0, 1e-3, 0.1, 0.5, 1, 1.0001, 2.0, 30.5])
RATES = st.sampled_from([0, 0.1, 0.5, 1, 1])
NORM_CONSTRAINTS = st.one_of(
    st.builds(MaxNorm, BOUNDS, AXES),
    st.builds(
        lambda bounds, rate, axis: MinMaxNorm(min(bounds), max(bounds), rate, axis),
        st.tuples(BOUNDS, BOUNDS),
        RATES,
        AXES,
    ),
    st.builds(UnitNorm, AXES),
)
SHAPES = st.lists(st.sampled_from([0, 1, 1, 2, 3, 4, 7]), max_size=5).map(tuple)
SPECIAL = st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf])
LARGEST = {"float64": 1e150, "float32": 1e30, "bfloat16": 1e30, "float16": 1e4}
SMALLEST = {"float64": 1e-150, "float32": 1e-30, "bfloat16": 1e-30, "float16": 1e-7}


@st.composite
def cases(draw: st.DrawFn, dtypes: tuple[str, ...]) -> Case:
    """A constraint, and a weight that has its axes: vectors from the smallest to the largest."""
    constraint, shape, dtype = draw(NORM_CONSTRAINTS), draw(SHAPES), draw(st.sampled_from(dtypes))
    rank, axis = len(shape), constraint.axis
    given_axes = () if axis in (None, "unit") else np.atleast_1d(axis).astype(int).tolist()
    assume(all(-rank <= one < rank for one in given_axes))
    assume(len({one % rank for one in given_axes}) == len(given_axes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = np.log10(SMALLEST[dtype]), np.log10(LARGEST[dtype])
    exponents = rng.uniform(low, high, size=(*shape[-1:],)) * draw(st.sampled_from([0, 0.1, 1, 1]))
    values = rng.normal(size=shape) * 10.0**exponents
    if draw(st.booleans()) and values.size:
        values.flat[draw(st.integers(0, values.size - 1))] = draw(SPECIAL)
    return Case(constraint, np.asarray(values), dtype)


@varied
def test_promises_of_norms_on_anything(backend: Backend) -> None:
    @settings(max_examples=EXAMPLES[backend.name])
    @given(cases(backend.dtypes))
    def holds(case: Case) -> None:
        check_promises(backend, case.constraint, case.values, case.dtype)

    holds()


@varied
def test_promises_of_non_neg_on_anything(backend: Backend) -> None:
    @settings(max_examples=EXAMPLES[backend.name] // 4)
    @given(cases(backend.dtypes))
    def holds(case: Case) -> None:
        check_promises(backend, NonNeg(), case.values, case.dtype)

    holds()


def kernel_shapes() -> st.SearchStrategy[tuple[int, ...]]:
    return st.builds(
        lambda size, rank, channels: (size,) * rank + channels,
        st.integers(1, 6),
        st.integers(1, 3),
        st.tuples(st.integers(0, 2), st.integers(1, 2)),
    )


@varied
def test_promises_of_radial_kernels_on_anything(backend: Backend) -> None:
    radial = st.sampled_from([one for one in KNOWN if isinstance(one, RadialConstraint)])

    @settings(max_examples=EXAMPLES[backend.name] // 4)
    @given(radial, kernel_shapes(), st.sampled_from(backend.dtypes), st.integers(0, 2**32 - 1))
    def holds(constraint: Constraint, shape: tuple[int, ...], dtype: str, seed: int) -> None:
        assume(constraint != RadialConstraint("legacy") or len(shape) == 4)
        values = np.random.default_rng(seed).normal(size=shape)
        check_promises(backend, constraint, values, dtype)

    holds()


def test_typical_error_of_half_precisions() -> None:
    values = np.random.default_rng(2).normal(size=(512, 400))
    for dtype in (np.float16, ml_dtypes.bfloat16):
        found = norms(rows(UnitNorm()(values.astype(dtype)), 0))
        assert np.median(np.abs(found - 1)) < 1e-3
