"""Every function against Keras's own, on every backend."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

import array_api_strict
import jax
import jax.numpy as jnp
import keras
import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.conftest import BACKENDS, Backend, compiled

from feasible import backends, ops
from feasible.arguments import InvalidArgumentError
from feasible.constraints import Constraint

Array = Any
INF = float("inf")
NAN = float("nan")


class Stored(NamedTuple):
    """Where the arguments of a case hold an array."""

    name: str


VALUES = {
    "w": np.random.default_rng(0).uniform(0.1, 3.0, (4, 3)) * [[1], [-1], [1], [-1]],
    "v": np.random.default_rng(1).uniform(0.1, 3.0, (4, 3)),
    "ties": np.array([[2.0, 0.0, 2.0], [-1.0, 3.0, 0.0]]),
    "symmetric": np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]]),
    "thin": np.array([[[2.0], [-1.0]]]),
    "specials": np.array([NAN, INF, -INF, 0.0, 2.0]),
    "counts": np.array([[1, 2, 0]] * 4),
    "mask": np.array([[True, False, True]] * 4),
}
W, V, TIES, SYMMETRIC, THIN, SPECIALS, COUNTS, MASK = map(Stored, VALUES)


@dataclass(frozen=True, eq=False)
class Case:
    """A call that is made both of our function and of Keras's."""

    name: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def __str__(self) -> str:
        named = [f"{name}={value}" for name, value in self.options.items()]
        return f"{self.name}({', '.join([*map(_shown, self.arguments), *named])})"

    def takes_floats(self) -> bool:
        """Whether an argument that decides the dtype is a stored array of floats."""
        values = self.arguments[1:] if self.name == "where" else self.arguments
        return not {"counts", "mask"}.issuperset(_names(list(values)))

    def call(self, functions: Any, arrays: dict[str, Array]) -> Any:
        arguments = [_filled(argument, arrays) for argument in self.arguments]
        return getattr(functions, self.name)(*arguments, **self.options)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return value.name if isinstance(value, Stored) else str(value)


def _names(value: Any) -> list[str]:
    if isinstance(value, Stored):
        return [value.name]
    return [name for item in value for name in _names(item)] if isinstance(value, list) else []


def _filled(value: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(value, Stored):
        return arrays[value.name]
    return [_filled(item, arrays) for item in value] if isinstance(value, list) else value


def case(name: str, *arguments: Any, **options: Any) -> Case:
    return Case(name, arguments, options)


UNARY = ("abs", "absolute", "sign", "negative", "square", "reciprocal", "exp", "expm1", "sin")
UNARY += ("cos", "tanh", "sigmoid", "softplus", "relu", "floor", "ceil", "round", "logical_not")
POSITIVE = ("sqrt", "rsqrt", "log", "log1p", "log2")
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "greater", "less")
BINARY += ("greater_equal", "less_equal", "equal", "not_equal")
LOGICAL = ("logical_and", "logical_or", "logical_xor")
REDUCTIONS = ("sum", "prod", "mean", "var", "std", "max", "min", "any", "all")
POSITIONS = ("argmax", "argmin")
RUNNING = ("cumsum", "cumprod")
AXES: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": (0, -1), "keepdims": True}]

