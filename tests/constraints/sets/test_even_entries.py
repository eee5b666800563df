"""However many entries share a sum, and in whatever dtype, even ones are not taken for zeros."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from tests.conftest import to_torch

from feasible.constraints import Box, CappedSimplex, L1Ball, Simplex


@pytest.mark.parametrize("asarray", [np.asarray, to_torch, jnp.asarray])
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.float32])
@pytest.mark.parametrize("length", [4, 256, 4096, 100_000])
@pytest.mark.parametrize(
    "make",
    [
        Simplex,
        L1Ball,
        CappedSimplex,
        lambda total: CappedSimplex(total, 1.25 * total / 4),
        lambda total: Simplex(total) & Box(0, total),
    ],
)
def test_a_gradient_at_even_entries_is_centred(
    make: Any, length: int, dtype: Any, asarray: Any
) -> None:
    even = np.full(length, 1 / length, dtype)
    gradient = np.random.default_rng(0).normal(size=length).astype(dtype)
    gradient[:] = np.where(np.arange(length) % 2, abs(gradient), -abs(gradient))
    gradient[0] = -8  # along which the sum of an L1 ball would grow, but for the rest of it
    wide = gradient.astype(np.float64)
    constraint = make(float(even[0]) * length)
    found = constraint.tangent(asarray(even), asarray(gradient))
    found = np.asarray(found.float() if hasattr(found, "float") else found).astype(np.float64)
    expected = wide - min(wide.mean(), 0) if make is L1Ball else wide - wide.mean()
    np.testing.assert_allclose(found, expected, atol=8 * 2.0**-8)
