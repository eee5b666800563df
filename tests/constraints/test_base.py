from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.conftest import Backend

from feasible.arguments import InvalidArgumentError
from feasible.backends import namespace
from feasible.constraints import (
    Constraint,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    NormConstraint,
    RadialConstraint,
    UnitNorm,
    max_norm,
    min_max_norm,
    non_neg,
    radial_constraint,
    unit_norm,
)


class CenterAround(Constraint):
    """As on the Keras page."""

    def __init__(self, ref_value: float) -> None:
        self.ref_value = ref_value

    def __call__(self, w: Any) -> Any:
        return w - namespace(w).mean(w) + self.ref_value

    def get_config(self) -> dict[str, Any]:
        return {"ref_value": self.ref_value}


class Undescribed(Constraint):
    def __init__(self, bound: float) -> None:
        self.largest = bound


class Nested(Constraint):
    def __init__(self, parts: dict[str, list[int]]) -> None:
        self.parts = parts

    def get_config(self) -> dict[str, Any]:
        return {"parts": self.parts}


REPRS = [
    (Constraint(), "Constraint()"),
    (MaxNorm(2), "MaxNorm(max_value=2, axis=0)"),
    (MaxNorm(2.5, axis=[0, 1]), "MaxNorm(max_value=2.5, axis=(0, 1))"),
    (MaxNorm(), "MaxNorm(max_value=2, axis=0)"),
    (MinMaxNorm(), "MinMaxNorm(min_value=0.0, max_value=1.0, rate=1.0, axis=0)"),
    (
        NormConstraint(0, 1, 1, None),
        "NormConstraint(min_value=0, max_value=1, rate=1, axis=None)",
    ),
    (NonNeg(), "NonNeg()"),
    (UnitNorm(axis="unit"), "UnitNorm(axis='unit')"),
    (RadialConstraint(), "RadialConstraint(rings='documented')"),
    (RadialConstraint("mean"), "RadialConstraint(rings='mean', metric='chebyshev')"),
    (
        RadialConstraint("mean", metric="euclidean"),
        "RadialConstraint(rings='mean', metric='euclidean')",
    ),
    (RadialConstraint("legacy"), "RadialConstraint(rings='legacy')"),
    (CenterAround(0.5), "CenterAround(ref_value=0.5)"),
    (Nested({"a": [1, 2]}), "Nested(parts={'a': [1, 2]})"),
]


@pytest.mark.parametrize(("constraint", "text"), REPRS, ids=lambda one: str(one))
def test_a_constraint_is_a_value(constraint: Constraint, text: str) -> None:
    assert repr(constraint) == text
    restored = type(constraint).from_config(constraint.get_config())
    for same in (restored, copy.deepcopy(constraint), pickle.loads(pickle.dumps(constraint))):
        assert same == constraint
        assert hash(same) == hash(constraint)
        assert repr(same) == text


def test_equality() -> None:
    distinct = {constraint for constraint, _ in REPRS} | {MaxNorm(3), MaxNorm(2, 1), MaxNorm(2, ())}
    assert len(distinct) == len(REPRS) - 1 + 3  # MaxNorm() is MaxNorm(2)
    assert MaxNorm(2) == MaxNorm(2.0)
    assert hash(MaxNorm(2)) == hash(MaxNorm(2.0))
    assert MaxNorm(1, axis=[0, 1]) == MaxNorm(1, axis=(0, 1))
    assert MaxNorm(1) != MinMaxNorm(0, 1)
    assert MaxNorm(1) != "MaxNorm(max_value=1, axis=0)"
    assert Constraint() != CenterAround(1)


def test_undescribed_constraint_equals_only_itself() -> None:
    one, other = Undescribed(1), Undescribed(1)
    assert not one.is_described()
    assert one == one
    assert one != other
    assert hash(one) != hash(other)


def test_a_subclass_is_another_constraint() -> None:
    class Mine(MaxNorm):
        pass

    assert Mine(2) != MaxNorm(2)
    assert repr(Mine(2)) == "Mine(max_value=2, axis=0)"