CASES = [
    *(case(name, W) for name in UNARY),
    *(case(name, V) for name in POSITIVE),
    *(case(name, COUNTS) for name in ("exp", "tanh", "floor", "square", "mean", "sum", "std")),
    *(case(name, SPECIALS) for name in ("isnan", "isinf", "isfinite")),
    *(case(name, W, V) for name in BINARY),
    *(case(name, TIES, 2.0) for name in BINARY),
    *(case(name, 2.0, W) for name in BINARY),
    *(case(name, W, COUNTS) for name in ("add", "multiply", "maximum", "greater_equal")),
    *(case(name, COUNTS, 2) for name in ("add", "multiply", "maximum", "divide", "power")),
    *(case(name, COUNTS, 0.5) for name in ("add", "multiply", "maximum", "divide")),
    *(case(name, W, MASK) for name in LOGICAL),
    *(case(name, MASK, True) for name in LOGICAL),
    *(case(name, W, 0.0) for name in LOGICAL),
    *(case(name, W, **axes) for name in REDUCTIONS for axes in AXES),
    *(case(name, TIES, axis=1) for name in (*REDUCTIONS, *POSITIONS, *RUNNING)),
    *(case(name, W, axis=0, keepdims=True) for name in POSITIONS),
    *(case(name, W) for name in (*POSITIONS, *RUNNING)),
    case("round", W, decimals=1),
    case("power", V, W),
    case("power", W, 2),
    case("power", 2.0, W),
    case("clip", W, -1.0, 1.0),
    case("clip", W, -1.0, V),
    case("where", MASK, W, V),
    case("where", MASK, W, 0.0),
    case("where", MASK, 0, W),
    case("where", MASK, 1.0, 0.0),
    case("where", W, W, COUNTS),
    case("where", [True, False, True], W, 0.0),
    case("matmul", SYMMETRIC, SYMMETRIC),
    case("matmul", W, [1.0, 2.0, 3.0]),
    case("matmul", COUNTS, SYMMETRIC),
    case("diagonal", W),
    case("diagonal", W, offset=1, axis1=1, axis2=0),
    case("trace", W, offset=-1),
    *(case("norm", W, **axes) for axes in (*AXES, {"keepdims": True})),
    *(case("norm", W, ord=order, axis=0) for order in (0, 1, 2, 3, 0.5, INF, -INF)),
    *(
        case("norm", W, ord=order, axis=axis, keepdims=axis is not None)
        for order in ("fro", "nuc", 1, -1, 2, -2, INF, -INF)
        for axis in (None, (-1, 0))
    ),
    case("norm", COUNTS),
    case("normalize", W),
    case("normalize", W, axis=None),
    case("normalize", TIES, axis=(0, 1)),
    case("normalize", W, axis=0, order=1),
    case("normalize", W, axis=0, epsilon=100.0),
    case("svd", W, compute_uv=False),
    case("inv", SYMMETRIC),
    case("transpose", W),
    case("transpose", W, (0, 1)),
    case("moveaxis", W, 0, -1),
    case("moveaxis", W, (0, 1), (1, 0)),
    case("reshape", W, (2, -1)),
    case("reshape", W, -1),
    case("ravel", W),
    case("squeeze", THIN),
    case("squeeze", THIN, -1),
    case("squeeze", THIN, (0, 2)),
    case("squeeze", W),
    case("expand_dims", W, -1),
    case("expand_dims", W, (0, -1)),
    case("broadcast_to", W, (2, 4, 3)),
    case("tile", W, 2),
    case("tile", W, (2, 1, 2)),
    case("repeat", W, 2),
    case("repeat", W, 2, axis=0),
    case("flip", W),
    case("flip", W, axis=(0,)),
    case("flip", W, axis=-1),
    case("roll", W, 1),
    case("roll", W, -1, axis=0),
    case("roll", W, (1, 2), axis=(0, 1)),
    case("tril", W),
    case("triu", W, k=1),
    case("concatenate", [W, V]),
    case("concatenate", [W, [[1.0, 2.0, 3.0]]], axis=0),
    case("concatenate", [W, COUNTS], axis=-1),
    case("stack", [W, V]),
    case("stack", [W, V], axis=-1),
    case("split", W, 3, axis=1),
    case("split", W, [1, 3]),
    case("take", W, 1),
    case("take", W, [0, -1], axis=0),
    case("take", W, [[0, 2], [1, -1]], axis=-1),
    case("take_along_axis", W, [[0], [2], [-1], [1]], axis=1),
    case("take_along_axis", W, [0, 5]),
    case("sort", W),
    case("sort", TIES, axis=0),
    case("sort", TIES, axis=None),
    case("argsort", W),
    case("argsort", TIES, axis=0),
    case("argsort", TIES, axis=None),
    case("zeros_like", W),
    case("ones_like", W, dtype="int32"),
    case("full_like", W, 2.5),
    case("full_like", COUNTS, 2.5, dtype="float32"),
    case("cast", W, "int32"),
    case("cast", MASK, "float32"),
    case("convert_to_tensor", W),
]
# These have a test of their own, because Keras's result is of another kind or not unique.
ALONE = {
    "arange",
    "eye",
    "full",
    "linspace",
    "ones",
    "zeros",
    "convert_to_numpy",
    "count_nonzero",
    "dtype",
    "eigh",
    "ndim",
    "qr",
    "shape",
    "size",
}


