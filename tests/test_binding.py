"""A constraint is fitted to a parameter: axes are found and checked, doubtful ones warned of."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from feasible import Constraint, MaxNorm, MinMaxNorm, NonNeg, RadialConstraint, UnitNorm
from feasible.binding import resolve_constraint


@pytest.mark.parametrize(
    ("constraint", "shape", "unit_axes", "expected"),
    [
        (MaxNorm(2, axis="unit"), (3, 5), (0,), MaxNorm(2, axis=(0,))),
        (UnitNorm(axis="unit"), (3, 3, 2, 5), (0, 1, 2), UnitNorm(axis=(0, 1, 2))),
        (MinMaxNorm(1, 2, 0.5, "unit"), (7,), (), MinMaxNorm(1, 2, 0.5, ())),
        (MaxNorm(2, axis=1), (3, 5), (0,), MaxNorm(2, axis=1)),
        (MaxNorm(2, axis=1), (3, 5), None, MaxNorm(2, axis=1)),
        (MaxNorm(2), (3, 5), (0,), MaxNorm(2)),
        (UnitNorm(axis=None), (3, 3, 2, 5), None, UnitNorm(axis=None)),
        (NonNeg(), (3, 3, 2, 5), None, NonNeg()),
        (RadialConstraint("mean"), (4, 4, 2, 5), None, RadialConstraint("mean")),
        (RadialConstraint(), (3, 3, 2, 5), None, RadialConstraint()),
        (Constraint(), (), None, Constraint()),
    ],
    ids=repr,
)
def test_unit_is_replaced(constraint: Any, shape: Any, unit_axes: Any, expected: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_constraint("dense.kernel", constraint, shape, unit_axes) == expected


def test_a_callable_comes_back_as_it_is() -> None:
    assert resolve_constraint("dense.kernel", abs, (3, 5), None) is abs


def test_unknown_units_are_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"^a\.w: UnitNorm\(axis='unit'\) needs to know .* Look\, or"
    ):
        resolve_constraint("a.w", UnitNorm(axis="unit"), (3, 5), None, "Look")


@pytest.mark.parametrize(
    ("constraint", "shape"),
    [
        (MaxNorm(2, axis=2), (3, 5)),
        (UnitNorm(axis=(0, -2)), (3, 5)),
        (RadialConstraint(), (3, 5)),
        (RadialConstraint("mean"), (3, 5, 1, 1)),
    ],
    ids=repr,
)
def test_a_shape_that_does_not_fit_is_an_error(constraint: Any, shape: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"^conv\.w: {type(constraint).__name__}.*shape \({shape[0]}"
    ):
        resolve_constraint("conv.w", constraint, shape, None)


KERNEL = (4, 4, 2, 5)


@pytest.mark.parametrize(
    ("unit_axes", "said"),
    [
        ((0, 1, 2), r"40 vectors of 4\. axis=\"unit\" takes one a unit: 5 vectors of 32\. To mean"),
        ((0, 1, 3), r"40 vectors of 4\. axis=\"unit\" takes one a unit: 2 vectors of 80\. To mean"),
    ],
)
@pytest.mark.parametrize("constraint", [MaxNorm(2), UnitNorm(0), MinMaxNorm()], ids=repr)
def test_the_first_axis_of_a_convolution_warns(constraint: Any, unit_axes: Any, said: str) -> None:
    with pytest.warns(
        UserWarning, match=rf"^conv: {type(constraint).__name__}\(.*axis 0 only: {said}"
    ):
        assert resolve_constraint("conv", constraint, KERNEL, unit_axes) == constraint


@pytest.mark.parametrize(
    ("constraint", "shape", "unit_axes"),
    [
        (MaxNorm(2, axis=(0,)), KERNEL, (0, 1, 2)),
        (MaxNorm(2, axis=1), KERNEL, (0, 1, 2)),
        (MaxNorm(2), (4, 5), (0,)),
        (MaxNorm(2), KERNEL, (0,)),
        (MaxNorm(2), KERNEL, None),
        (RadialConstraint(), (2, 2, 1, 1), None),
        (RadialConstraint(), (5, 5, 1, 1), None),
        (RadialConstraint("legacy"), KERNEL, None),
    ],
    ids=repr,
)
def test_what_is_meant_does_not_warn(constraint: Any, shape: Any, unit_axes: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve_constraint("conv", constraint, shape, unit_axes)


def test_even_documented_rings_warn() -> None:
    with pytest.warns(UserWarning, match=r"^conv: RadialConstraint.* even size 4 exchanges .*mean"):
        resolve_constraint("conv", RadialConstraint(), KERNEL, None)


def test_warnings_may_be_left_out() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve_constraint("conv", MaxNorm(2), KERNEL, (0, 1, 2), warn=False)