@pytest.mark.parametrize(
    ("alias", "kind"),
    [
        (max_norm, MaxNorm),
        (min_max_norm, MinMaxNorm),
        (non_neg, NonNeg),
        (radial_constraint, RadialConstraint),
        (unit_norm, UnitNorm),
    ],
)
def test_aliases_are_the_classes(alias: type, kind: type) -> None:
    assert alias is kind


def test_base_constraint_returns_the_weight(xp: Backend) -> None:
    array = xp.asarray([1.0, -2.0])
    assert xp.to_numpy(xp.call(Constraint(), array)).tolist() == [1, -2]
    assert Constraint().resolve((0,)) == Constraint()


@pytest.mark.parametrize(
    ("constraint", "axes", "count", "length"),
    [
        (Constraint(), (0, 1, 2), 1, 36),
        (CenterAround(1), (0, 1, 2), 1, 36),
        (NonNeg(), (), 36, 1),
        (MaxNorm(2, axis=-1), (2,), 9, 4),
        (UnitNorm(axis="unit"), (0, 1), 4, 9),
        (RadialConstraint(), (0,), 12, 3),
    ],
    ids=str,
)
def test_vectors_of_a_weight(
    constraint: Constraint, axes: tuple[int, ...], count: int, length: int
) -> None:
    shape = (3, 3, 4)
    assert constraint.vector_axes(shape) == axes
    assert constraint.vectors(shape) == (count, length)


def test_violation_of_a_constraint_of_ones_own(xp: Backend) -> None:
    for dtype in xp.dtypes:
        array = xp.asarray([[3.0, 5.0]], dtype)
        distance = xp.to_numpy(CenterAround(1.0).violations(array))
        assert distance == pytest.approx([3 * np.sqrt(2)])
    assert np.isnan(xp.to_numpy(CenterAround(1.0).violations(xp.asarray([np.nan, 1.0])))).all()


@pytest.mark.parametrize(
    "make", [lambda: MaxNorm(2), lambda: UnitNorm(axis=[0]), RadialConstraint, lambda: Nested({})]
)
def test_jit_does_not_retrace_on_an_equal_constraint(make: Any) -> None:
    traces = []

    @partial(jax.jit, static_argnums=0)
    def project(constraint: Constraint, w: Any) -> Any:
        traces.append(constraint)
        return constraint(w)

    for _ in range(3):
        project(make(), jnp.ones((3, 3, 1, 2)))
    assert len(traces) == 1
    project(MinMaxNorm(), jnp.ones((3, 3, 1, 2)))
    assert len(traces) == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaxNorm(-1), "MaxNorm: `max_value` must be a finite number at least 0"),
        (lambda: MaxNorm("2"), "MaxNorm: `max_value` .* max_value='2'"),
        (lambda: MaxNorm(float("nan")), "max_value=nan"),
        (lambda: MaxNorm(float("inf")), "max_value=inf"),
        (lambda: MaxNorm(None), "max_value=None"),
        (lambda: MinMaxNorm(2, 1), "MinMaxNorm: `min_value` must be at most max_value, which is 1"),
        (lambda: MinMaxNorm(-1, 1), "MinMaxNorm: `min_value` .* min_value=-1"),
        (lambda: MinMaxNorm("0", 1), "min_value='0'"),
        (lambda: MinMaxNorm(rate=2), "MinMaxNorm: `rate` must be .* at least 0 and at most 1"),
        (lambda: MinMaxNorm(rate=-0.5), "rate=-0.5"),
        (lambda: MinMaxNorm(axis="a"), "MinMaxNorm: `axis` must be an int, .*axis='a'"),
        (lambda: UnitNorm(axis=1.5), "UnitNorm: `axis` .* axis=1.5"),
        (lambda: UnitNorm(axis=[0, 0]), r"UnitNorm: `axis` .* axis=\[0, 0\]"),
        (
            lambda: RadialConstraint("outer"),
            "`rings` must be one of 'documented', 'mean', 'legacy'",
        ),
        (lambda: RadialConstraint(None), "rings=None"),
        (lambda: RadialConstraint("mean", metric="l1"), "'chebyshev', 'euclidean'.* metric='l1'"),
        (lambda: RadialConstraint(metric="euclidean"), "`metric` .* where rings='documented'"),
    ],
)
def test_constructors_check_early(make: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        make()