NUMPY, READ_ONLY, TORCH, JAX, STRICT = EAGER = [
    next(backend for backend in BACKENDS if backend.name == name)
    for name in ("numpy", "numpy-read-only", "torch", "jax", "array-api-strict")
]


@functools.cache
def stored(xp: Backend, dtype: str = "float32") -> dict[str, Array]:
    dtypes = {"counts": "int32", "mask": "bool"}
    return {name: xp.asarray(values, dtypes.get(name, dtype)) for name, values in VALUES.items()}


def contents(xp: Backend, dtype: str) -> list[bytes]:
    return [xp.to_numpy(array).tobytes() for array in stored(xp, dtype).values()]


def called(tested: Case, functions: Any, arrays: dict[str, Array]) -> Array:
    """A case's result, as one array if it is a list of them."""
    result = tested.call(functions, arrays)
    if not isinstance(result, list):
        return result
    return functions.concatenate([functions.reshape(part, (-1,)) for part in result])


TOLERANCES = {"float64": 1e-5, "float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}


@functools.cache
def expected(tested: Case, dtype: str) -> np.ndarray:
    """What Keras on the PyTorch backend computes in float32, of the values rounded to a dtype."""
    rounded = {
        name: array.float() if array.is_floating_point() else array
        for name, array in stored(TORCH, dtype).items()
    }
    return called(tested, keras.ops, rounded).numpy()


def check(tested: Case, values: np.ndarray, dtype: str = "float32") -> None:
    wanted = expected(tested, dtype)
    assert values.shape == wanted.shape
    if wanted.dtype != np.float32:
        assert values.dtype.kind == wanted.dtype.kind
    else:
        assert ops.dtype(values) == (dtype if tested.takes_floats() else "float32")
        values = values.astype(np.float32)
    tolerance = TOLERANCES[dtype]
    np.testing.assert_allclose(values, wanted, rtol=tolerance, atol=tolerance, err_msg=dtype)


# JAX compiles each function that it runs eagerly, so that all of them under jit take less time.
@pytest.mark.parametrize("xp", [NUMPY, READ_ONLY, TORCH, STRICT], ids=lambda xp: xp.name)
@pytest.mark.parametrize("tested", CASES, ids=str)
def test_function_equals_keras(tested: Case, xp: Backend) -> None:
    for dtype in xp.dtypes:
        arrays, before = stored(xp, dtype), contents(xp, dtype)
        result = called(tested, ops, arrays)
        assert type(result) is type(arrays["w"])
        check(tested, xp.to_numpy(result), dtype)
        assert contents(xp, dtype) == before


def vmapped(function: Any) -> Any:
    """`function` under vmap over two copies of its arrays, under jit, as a training step is."""

    @jax.jit
    def both(arrays: dict[str, Array]) -> Any:
        copies = jax.tree.map(lambda array: jnp.stack([array, array]), arrays)
        return jax.tree.map(lambda result: result[1], jax.vmap(function)(copies))

    return both


@pytest.mark.parametrize("dtype", JAX.dtypes)
def test_jax_equals_keras_under_jit_and_vmap(dtype: str) -> None:
    def every(arrays: dict[str, Array]) -> list[Array]:
        return [called(tested, ops, arrays) for tested in CASES]

    for tested, result in zip(CASES, vmapped(every)(stored(JAX, dtype)), strict=True):
        check(tested, np.asarray(result), dtype)


def test_torch_compile_equals_keras() -> None:
    first = {tested.name: tested for tested in reversed(CASES)}
    cases = [*first.values(), *(tested for tested in CASES if tested.name in ("maximum", "where"))]

    def every(arrays: dict[str, Array]) -> list[Array]:
        return [called(tested, ops, arrays) for tested in cases]

    for tested, result in zip(cases, compiled(every)(stored(TORCH)), strict=True):
        check(tested, result.numpy())


def test_torch_vmap() -> None:
    def function(w: Array) -> Array:
        return ops.sign(w) * ops.relu(ops.abs(w) - ops.mean(w))

    w = stored(TORCH)["w"]
    rows = torch.stack([function(row) for row in w])
    assert torch.equal(torch.vmap(function)(w), rows)


def test_torch_compile_needs_no_call_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_namespaces", {})
    assert compiled(ops.square)(torch.tensor([2.0, -3.0])).tolist() == [4.0, 9.0]


def test_constants_made_while_torch_compiles() -> None:
    mask = np.array([1.0, 0.0], np.float32)

    def constraint(w: torch.Tensor) -> torch.Tensor:
        return ops.multiply(w, mask) + ops.convert_to_tensor([0.5, 1.5])

    assert compiled(constraint)(torch.tensor([2.0, -3.0])).tolist() == [2.5, 1.5]


# What the table cannot compare: what Keras lacks, returns otherwise, or has wrong.


def test_inspection(xp: Backend) -> None:
    w = xp.asarray(VALUES["w"])
    assert ops.shape(w) == (4, 3)
    assert type(ops.shape(w)) is tuple
    assert ops.ndim(w) == 2
    assert ops.size(w) == 12
    assert [ops.dtype(xp.asarray(1.0, dtype)) for dtype in xp.dtypes] == list(xp.dtypes)


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_convert_to_numpy(xp: Backend) -> None:
    for dtype in xp.dtypes:
        array = ops.convert_to_numpy(xp.asarray(VALUES["w"], dtype))
        wanted = "float32" if (xp, dtype) == (TORCH, "bfloat16") else dtype
        assert type(array) is np.ndarray
        assert array.dtype == wanted
        np.testing.assert_allclose(array.astype(float), VALUES["w"], rtol=TOLERANCES[dtype])


def test_convert_to_numpy_of_a_parameter() -> None:
    assert ops.convert_to_numpy(torch.nn.Parameter(torch.ones(2))).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_keepdims_without_an_axis_keeps_all(xp: Backend) -> None:
    for name in (*REDUCTIONS, *POSITIONS, "norm"):
        assert getattr(ops, name)(xp.asarray(VALUES["w"]), keepdims=True).shape == (1, 1)


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_count_nonzero(xp: Backend) -> None:
    ties = xp.asarray(VALUES["ties"])
    assert int(ops.count_nonzero(ties)) == 4
    assert xp.to_numpy(ops.count_nonzero(ties, axis=-1)).tolist() == [2, 2]
    assert int(ops.count_nonzero(ties, axis=[0, 1])) == 4


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_decompositions(xp: Backend) -> None:
    for dtype in xp.dtypes:
        w, symmetric = (xp.asarray(VALUES[name], dtype) for name in ("w", "symmetric"))
        u, s, vh = ops.svd(w, full_matrices=False)
        q, r = ops.qr(w)
        values, vectors = ops.eigh(symmetric)
        full, _, _ = ops.svd(w)
        assert ops.shape(full) == ops.shape(ops.qr(w, mode="complete")[0]) == (4, 4)
        for product, wanted in (
            (ops.matmul(ops.multiply(u, s), vh), "w"),
            (ops.matmul(q, r), "w"),
            (ops.matmul(ops.multiply(vectors, values), ops.transpose(vectors)), "symmetric"),
        ):
            assert ops.dtype(product) == dtype
            found = xp.to_numpy(product).astype(float)
            np.testing.assert_allclose(found, VALUES[wanted], atol=20 * TOLERANCES[dtype])


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_nan_is_never_hidden(xp: Backend) -> None:
    specials = xp.asarray(VALUES["specials"])
    for result in (
        ops.sign(specials),
        ops.relu(specials),
        ops.abs(specials),
        ops.clip(specials, -1.0, 1.0),
        ops.maximum(specials, 0.0),
        ops.minimum(0.0, specials),
    ):
        assert np.isnan(xp.to_numpy(result)).tolist() == [True, False, False, False, False]
    for result in (ops.max(specials), ops.min(specials), ops.sum(specials), ops.norm(specials)):
        assert np.isnan(xp.to_numpy(result))


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "tanh"])
@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_saturating_functions_are_exact_far_from_zero(name: str, xp: Backend) -> None:
    values = np.array([-80.0, -20.0, 20.0, 80.0])
    found = xp.to_numpy(getattr(ops, name)(xp.asarray(values)))
    wanted = getattr(keras.ops, name)(torch.tensor(values)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


# Sums.


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_sums_do_not_stall(xp: Backend) -> None:
    for dtype in xp.dtypes:
        column = xp.asarray(np.ones((5000, 1)), dtype)
        ones = ops.ravel(column)
        for total in (
            ops.sum(ones),
            ops.sum(column, axis=0),
            ops.cumsum(ones)[-1],
            ops.matmul(ops.transpose(column), ones),
            ops.square(ops.norm(ones)),
        ):
            found = float(ops.reshape(total, ()))
            assert found == pytest.approx(5000, rel=TOLERANCES[dtype])
        assert float(ops.mean(column, axis=0)[0]) == 1
        assert float(ops.std(ones)) == 0


@pytest.mark.parametrize("xp", [NUMPY, TORCH, STRICT], ids=lambda xp: xp.name)
def test_norm_of_what_cannot_be_squared(xp: Backend) -> None:
    for scale in (1e30, 1e-30):
        found = ops.norm(xp.asarray(np.array([3.0, 4.0]) * scale))
        assert float(found) == pytest.approx(5 * scale, rel=1e-6)


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_normalize_leaves_zeros(xp: Backend) -> None:
    for dtype in xp.dtypes:
        found = ops.normalize(xp.asarray(np.zeros((2, 3)), dtype))
        assert not xp.to_numpy(found).any()


@pytest.mark.parametrize("axis", [None, 0, (1, 0), (-2, 2)], ids=str)
@pytest.mark.parametrize("ord", [None, 1, 2, "fro", -INF], ids=str)
def test_norm_equals_numpy(ord: Any, axis: Any) -> None:  # noqa: A002
    w = np.random.default_rng(0).normal(size=(2, 3, 4))
    allowed = ord is None or isinstance(axis, tuple) or (axis == 0 and ord != "fro")
    if allowed:
        wanted = np.linalg.norm(w, ord, axis, keepdims=True)
        np.testing.assert_allclose(ops.norm(w, ord, axis, keepdims=True), wanted, rtol=1e-12)
    else:
        with pytest.raises(InvalidArgumentError, match="norm: `ord` must be"):
            ops.norm(w, ord, axis)


def test_norm_of_an_unknown_order() -> None:
    with pytest.raises(InvalidArgumentError, match=r"norm: `ord` must be one of 'fro', 'nuc', 1"):
        ops.norm(np.ones((2, 2)), ord=3)


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_norm_of_one_number(xp: Backend) -> None:
    assert float(ops.norm(xp.asarray(-3.0))) == 3


@pytest.mark.parametrize("axis", [2, -3])
@pytest.mark.parametrize(
    "function",
    [
        lambda w, axis: ops.take(w, 0, axis),
        lambda w, axis: ops.split(w, 1, axis),
        lambda w, axis: ops.norm(w, axis=axis),
        lambda w, axis: ops.norm(w, 1, (0, axis), keepdims=True),
        lambda w, axis: ops.sum(w, axis),
        lambda w, axis: ops.expand_dims(w, 2 * axis),
        lambda w, axis: ops.diagonal(w, axis2=axis),
    ],
)
@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_axes_that_do_not_exist_are_refused(xp: Backend, function: Any, axis: int) -> None:
    with pytest.raises((ValueError, IndexError)):
        function(xp.asarray(VALUES["w"]), axis)


# Which library, which dtype.


PROMOTIONS: list[tuple[str, tuple[Any, ...], str]] = [
    ("maximum", (1, 2.5), "float32"),
    ("maximum", (1, 2), "int32"),
    ("maximum", ([1.0], 2), "float32"),
    ("maximum", (True, False), "bool"),
    ("maximum", (np.float16(1), 2.5), "float16"),
    ("maximum", (np.ones(2, np.float16), np.float64(2.5)), "float16"),
    ("multiply", (np.ones(2, np.float16), [0.5, 1.5]), "float16"),
    ("multiply", (np.ones(2), [0.1, 0.2]), "float64"),
    ("multiply", (np.ones(2, np.float32), np.array(3)), "float32"),
    ("multiply", (np.ones(2, np.int64), 0.5), "float32"),
    ("multiply", (np.ones(2, np.float32), np.ones(2)), "float64"),
    ("divide", (np.ones(2, np.int64), np.ones(2, np.int64)), "float32"),
    ("square", (np.ones(2, bool),), "int32"),
    ("multiply", (np.ones(2, bool), np.ones(2, bool)), "bool"),
    ("subtract", (np.ones(2, bool), np.ones(2, bool)), "int32"),
    ("sum", (np.ones((2, 2), np.float32), np.int64(0)), "float32"),
    ("norm", (np.ones((2, 2)), None, np.int64(0)), "float64"),
    ("sqrt", (np.float64(4),), "float64"),
    ("sum", (np.ones(2, ml_dtypes.bfloat16),), "bfloat16"),
    ("add", (np.ones(2, np.complex64), 1.5), "complex64"),
]


@pytest.mark.parametrize(("name", "arguments", "dtype"), PROMOTIONS)
def test_promotion(name: str, arguments: tuple[Any, ...], dtype: str) -> None:
    result = getattr(ops, name)(*arguments)
    assert type(result) is np.ndarray
    assert result.dtype == dtype


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
def test_numpy_gives_way_to_other_libraries(xp: Backend) -> None:
    w = xp.asarray([2.0, -3.0])
    mask = np.array([1, 0])
    mask.flags.writeable = False
    for result, wanted in (
        (ops.multiply(mask, w), [2, 0]),
        (ops.where(mask, w, 0.5), [2, 0.5]),
        (ops.where(w, mask, np.array([5.0, 5.0], np.float32)), [1, 0]),
        (ops.take(w, mask), [-3, 2]),
        (ops.stack([mask, w])[1, :], [2, -3]),
        (ops.convert_to_tensor([w[1], 4]), [-3, 4]),
        (ops.convert_to_tensor([[w[1]], [np.float64(4)]])[:, 0], [-3, 4]),
    ):
        assert type(result) is type(w)
        assert xp.to_numpy(result).tolist() == wanted
        assert ops.dtype(result) == "float32"


def test_results_stay_on_the_device() -> None:
    w = torch.ones(2, device="meta", dtype=torch.float16)
    for result in (
        ops.maximum(w, 0.5),
        ops.multiply([1.0, 2.0], w),
        ops.multiply(np.ones(2), w),
        ops.where(w, 1.0, 0.0),
        ops.full_like(w, 2.0),
        ops.take(w, [0, -1]),
    ):
        assert result.device.type == "meta"


@pytest.mark.parametrize("value", ["one", None, {1.0}, ["one"]], ids=str)
def test_what_is_no_array_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="expected an array of NumPy, PyTorch, JAX"):
        ops.abs(value)


