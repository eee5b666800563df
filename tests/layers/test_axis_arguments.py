"""The `axis` argument of layers."""

from __future__ import annotations

import numpy as np
import pytest

from feasible.arguments import InvalidArgumentError
from feasible.layers.axis_arguments import check_axes, count_from_zero


@pytest.mark.parametrize(
    ("axis", "axes"),
    [(1, (1,)), (-1, (-1,)), ([2, 0], (2, 0)), ((1, -1), (1, -1)), (np.int64(2), (2,))],
)
def test_an_int_or_several_are_taken(axis, axes):
    found = check_axes("Softmax", axis)
    assert found == axes
    assert {type(one) for one in found} == {int}


@pytest.mark.parametrize("axis", [None, 1.0, "1", True, [], [1, 1], [1, None], "unit"], ids=str)
def test_anything_else_is_refused(axis):
    with pytest.raises(InvalidArgumentError, match="Softmax: `axis` must be an int or a list"):
        check_axes("Softmax", axis)


def test_several_may_not_be_allowed():
    assert check_axes("BatchNormalization", 1, several=False) == (1,)
    with pytest.raises(InvalidArgumentError, match=r"Normalization: `axis` must be an int\. R"):
        check_axes("BatchNormalization", [1], several=False)


@pytest.mark.parametrize(
    ("axes", "found"), [((0,), [0]), ((-1,), [2]), ((2, 0), [0, 2]), ((-1, 1), [1, 2])]
)
def test_they_are_counted_from_zero(axes, found):
    assert count_from_zero("softmax", axes, (None, 3, 5)) == found


@pytest.mark.parametrize("axes", [(3,), (-4,), (0, -3), (1, 5)], ids=str)
def test_axes_that_are_not_there_are_refused(axes):
    with pytest.raises(ValueError, match=r"softmax: .*from -3 to 2\. Received: axis=\["):
        count_from_zero("softmax", axes, (None, 3, 5))
