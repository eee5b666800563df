from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from tests.conftest import Backend

from feasible.constraints.precision import PRECISIONS, precision

DTYPES = {name: ml_dtypes.finfo(name) for name in PRECISIONS}


def test_precision_of_every_backend(xp: Backend) -> None:
    for dtype in xp.dtypes:
        assert precision("MaxNorm", xp.asarray([1.0], dtype)) is PRECISIONS[dtype]


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_slack_covers_the_rounding_of_an_entry(dtype: str) -> None:
    one = np.ones((), dtype)
    rounding = (float(np.nextafter(one, one + one)) - 1) / 2
    assert PRECISIONS[dtype].slack > rounding
    # Or what was brought inside the bound could be scaled again.
    assert PRECISIONS[dtype].slack >= PRECISIONS[dtype].inset


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_inset_covers_the_rounding_of_an_entry(dtype: str) -> None:
    assert PRECISIONS[dtype].inset > DTYPES[dtype].eps / 2


def test_spacing_is_half_the_smallest_float16() -> None:
    assert PRECISIONS["float16"].spacing == float(DTYPES["float16"].smallest_subnormal) / 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_scaled_entries_can_be_squared_and_summed(dtype: str) -> None:
    row, range_ = PRECISIONS[dtype], DTYPES[dtype]
    longest = 1e8
    for entry in (row.largest_square, float(range_.max) * row.down):
        assert entry**2 < float(range_.max) / longest
    for entry in (row.smallest_square, float(range_.smallest_normal) * row.up):
        # To the last bit: of the square's rounding error, too.
        assert entry**2 * float(range_.eps) >= float(range_.smallest_normal)
    for factor in (row.up, row.down):
        assert np.frexp(factor)[0] == 0.5


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", "uint8"])
def test_dtype_that_cannot_be_scaled(dtype: str) -> None:
    with pytest.raises(TypeError) as caught:
        precision("MaxNorm", np.ones((2, 3), dtype))
    message = str(caught.value)
    assert message.startswith("MaxNorm: the weight must be of dtype float64, float32, bfloat16")
    assert f"Received: {dtype} of shape (2, 3). Cast it" in message