# Conversion.


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ((-1.0, 1.0), "float32"),
        ((1, 2), "int32"),
        ((1, 2.0), "float32"),
        ([[1.0], [2.0]], "float32"),
        ([True, 2], "int32"),
        ([np.float64(1)], "float32"),
        ([], "float32"),
        (range(2), "int32"),
        (3.5, "float32"),
        (True, "bool"),
    ],
    ids=str,
)
def test_numbers_become_arrays_as_in_keras(value: Any, dtype: str) -> None:
    array = ops.convert_to_tensor(value)
    assert type(array) is np.ndarray
    assert array.dtype == dtype
    listed = list(value) if isinstance(value, range) else value
    np.testing.assert_array_equal(array, keras.ops.convert_to_tensor(listed).numpy(), strict=True)


def test_arrays_are_converted_to_themselves(xp: Backend) -> None:
    w = xp.asarray(VALUES["w"], xp.dtypes[0])
    assert ops.convert_to_tensor(w) is w
    assert ops.cast(w, xp.dtypes[0]) is w


NAMES = [np.float32, np.dtype("float32"), torch.float32, jnp.float32, array_api_strict.float32]


@pytest.mark.parametrize("xp", EAGER, ids=lambda xp: xp.name)
@pytest.mark.parametrize("dtype", ["float32", float, *NAMES], ids=str)
def test_dtypes_of_any_library(dtype: Any, xp: Backend) -> None:
    counts = xp.asarray([1, 0], "int32")
    for result in (
        ops.cast(counts, dtype),
        ops.convert_to_tensor(counts, dtype=dtype),
        ops.zeros_like(counts, dtype=dtype),
        ops.ones_like(counts, dtype=dtype),
        ops.full_like(counts, 2, dtype=dtype),
    ):
        assert type(result) is type(counts)
        assert ops.dtype(result) == "float32"


