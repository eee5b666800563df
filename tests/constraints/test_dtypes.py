"""Which dtypes a constraint takes, and that it gives back the one it was given."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from tests.known_constraints import KNOWN, takes

import feasible.jax
from feasible import ops
from feasible.constraints import (
    Constraint,
    NonNeg,
)
from feasible.torch import constrain, constraints_of

SHAPE = (4, 4, 2, 3)


class Centered(Constraint):
    """Blocks, and a sum over each."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def project(self, part: Any) -> Any:
        (total,) = yield (part.total(part.wide),)
        return part.wide - total / part.length


class Boxed(Constraint):
    """Entries, between arrays."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    def vector_axes(self, shape: Any) -> tuple[int, ...]:
        return ()

    def project(self, part: Any) -> Any:
        return part.xp.clip(part.wide, part.array(self.low), part.array(self.high))


class Clipped(Constraint):
    """The whole weight as one block, without a sum."""

    def project(self, part: Any) -> Any:
        return part.xp.clip(part.w, -0.5, 0.5)


CONSTRAINTS = [
    *(one for one in KNOWN if takes(one.resolve((0, 1, 2)), SHAPE)),
    Centered(),
    Centered(axis=None),
    Boxed(np.full((2, 1), -0.5), np.array([0.25, 0.5, 1.0])),
    Clipped(),
]
every_constraint = pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)


def used_alone(constraint: Constraint) -> Constraint:
    """The constraint with "unit" resolved as it is in an array of no layer."""
    return constraint.resolve((0, 1, 2))


@every_constraint
@pytest.mark.parametrize("dtype", [">f8", ">f4", ">f2"])
def test_big_endian_arrays_come_back_as_given(constraint: Constraint, dtype: str) -> None:
    constraint = used_alone(constraint)
    random = np.random.default_rng(0).normal(size=SHAPE)
    for values in (random, random * 1e-3, random * 100, np.zeros(SHAPE)):
        weight = values.astype(dtype)
        native = weight.astype(dtype.replace(">", "="))
        result = constraint(weight)
        assert result.dtype.str == dtype
        assert np.array_equal(result, constraint(native))
        assert weight.tobytes() == values.astype(dtype).tobytes()
        for looked_at in (constraint.violations, constraint.measured):
            assert np.array_equal(looked_at(weight), looked_at(native))


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">f2"])
def test_functions_of_big_endian_arrays_are_of_the_same_kind(dtype: str) -> None:
    weight = np.random.default_rng(0).uniform(0.5, 2, size=(3, 4)).astype(dtype)
    native = weight.astype(dtype.replace(">", "="))
    for function in (ops.mean, ops.sum, ops.norm, ops.sqrt, ops.abs, ops.relu, ops.square):
        result = function(weight)
        assert result.dtype.newbyteorder("=") == native.dtype
        assert np.array_equal(result, function(native))
    for result in (ops.maximum(weight, 1.0), ops.clip(weight, 0.7, 1.1)):
        assert result.dtype.newbyteorder("=") == native.dtype


@pytest.mark.parametrize(
    "constraint", [one for one in CONSTRAINTS if not one.takes_complex], ids=repr
)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_a_complex_weight_is_refused_in_one_way(constraint: Constraint, dtype: str) -> None:
    constraint = used_alone(constraint)
    array = np.ones(SHAPE, dtype)
    arrays = [array, torch.tensor(array), jnp.asarray(array, jnp.complex64)]
    functions = [constraint, constraint.violations, constraint.measured]
    words = (
        rf"^{type(constraint).__name__}: the weight must be real\. Received: complex\d+ of shape"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in functions:
            for weight in arrays:
                with pytest.raises(TypeError, match=words):
                    function(weight)
            with pytest.raises(TypeError, match=words):
                jax.jit(function)(arrays[-1])
        for function in (feasible.jax.project, feasible.jax.check):
            for leaf in (arrays[-1], jax.ShapeDtypeStruct(SHAPE, jnp.complex64)):
                with pytest.raises(TypeError, match=words):
                    function({"*": constraint}, {"kernel": leaf})


@pytest.mark.parametrize(
    "constraint", [one for one in CONSTRAINTS if not one.takes_complex], ids=repr
)
def test_nothing_is_declared_of_a_complex_weight(constraint: Constraint) -> None:
    class Complex(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.real = torch.nn.Parameter(torch.ones(SHAPE))
            self.weight = torch.nn.Parameter(torch.ones(SHAPE, dtype=torch.complex64))

    model = Complex()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match="the weight must be real"):
            constrain(model, {"real": NonNeg(), "weight": used_alone(constraint)})
    assert constraints_of(model) == {}


def test_a_function_of_a_complex_weight_is_refused_too() -> None:
    model = torch.nn.Linear(2, 3, dtype=torch.complex64)
    with pytest.raises(TypeError, match="the weight must be real"):
        constrain(model, kernel=lambda w: w / w.abs())
    assert constraints_of(model) == {}
