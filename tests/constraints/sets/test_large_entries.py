"""Entries whose rounding is more than their sum is to be end as exact numbers do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.conftest import Backend

from feasible.constraints import CappedSimplex, L1Ball, Simplex


@pytest.mark.parametrize(
    ("constraint", "entries", "expected"),
    [
        (Simplex(1), [1], [1]),
        (Simplex(1), [-1, 1, 0, 1], [0, 0.5, 0, 0.5]),
        (L1Ball(1), [1], [1]),
        (L1Ball(1), [-1, 0, 1], [-0.5, 0, 0.5]),
        (CappedSimplex(1, 1), [1, 0], [1, 0]),
        (CappedSimplex(1, 0.625), [0, 1, -1, 0], [0.1875, 0.625, 0, 0.1875]),
        (CappedSimplex(1, 0.375), [1, 0.5, 0, -1], [0.375, 0.375, 0.25, 0]),
    ],
)
def test_entries_that_are_large_beside_their_sum(
    xp: Backend, constraint: Any, entries: Any, expected: Any
) -> None:
    found = xp.call(constraint, xp.asarray(np.outer(entries, [1e8, 1e18, 1e30])))
    expected = np.stack([expected] * 3, axis=1)
    np.testing.assert_allclose(xp.to_numpy(found), expected, atol=2e-6)
    assert np.array_equal(xp.to_numpy(constraint(found)), xp.to_numpy(found))