@pytest.mark.parametrize(("dtype", "name"), [(int, "int32"), (bool, "bool"), (np.bool_, "bool")])
def test_python_types_are_dtypes(dtype: Any, name: str) -> None:
    assert ops.dtype(ops.cast([1.0], dtype)) == name


@pytest.mark.parametrize("function", [ops.cast, ops.convert_to_tensor, ops.zeros_like])
@pytest.mark.parametrize("dtype", ["float77", str, "sum", "torch", 32], ids=str)
def test_unknown_dtypes_are_refused(function: Any, dtype: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`dtype` must be .*'float32'.* dtype="):
        function(torch.ones(2), dtype=dtype)


def test_dtypes_that_a_library_lacks_are_refused() -> None:
    w = array_api_strict.asarray([1.0])
    with pytest.raises(InvalidArgumentError, match="cast: `dtype` must be") as raised:
        ops.cast(w, "bfloat16")
    assert "'float32'" in str(raised.value)
    assert "'float16'" not in str(raised.value)


def test_bfloat16_of_numpy() -> None:
    assert ops.cast([1.0], "bfloat16").dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("pieces", [0, 3, -1])
def test_split_into_unequal_pieces_is_refused(pieces: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"divisor of 4, .* axis -2.*={pieces}"):
        ops.split(np.ones((4, 3)), pieces, axis=-2)


# Constraints, written as on the Keras pages.


class NonNegative(Constraint):
    def __call__(self, w):
        return w * ops.cast(ops.greater_equal(w, 0.), dtype=w.dtype)  # fmt: skip


class CenterAround(Constraint):
    """Constrains weight tensors to be centered around `ref_value`."""

    def __init__(self, ref_value):
        self.ref_value = ref_value

    def __call__(self, w):
        mean = ops.mean(w)
        return w - mean + self.ref_value

    def get_config(self):
        return {"ref_value": self.ref_value}


def test_non_negative(xp: Backend) -> None:
    for dtype in xp.dtypes:
        result = xp.to_numpy(xp.call(NonNegative(), xp.asarray([[-1.0, 1.0], [2.5, -0.5]], dtype)))
        assert ops.dtype(result) == dtype
        assert result.tolist() == [[0.0, 1.0], [2.5, 0.0]]


def test_center_around(xp: Backend) -> None:
    for dtype in xp.dtypes:
        result = xp.to_numpy(xp.call(CenterAround(0.5), xp.asarray(VALUES["w"], dtype)))
        assert result.astype(float).mean() == pytest.approx(0.5, abs=TOLERANCES[dtype])


def test_the_page_s_example() -> None:
    weight = ops.convert_to_tensor((-1.0, 1.0))
    assert type(weight) is np.ndarray
    np.testing.assert_array_equal(NonNegative()(weight), np.array([0, 1], np.float32), strict=True)


def test_derivatives() -> None:
    def loss(w: Array) -> Array:
        centred = ops.subtract(w, ops.mean(w, axis=0, keepdims=True))
        return ops.sum(ops.square(ops.norm(ops.clip(centred, -1.0, 1.0), axis=0)))

    w = torch.tensor(VALUES["w"], requires_grad=True)
    loss(w).backward()
    found = jax.grad(loss)(jnp.asarray(VALUES["w"], jnp.float32))
    centred = VALUES["w"] - VALUES["w"].mean(axis=0)
    inside = np.where(abs(centred) < 1, 2 * centred, 0)
    np.testing.assert_allclose(w.grad.numpy(), inside - inside.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found, inside - inside.mean(axis=0), rtol=1e-5)


ARRAYS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=4),
    elements=st.floats(-8, 8, width=16),
)


