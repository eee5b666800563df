"""Every constraint that is known keeps what constraints promise, and what breaks one is caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.known_constraints import KNOWN, is_idempotent, is_nearest, takes

from feasible import Constraint, NonNeg, RadialConstraint, ops
from feasible.constraints import NormConstraint
from feasible.testing import check_constraint

SHAPES = [(4, 3), (3, 3, 2, 4)]


@pytest.mark.parametrize("constraint", KNOWN, ids=repr)
def test_every_class_that_the_registry_knows(constraint: Constraint) -> None:
    is_old = isinstance(constraint, NormConstraint | NonNeg | RadialConstraint)
    shapes = [(4, 3), (3, 3, 2, 4), (3, 3, 2, 6), (4, 4, 1, 2)]
    check_constraint(
        constraint,
        [shape for shape in shapes if takes(constraint, shape)][: 1 + is_old],
        idempotent=is_idempotent(constraint),
        nearest=is_nearest(constraint),
    )


class CenterAround(Constraint):
    def __init__(self, ref_value: float) -> None:
        self.ref_value = ref_value

    def __call__(self, w: Any) -> Any:
        return w - ops.mean(w) + self.ref_value


class FixedMean(Constraint):
    def __init__(self, mean: float, axis: Any = 0) -> None:
        self.mean, self.axis = mean, axis

    def project(self, part: Any) -> Any:
        (total,) = yield (part.total(part.wide),)
        return part.wide - (total / part.length - self.mean)


class Between(Constraint):
    def __init__(self, lower: Any, upper: Any) -> None:
        self.lower, self.upper = np.asarray(lower), np.asarray(upper)

    def vector_axes(self, shape: Any) -> tuple[int, ...]:
        return ()

    def project(self, part: Any) -> Any:
        return part.xp.clip(part.wide, part.array(self.lower), part.array(self.upper))


def test_constraints_of_ones_own() -> None:
    check_constraint(CenterAround(1.0), SHAPES)
    for axis in (0, "unit", None):
        check_constraint(FixedMean(2.0, axis), SHAPES)


class Broken(Constraint):
    """One that is as it should be, for others to break."""

    axis: Any = 0

    def project(self, part: Any) -> Any:
        (total,) = yield (part.total(part.wide),)
        return part.wide - total / part.length


class WritesToItsInput(Broken):
    def __call__(self, w: Any) -> Any:
        if isinstance(w, np.ndarray) and not w.flags.writeable:
            return super().__call__(w)
        if type(w).__module__ == "torch":
            return w.zero_()
        return super().__call__(w)


class ReturnsFloat64(Broken):
    def __call__(self, w: Any) -> Any:
        return np.asarray(super().__call__(w), np.float64) if isinstance(w, np.ndarray) else w


class Shrinks(Broken):
    def project(self, part: Any) -> Any:
        return 0.9 * part.wide, False


class HidesNaN(Broken):
    def __call__(self, w: Any) -> Any:
        return ops.where(w == w, w, ops.zeros_like(w))


class DoesNotAddUp(Broken):
    def project(self, part: Any) -> Any:
        total = part.total(part.wide)
        return part.wide - total / part.w.shape[0]


class MixesStacked(Broken):
    def project(self, part: Any) -> Any:
        return part.wide - part.xp.mean(part.wide), False


class Undescribed(Broken):
    def __init__(self) -> None:
        self.offset = 1.0


@pytest.mark.parametrize(
    ("constraint", "promise"),
    [
        (WritesToItsInput(), "pure"),
        (ReturnsFloat64(), "same shape, dtype"),
        (Shrinks(), "twice is once"),
        (HidesNaN(), "NaN and infinity"),
        (DoesNotAddUp(), "stacked as alone|in parts as whole"),
        (MixesStacked(), "twice is once|stacked as alone"),
        (Undescribed(), "written and read"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_breaks_a_promise_is_caught(constraint: Constraint, promise: str) -> None:
    with pytest.raises(AssertionError, match=f"breaks the promise '({promise})"):
        check_constraint(constraint, [(4, 3)])
    check_constraint(Broken(), [(4, 3)])
