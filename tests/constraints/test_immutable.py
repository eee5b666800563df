"""A constraint cannot be changed once it is made."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from tests.known_constraints import KNOWN

from feasible.constraints import (
    Constraint,
    MaxNorm,
)


class Below(Constraint):
    """With an array, and more attributes than arguments."""

    def __init__(self, high: Any) -> None:
        self.high = high
        self.seen = 0

    def project(self, part: Any) -> Any:
        return part.xp.minimum(part.wide, part.array(self.high))


CONSTRAINTS = [*KNOWN, Below(np.ones(3))]
COPIES = {
    "made": lambda one: one,
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "pickled": lambda one: pickle.loads(pickle.dumps(one)),
    "from its config": lambda one: type(one).from_config(one.get_config()),
    "resolved": lambda one: one.resolve((0,)),
    "along": lambda one: one.along((0,)),
    "replaced": lambda one: one.replace(),
}


@pytest.mark.parametrize("made", COPIES)
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_no_attribute_can_be_set_or_deleted(constraint: Constraint, made: str) -> None:
    one = COPIES[made](constraint)
    before = repr(one), hash(one)
    for name in (*vars(one), "max_value", "axis", "anything"):
        with pytest.raises(AttributeError, match=r"cannot be changed.* Received: \w+=0\.5\. Make"):
            setattr(one, name, 0.5)
        with pytest.raises(AttributeError, match=r"cannot be changed.* Received: del constraint\."):
            delattr(one, name)
    assert (repr(one), hash(one)) == before


def test_the_error_says_how_to_replace_it() -> None:
    constraint = MaxNorm(2, axis="unit")
    with pytest.raises(AttributeError) as raised:
        constraint.max_value = 0.5
    assert str(raised.value).startswith(
        "MaxNorm(max_value=2, axis='unit') cannot be changed, because whoever holds it goes by "
        "what it was. Received: max_value=0.5. Make another, such as by "
        "constraint.replace(max_value=...)"
    )
    assert constraint.replace(max_value=0.5) == MaxNorm(0.5, axis="unit")
    with pytest.raises(AttributeError, match=r"constraint\.replace\(max_value=\.\.\.\)"):
        constraint.bound = 0.5


@pytest.mark.parametrize("made", ["made", "copied", "copied deeply", "pickled", "from its config"])
def test_arrays_cannot_be_written_to(made: str) -> None:
    given = np.ones(3)
    constraint = COPIES[made](Below(given))
    with pytest.raises(ValueError, match="read-only"):
        constraint.high[0] = 5
    given[0] = 5
    assert np.array_equal(constraint.high, np.ones(3))
    assert constraint(np.full((2, 3), 2.0)).tolist() == [[1, 1, 1]] * 2