@given(ARRAYS, st.data())
def test_reductions_of_any_shape(w: np.ndarray, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*REDUCTIONS, "norm"]))
    axes = st.sets(st.integers(-w.ndim, -1), min_size=1).map(tuple)
    if name == "norm":
        axes = axes.filter(lambda drawn: len(drawn) < 3)
    axis, keepdims = data.draw(st.integers(0, w.ndim - 1) | axes), data.draw(st.booleans())
    wanted = getattr(keras.ops, name)(torch.tensor(w), axis=axis, keepdims=keepdims).numpy()
    for array in (w, torch.tensor(w), jnp.asarray(w), array_api_strict.asarray(w)):
        found = ops.convert_to_numpy(getattr(ops, name)(array, axis=axis, keepdims=keepdims))
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


# Arrays made out of nothing.

MADE = [
    ("eye", (3,), {}),
    ("eye", (2, 3), {"k": 1, "dtype": "int32"}),
    ("zeros", ((2, 3),), {}),
    ("ones", (3,), {"dtype": "float16"}),
    ("full", ((2,), 3), {}),
    ("arange", (4,), {}),
    ("arange", (1, 2.5, 0.5), {}),
    ("linspace", (0, 1, 5), {"endpoint": False}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), MADE)
def test_what_is_made_is_what_keras_makes(name: str, arguments: Any, options: Any) -> None:
    found = getattr(ops, name)(*arguments, **options)
    wanted = keras.ops.convert_to_numpy(getattr(keras.ops, name)(*arguments, **options))
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted)


