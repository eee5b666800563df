from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.conftest import Backend

from feasible.constraints import NonNeg

VALUES = [[1.5, -1.5, 0.0], [-np.inf, np.inf, np.nan]]


def test_non_neg(xp: Backend) -> None:
    for dtype in xp.dtypes:
        found = xp.to_numpy(xp.call(NonNeg(), xp.asarray(VALUES, dtype)))
        assert np.array_equal(found, [[1.5, 0, 0], [0, np.inf, np.nan]], equal_nan=True)
        assert not np.signbit(found[0, 1])


def test_minus_zero_stays_bit_for_bit(xp: Backend) -> None:
    for dtype in xp.dtypes:
        found = xp.to_numpy(xp.call(NonNeg(), xp.asarray([-0.0, 0.0, -1.0], dtype)))
        assert np.signbit(found).tolist() == [True, False, False]


def test_smallest_negative_number(xp: Backend) -> None:
    for dtype, smallest in (("float32", -(2.0**-126)), ("float16", -(2.0**-24))):
        if dtype in xp.dtypes:
            assert xp.to_numpy(xp.call(NonNeg(), xp.asarray([smallest], dtype))).tolist() == [0]


def test_integers(xp: Backend) -> None:
    found = xp.to_numpy(xp.call(NonNeg(), xp.asarray([-2, 0, 3], "int32")))
    assert found.tolist() == [0, 0, 3]
    assert found.dtype == np.int32


def test_violations(xp: Backend) -> None:
    for dtype in xp.dtypes:
        found = xp.to_numpy(NonNeg().violations(xp.asarray(VALUES, dtype)))
        assert np.array_equal(found, [0, 1.5, 0, np.inf, 0, np.nan], equal_nan=True)
    assert NonNeg().vectors((3, 4)) == (12, 1)


def test_gradient() -> None:
    gradient = jax.grad(lambda w: NonNeg()(w).sum())(jnp.asarray([-1.0, 0.0, 2.0, -jnp.inf]))
    assert gradient.tolist() == [0, 1, 1, 0]


def test_no_array() -> None:
    with pytest.raises(TypeError, match="expected an array"):
        NonNeg()([1.0, 2.0])
