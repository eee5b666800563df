"""What the tests of sets share: how a set is compared with what defines it, written plainly.

Oracles are of NumPy, in float64 or wider, and look at one vector or one matrix at a time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from tests.conftest import read_only

from feasible.constraints import Constraint, deserialize, serialize

Oracle = Callable[[np.ndarray], np.ndarray]
NARROW = [np.float32, np.float16, ml_dtypes.bfloat16]
# Roundings of float64 that the insets of balls take, and of float32.
EXACT, ROUNDED = 2e-11, 2e-6


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that one vector lies along, counted from 0."""
    if axis is None:
        return tuple(range(rank))
    if isinstance(axis, str):
        return tuple(range(rank - 1))
    given = (axis,) if isinstance(axis, int) else axis
    return tuple(sorted(one % rank for one in given))


def each_vector(function: Oracle, array: np.ndarray, axis: Any = 0) -> np.ndarray:
    """What a function returns for each vector, in the place of that vector."""
    axes = axes_of(axis, array.ndim)
    moved = np.moveaxis(array, axes, range(array.ndim - len(axes), array.ndim))
    others = moved.shape[: array.ndim - len(axes)]
    length = math.prod(moved.shape[array.ndim - len(axes) :])
    rows = moved.reshape((math.prod(others), length))
    found = np.stack([function(row) for row in rows]).astype(array.dtype)
    return np.moveaxis(found.reshape(moved.shape), range(array.ndim - len(axes), array.ndim), axes)


def each_matrix(
    function: Oracle, array: np.ndarray, axis: Any = "unit", batch: Sequence[int] = ()
) -> np.ndarray:
    """What a function returns for each matrix, in the place of that matrix."""
    counts = axes_of(tuple(batch), array.ndim)
    rows = tuple(one for one in axes_of(axis, array.ndim) if one not in counts)
    columns = tuple(one for one in range(array.ndim) if one not in (*counts, *rows))
    order = (*counts, *rows, *columns)
    moved = np.transpose(array, order)
    sizes = [math.prod(array.shape[one] for one in some) for some in (counts, rows, columns)]
    found = np.stack([function(matrix) for matrix in moved.reshape(sizes)])
    return np.transpose(found.reshape(moved.shape), np.argsort(order))


def weights(shape: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Weights of a shape that are small, large, tied, zero, and far from zero beside their size."""
    random = np.random.default_rng(seed)
    normal = random.normal(size=shape)
    return [
        normal,
        normal * 1e-3,
        normal * 50,
        normal + 1e4,
        np.round(normal * 2) / 2,
        np.zeros(shape),
        np.full(shape, 0.75),
    ]


def check_agrees(
    constraint: Constraint, oracle: Oracle, weight: np.ndarray, *, jax: bool = False
) -> None:
    """A projection is what the oracle says, in NumPy's float64 and in others' float32."""
    expected = oracle(weight)
    found = constraint(read_only(weight))
    assert found.dtype == weight.dtype
    assert found.shape == weight.shape
    check_close(found, expected, EXACT)
    narrow = weight.astype(np.complex64 if np.iscomplexobj(weight) else np.float32)
    expected = oracle(narrow.astype(weight.dtype))
    found = constraint(torch.tensor(narrow))
    assert found.dtype == torch.tensor(narrow).dtype
    check_close(found.numpy(), expected, ROUNDED)
    if jax:
        found = constraint(jnp.asarray(narrow))
        assert found.dtype == narrow.dtype
        check_close(np.asarray(found), expected, ROUNDED)


def check_close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Entries differ by no more than a fraction of the largest expected."""
    scale = np.abs(expected).max(initial=0.0)
    off = np.abs(found - expected).max(initial=0.0)
    assert off <= tolerance * scale + 1e-30, (off, scale)


def check_tangent(constraint: Constraint, weight: np.ndarray, *, tolerance: float = 1e-5) -> None:
    """Minus the projected gradient is where the projection goes from a feasible weight."""
    random = np.random.default_rng(5)
    feasible = constraint(weight)
    normal = feasible - weight
    gradients = [random.normal(size=weight.shape) for _ in range(3)]
    if np.iscomplexobj(weight):
        gradients = [one + 1j * random.normal(size=weight.shape) for one in gradients]
    # What leads straight out, and straight in.
    gradients += [normal, -normal, gradients[0] + normal]
    step = 1e-7
    for gradient in gradients:
        gradient = gradient / max(np.abs(gradient).max(), 1e-300)
        found = constraint.tangent(feasible, gradient)
        assert found.dtype == gradient.dtype
        assert found.shape == gradient.shape
        moved = (constraint(feasible - step * gradient) - feasible) / step
        assert np.abs(-found - moved).max() <= tolerance
        assert np.allclose(constraint.tangent(feasible, 3 * gradient), 3 * found, atol=1e-9)


def check_holds(constraint: Constraint, weight: np.ndarray) -> None:
    """What was projected is feasible, and stays as it is."""
    found = constraint(weight)
    assert found.dtype == weight.dtype
    violations = np.asarray(constraint.violations(found), np.float64)
    assert not violations.any(), violations.max()
    assert np.array_equal(constraint(found).view(np.uint8), found.view(np.uint8))


def narrow_weights(shape: Sequence[int], dtype: Any) -> list[np.ndarray]:
    """Weights of a narrow dtype of about one, of little and of much beside a bound of one."""
    normal = np.random.default_rng(3).normal(size=shape)
    return [(normal * scale).astype(dtype) for scale in (0.02, 1.0, 30.0)]


def check_round_trip(constraint: Constraint) -> None:
    """A constraint comes back from JSON as it was, and projects as it did."""
    text = json.dumps(serialize(constraint))
    loaded = deserialize(json.loads(text))
    assert loaded == constraint
    assert hash(loaded) == hash(constraint)
    assert repr(loaded) == repr(constraint)
    assert type(loaded) is type(constraint)


def check_refused(make: Callable[[], Any], *words: str) -> None:
    """An error says which argument cannot be used, and what it was."""
    with pytest.raises((ValueError, TypeError)) as raised:
        make()
    for word in words:
        assert word in str(raised.value)


def check_no_complex(constraint: Constraint, shape: Sequence[int]) -> None:
    """A set that has no order for complex numbers refuses them."""
    for weight in (np.ones(shape, np.complex64), torch.ones(*shape, dtype=torch.complex128)):
        with pytest.raises(TypeError, match=r"the weight must be real\. Received: complex"):
            constraint(weight)


def complex_weight(shape: Sequence[int], seed: int = 1) -> np.ndarray:
    """A complex weight, of parts that are normal."""
    random = np.random.default_rng(seed)
    return random.normal(size=shape) + 1j * random.normal(size=shape)