def test_what_is_made_becomes_what_it_meets() -> None:
    tensor = torch.ones(2, 2, requires_grad=True)
    for result in (tensor - ops.eye(2), ops.eye(2) * tensor, ops.matmul(tensor, ops.eye(2))):
        assert isinstance(result, torch.Tensor)
        assert result.requires_grad
    assert ops.linspace(0, 1, 3, retstep=True)[1] == 0.5


# Names and arguments.


def test_every_function_has_a_case() -> None:
    assert {tested.name for tested in CASES} | ALONE == set(ops.__all__)


@pytest.mark.parametrize("name", ops.__all__)
def test_arguments_are_keras_s(name: str) -> None:
    ours = inspect.signature(getattr(ops, name)).parameters
    theirs = inspect.signature(getattr(keras.ops, name)).parameters
    assert list(ours) == list(theirs)[: len(ours)]
    # Keras's `where` without the others finds positions, and its epsilon of None stands for ours.
    for key in ours.keys() - {"epsilon"} - ({"x1", "x2"} if name == "where" else set()):
        assert ours[key].default == theirs[key].default


@pytest.mark.parametrize("name", ops.__all__)
def test_every_function_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(getattr(ops, name)) or "")


def test_import_needs_no_framework() -> None:
    code = (
        "import sys, feasible.ops;"
        "print({'torch', 'jax', 'keras', 'ml_dtypes', 'array_api_compat'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
