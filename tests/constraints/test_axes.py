from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feasible.arguments import InvalidArgumentError
from feasible.constraints.axes import check_axis, vector_axes


@pytest.mark.parametrize(
    ("axis", "normal"),
    [
        (0, 0),
        (-1, -1),
        (np.int64(2), 2),
        ((0,), (0,)),
        ([0, 1, 2], (0, 1, 2)),
        ((np.int32(1), -1), (1, -1)),
        ((), ()),
        ([], ()),
        (range(2), (0, 1)),
        (None, None),
        ("unit", "unit"),
    ],
)
def test_axis_in_normal_form(axis: Any, normal: Any) -> None:
    found = check_axis("MaxNorm", axis)
    assert found == normal
    assert type(found) is type(normal)


@pytest.mark.parametrize(
    "axis", ["a", "units", "", 1.5, 1.0, True, [0, 0], (0, 1.0), ["unit"], {0}, np.ones(2), object]
)
def test_axis_that_fits_no_weight(axis: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check_axis("MaxNorm", axis)
    message = str(caught.value)
    assert message.startswith("MaxNorm: `axis` must be an int, a sequence of distinct ints, None")
    assert f"axis={axis!r}" in message


@pytest.mark.parametrize(
    ("axis", "shape", "axes"),
    [
        (0, (3, 4), (0,)),
        (-1, (3, 4), (1,)),
        ((0, 1, 2), (3, 3, 4, 5), (0, 1, 2)),
        ((2, 0), (3, 3, 4, 5), (0, 2)),
        ((-2, 0), (3, 3, 4, 5), (0, 2)),
        ((), (3, 4), ()),
        (None, (3, 4), (0, 1)),
        (None, (), ()),
        ("unit", (3, 3, 4, 5), (0, 1, 2)),
        ("unit", (3, 4), (0,)),
        ("unit", (4,), ()),
        ("unit", (), ()),
    ],
)
def test_vector_axes(axis: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    assert vector_axes("MaxNorm", axis, shape) == axes


@pytest.mark.parametrize(
    ("axis", "shape"),
    [(2, (3, 4)), (-3, (3, 4)), ((0, 2), (3, 4)), ((0, -2), (3, 4)), (0, ()), ((1, -1), (3, 4))],
)
def test_axis_that_the_weight_does_not_have(axis: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="MaxNorm: `axis` must name distinct axes") as caught:
        vector_axes("MaxNorm", axis, shape)
    assert f"axis={axis!r} for a weight of shape {shape!r}" in str(caught.value)
