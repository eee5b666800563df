"""`check` tells of the leaves of a tree what a Report tells of any model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.jax.test_trees import Stored

from feasible import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.jax import check, project
from feasible.report import ViolationError


def test_a_report_of_a_tree() -> None:
    params = {
        "dense": {"kernel": jnp.full((4, 3), 2.0), "bias": jnp.array([-0.25, 0.5, 0.0])},
        "step": jnp.array(3),
    }
    report = check({"*/kernel": MaxNorm(1, axis="unit"), "*/bias": NonNeg()}, params)
    kernel, bias = report.rows
    assert (kernel.parameter, kernel.constraint) == (
        "dense/kernel",
        "MaxNorm(max_value=1, axis=(0,))",
    )
    assert (kernel.vectors, kernel.length, kernel.violating, kernel.worst) == (3, 4, 3, 3.0)
    assert (bias.vectors, bias.length, bias.violating, bias.worst) == (3, 1, 1, 0.25)
    assert kernel.measured.tolist() == [4, 4, 4]
    assert not report.ok
    with pytest.raises(ViolationError, match="dense/kernel"):
        report.raise_if_violated()
    assert "dense/bias" in str(report)


def test_shapes_are_those_stored_and_those_counted() -> None:
    module = Stored(jnp.ones((5, 2, 3, 4)))
    (row,) = check({(Stored, "kernel"): UnitNorm(axis="unit")}, module).rows
    assert (row.stored, row.shape) == ((5, 2, 3, 4), (3, 4, 2, 5))
    assert (row.vectors, row.length) == (5, 24)
    (row,) = check({"weight": UnitNorm(axis=(0,))}, module, layout="native").rows
    assert (row.shape, row.vectors, row.length) == ((5, 2, 3, 4), 24, 5)


@pytest.mark.parametrize(
    ("constraint", "dtype"),
    [
        (MaxNorm(2), "float32"),
        (MinMaxNorm(1, 2), "bfloat16"),
        (UnitNorm(axis=None), "float16"),
    ],
    ids=repr,
)
def test_what_was_projected_is_found_feasible(constraint: MaxNorm, dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=(60, 40)) * np.logspace(-4, 4, 40)
    params = [jnp.asarray(values, dtype)]
    assert not check({"*": constraint}, params).ok
    assert check({"*": constraint}, jax.jit(project)({"*": constraint}, params)).ok


def test_numpy_and_arrays_without_values() -> None:
    params = {"a": np.ones((2, 3)), "b": jax.ShapeDtypeStruct((2, 3), jnp.float32)}
    report = check({"*": MaxNorm(1)}, params)
    assert [row.parameter for row in report.rows] == ["a"]
    assert report.pending == (("b", "MaxNorm(max_value=1, axis=0)"),)
    shapes = jax.eval_shape(lambda: {"kernel": jnp.ones((2, 3))})
    assert check({"*": NonNeg()}, shapes).ok
    assert "not yet" in str(check({"*": NonNeg()}, shapes))


def test_a_callable_is_measured_by_how_far_it_moves() -> None:
    def clipped(w):
        return jnp.clip(w, -1, 1)

    (row,) = check({"*": clipped}, [jnp.array([4.0, -5.0])]).rows
    assert (row.constraint, row.vectors, row.worst) == ("clipped", 1, 5.0)


def test_unmatched_and_unusable() -> None:
    with pytest.raises(ValueError, match=r"'kernels' selects no parameter\. Did you mean 'kernel'"):
        check({"kernels": NonNeg()}, {"kernel": jnp.ones(2)})
    with pytest.raises(ValueError, match="selects count, which is 3"):
        check({"count": NonNeg()}, {"count": 3, "kernel": jnp.ones(2)})
