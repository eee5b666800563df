"""What every constraint promises, on TensorFlow: eagerly, in a graph and under XLA."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tests.known_constraints import KNOWN, SHAPE, is_idempotent

from feasible import MaxNorm, NonNeg, UnitNorm, ops
from feasible.backends import accumulation_dtype, dtype_name, namespace

RUNS: dict[str, Callable[[Any], Any]] = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}
DTYPES = {"float64": 1e-12, "float32": 1e-6, "float16": 1e-2, "bfloat16": 1e-2}
run = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
each = pytest.mark.parametrize("constraint", KNOWN, ids=repr)


def weight(dtype: str = "float32", scale: float = 1.0) -> Any:
    values = np.random.default_rng(0).normal(size=SHAPE) * scale
    return tf.cast(tf.constant(values), dtype)


def same(first: Any, second: Any) -> bool:
    return first.dtype == second.dtype and bool(tf.reduce_all(first == second))


@run
@each
@pytest.mark.parametrize("dtype", DTYPES)
def test_as_numpy_does(constraint: Any, run: Callable[[Any], Any], dtype: str) -> None:
    w = weight(dtype)
    before = tf.identity(w)
    projected = run(constraint)(w)
    assert isinstance(projected, tf.Tensor)
    assert (projected.shape, projected.dtype) == (w.shape, w.dtype)
    assert same(w, before)
    expected = constraint(w.numpy())
    tolerance = DTYPES[dtype]
    np.testing.assert_allclose(
        projected.numpy().astype("f8"), expected.astype("f8"), rtol=tolerance, atol=tolerance
    )


@run
@each
def test_what_is_feasible_comes_back_bit_for_bit(
    constraint: Any, run: Callable[[Any], Any]
) -> None:
    if not is_idempotent(constraint):
        feasible = tf.zeros(SHAPE)
    else:
        feasible = run(constraint)(weight())
        assert not same(feasible, weight())
    assert same(run(constraint)(feasible), feasible)


@run
def test_magnitudes(run: Callable[[Any], Any]) -> None:
    ones = run(MaxNorm(1))(tf.ones((70_000, 1), tf.float16)).numpy().astype("f8")
    assert math.sqrt(np.sum(ones**2)) == pytest.approx(1, rel=1e-2)
    for size in (1e30, 1e-30):
        unit = run(UnitNorm())(tf.fill((4, 1), np.float32(size)))
        assert unit.numpy().tolist() == [[pytest.approx(0.5, rel=1e-6)]] * 4


@run
def test_honest(run: Callable[[Any], Any]) -> None:
    w = tf.constant([[math.nan, math.inf, 0.0], [3.0, 3.0, 0.0]])
    projected = run(UnitNorm())(w).numpy()
    np.testing.assert_array_equal(projected, w.numpy())
    clipped = run(NonNeg())(tf.constant([math.nan, -math.inf, -0.0])).numpy()
    np.testing.assert_array_equal(clipped, [math.nan, 0.0, 0.0])
    assert np.signbit(clipped[2])


@run
def test_gradients(run: Callable[[Any], Any]) -> None:
    w = tf.Variable(weight(scale=3.0))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(run(MaxNorm(1))(w))
    assert np.isfinite(tape.gradient(total, w).numpy()).all()


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"MaxNorm: the weight must be of dtype .* int32 of shape"):
        MaxNorm(1)(tf.constant([1, 2]))


@each
def test_reports(constraint: Any) -> None:
    w = weight(scale=3.0)
    found = constraint.violations(w).numpy()
    assert found.shape == (constraint.vectors(w.shape)[0],)
    np.testing.assert_allclose(found, constraint.violations(w.numpy()), rtol=1e-6, atol=1e-6)


def test_namespace() -> None:
    for array in (weight(), tf.Variable(weight())):
        assert namespace(array) is namespace(array)
        assert dtype_name(array) == "float32"
        assert tf.as_dtype(accumulation_dtype(array)) == tf.float64


@run
@pytest.mark.parametrize("dtype", DTYPES)
def test_constraints_written_with_ops(run: Callable[[Any], Any], dtype: str) -> None:
    def sparse_and_small(w: Any) -> Any:
        w = ops.maximum(w, 0.0)
        return ops.where(w > 0.1, w / ops.maximum(ops.sum(w, axis=0, keepdims=True), 1.0), 0.0)

    w = weight(dtype)
    projected = run(sparse_and_small)(w)
    assert projected.dtype == w.dtype
    np.testing.assert_allclose(
        projected.numpy().astype("f8"),
        sparse_and_small(w.numpy()).astype("f8"),
        rtol=1e-2,
        atol=1e-2,
    )
