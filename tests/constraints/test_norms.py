from __future__ import annotations

from typing import Any

import array_api_strict
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from tests.conftest import BACKENDS, Backend

from feasible.backends import namespace
from feasible.constraints import MaxNorm, MinMaxNorm, NormConstraint, UnitNorm
from feasible.constraints.gate import projection_steps
from feasible.constraints.parts import Part, added_together, run_together

WEIGHT = np.random.default_rng(0).normal(size=(3, 3, 4, 5))
# One of each library, for what has weights of its own shape: JAX compiles each shape anew.
LIBRARIES = ("numpy", "torch", "jax-jit", "array-api-strict")
each_library = pytest.mark.parametrize(
    "xp",
    [backend for backend in BACKENDS if backend.name in LIBRARIES],
    ids=lambda backend: backend.name,
)
BOUNDED = [MaxNorm(2), MinMaxNorm(1, 2), UnitNorm()]


def norm(values: Any, axis: Any = 0) -> Any:
    return np.sqrt(np.sum(np.square(np.asarray(values, np.float64)), axis=axis))


def call(xp: Backend, constraint: NormConstraint, values: Any, dtype: str) -> np.ndarray:
    return xp.to_numpy(xp.call(constraint, xp.asarray(values, dtype)))


def oracle(w: np.ndarray, low: float, high: float, rate: float, axes: Any) -> np.ndarray:
    norms = np.sqrt(np.sum(w**2, axis=axes, keepdims=True)) if axes != () else np.abs(w)
    return w * ((1 - rate) * norms + rate * np.clip(norms, low, high)) / norms


# An axis, and the axes that it is in a weight with four of them.
AXES = [
    (0, (0,)),
    (-1, (3,)),
    (2, (2,)),
    ((0, 1), (0, 1)),
    ([0, 1, 2], (0, 1, 2)),
    ((3, -3), (1, 3)),
    ((), ()),
    (None, (0, 1, 2, 3)),
    ("unit", (0, 1, 2)),
]
CASES = [
    (MaxNorm, {"max_value": 1.5}, (0, 1.5, 1)),
    (MinMaxNorm, {"min_value": 1.0, "max_value": 1.5}, (1, 1.5, 1)),
    (MinMaxNorm, {"min_value": 1.0, "max_value": 1.5, "rate": 0.3}, (1, 1.5, 0.3)),
    (UnitNorm, {}, (1, 1, 1)),
]


@pytest.mark.parametrize(("kind", "arguments", "bounds"), CASES)
@pytest.mark.parametrize(("axis", "axes"), AXES, ids=repr)
def test_against_numpy(axis: Any, axes: Any, kind: Any, arguments: Any, bounds: Any) -> None:
    expected = oracle(WEIGHT, *bounds, axes)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-6), ("float16", 1e-3)):
        found = kind(**arguments, axis=axis)(WEIGHT.astype(dtype))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@each_library
def test_norms_of_a_bias_are_of_its_elements(xp: Backend) -> None:
    found = call(xp, MaxNorm(0.5, axis="unit"), [-3.0, 0.25, 0.5], "float32")
    np.testing.assert_allclose(found, [-0.5, 0.25, 0.5], rtol=1e-6)
    assert found[1:].tolist() == [0.25, 0.5]


@each_library
def test_weight_without_axes(xp: Backend) -> None:
    for axis in (None, "unit"):
        found = call(xp, UnitNorm(axis=axis), -3.0, "float32")
        assert found.shape == ()
        assert found == pytest.approx(-1, rel=1e-6)


@each_library
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_weight_without_entries(xp: Backend, shape: tuple[int, ...]) -> None:
    assert call(xp, UnitNorm(), np.ones(shape), "float32").shape == shape


def test_many_ones_in_half_precision(xp: Backend) -> None:
    for dtype in {"float16", "bfloat16"} & set(xp.dtypes):
        found = call(xp, UnitNorm(), np.ones((70_000, 1)), dtype)
        assert norm(found) == pytest.approx(1, rel=1e-2)


def test_vectors_of_all_magnitudes_in_one_weight(xp: Backend) -> None:
    values = np.array([[3.0], [-4.0]]) * 10.0 ** np.arange(-30, 31)
    for dtype in {"float64", "float32", "bfloat16"} & set(xp.dtypes):
        tolerance = {"float64": 1e-12, "float32": 1e-6, "bfloat16": 1e-2}[dtype]
        units = call(xp, UnitNorm(), values, dtype).astype(np.float64)
        np.testing.assert_allclose(units, [[0.6] * 61, [-0.8] * 61], rtol=tolerance)
        found = call(xp, MaxNorm(2), values, dtype).astype(np.float64)
        expected = np.where(norm(values) <= 2, values, 2 * units)
        np.testing.assert_allclose(found, expected, rtol=tolerance)


@pytest.mark.parametrize("exponent", [-320, -300, 300, 308])
def test_range_of_float64(exponent: int) -> None:
    for library in (np, torch, array_api_strict):
        values = [10.0**exponent, -(10.0**exponent)]
        found = UnitNorm()(library.asarray(values, dtype=library.float64))
        np.testing.assert_allclose(np.asarray(found), [0.5**0.5, -(0.5**0.5)], rtol=1e-12)


@each_library
def test_subnormals_of_float16(xp: Backend) -> None:
    if "float16" in xp.dtypes:
        tiny = 2.0**-24
        assert norm(call(xp, UnitNorm(), [tiny, tiny], "float16")) == pytest.approx(1, rel=1e-3)
        # Each of the small entries is rounded up, and the norm with them.
        values = np.array([10.0, *[0.6] * 100]) * tiny
        bound = MaxNorm(float(norm(values)))
        once = call(xp, bound, values * 1000, "float16")
        assert norm(once) > 1.2 * norm(values)
        assert call(xp, bound, once, "float16").tobytes() == once.tobytes()


@each_library
def test_moved_norms_are_never_above_the_bound(xp: Backend) -> None:
    values = np.random.default_rng(1).normal(size=(20_000, 50))
    for dtype in {"float64", "float32"} & set(xp.dtypes):
        once = call(xp, MaxNorm(2), values, dtype)
        assert np.all(norm(once) <= 2)
        assert call(xp, MaxNorm(2), once, dtype).tobytes() == once.tobytes()


def test_a_feasible_norm_does_not_decay() -> None:
    once = np.array([[0.06], [0.08]], np.float32)
    w, constraint = once, MaxNorm(0.1)
    for _ in range(1000):
        w = constraint(w)
    assert w.tobytes() == once.tobytes()


@each_library
def test_rate_moves_a_norm_part_of_the_way(xp: Backend) -> None:
    constraint = MinMaxNorm(1.0, 2.0, rate=0.5)
    values = np.array([[6.0, 0.5, 1.5]], np.float32)
    found = call(xp, constraint, values, "float32")
    np.testing.assert_allclose(found, [[4.0, 0.75, 1.5]], rtol=1e-6)
    found = call(xp, constraint, found, "float32")
    np.testing.assert_allclose(found, [[3.0, 0.875, 1.5]], rtol=1e-6)
    assert call(xp, MinMaxNorm(1, 2, rate=0), values, "float32").tobytes() == values.tobytes()


@each_library
def test_narrow_bounds_meet_in_the_middle(xp: Backend) -> None:
    for dtype in {"float64", "float32"} & set(xp.dtypes):
        low, high = 1.0, 1.0 + 1e-13
        found = call(xp, MinMaxNorm(low, high), [[5.0, 0.2], [0.0, 0.1]], dtype)
        np.testing.assert_allclose(norm(found), 1, rtol=1e-6 if dtype == "float32" else 1e-12)


@each_library
@pytest.mark.parametrize("constraint", [*BOUNDED, MaxNorm(0)], ids=repr)
def test_vectors_that_cannot_be_scaled_stay_bit_for_bit(
    xp: Backend, constraint: NormConstraint
) -> None:
    values = np.array([[np.nan, np.inf, -np.inf, np.inf, 0.0, 3.0], [3, -0.0, -2, np.inf, -0.0, 4]])
    for dtype in xp.dtypes:
        array = xp.asarray(values, dtype)
        found = xp.to_numpy(xp.call(constraint, array))
        assert found[:, :5].tobytes() == xp.to_numpy(array)[:, :5].tobytes()
        assert norm(found[:, 5]) == pytest.approx(constraint.max_value, rel=1e-2)


VIOLATIONS = [
    (MaxNorm(2), [3.0, 0, 0, 0, np.nan, np.inf]),
    (MinMaxNorm(1, 2, rate=0.1), [3.0, 0, 0.5, 1, np.nan, np.inf]),
    (UnitNorm(), [4.0, 0.25, 0.5, 1, np.nan, np.inf]),
]


@each_library
@pytest.mark.parametrize(("constraint", "distances"), VIOLATIONS, ids=repr)
def test_violations(xp: Backend, constraint: NormConstraint, distances: list[float]) -> None:
    values = np.array([[3.0, 1.25, 0.5, 0, np.nan, np.inf], [4.0, 0, 0, 0, 1, 1]])
    for dtype in xp.dtypes:
        found = xp.to_numpy(constraint.violations(xp.asarray(values, dtype)))
        np.testing.assert_allclose(found, distances, rtol=1e-6)
    assert constraint.vectors(values.shape) == (len(distances), 2)


@each_library
def test_what_was_projected_does_not_violate(xp: Backend) -> None:
    for constraint in BOUNDED:
        for dtype in xp.dtypes:
            found = constraint(xp.asarray(WEIGHT * 100, dtype))
            assert not xp.to_numpy(constraint.violations(found)).any()


@each_library
def test_violations_are_in_the_units_of_the_weight(xp: Backend) -> None:
    scales = np.array([1e-25, 1, 1e25])
    found = MaxNorm(0).violations(xp.asarray(np.array([[3.0], [4.0]]) * scales))
    np.testing.assert_allclose(xp.to_numpy(found), 5 * scales, rtol=1e-6)


@each_library
def test_measured_norms(xp: Backend) -> None:
    values = np.array([[3.0, 0.0, 3e25], [-4.0, np.inf, 4e25]])
    for dtype in xp.dtypes[:2]:
        found = MaxNorm(2).measured(xp.asarray(values[:, : 3 - (dtype == "float16")], dtype))
        np.testing.assert_allclose(xp.to_numpy(found), [5, np.inf, 5e25][: found.shape[0]])
    assert MaxNorm(2).bounds == (0, 2)
    assert UnitNorm().bounds == (1, 1)


def in_parts(
    constraint: NormConstraint, parts: Any, shape: Any, *, crossing: bool, near_bound: bool = False
) -> list[Any]:
    """The projections of parts of one weight, whose sums are added up if vectors cross."""
    axes, (_, length) = constraint.vector_axes(shape), constraint.vectors(shape)
    steps = [
        projection_steps(constraint, Part(part, axes, length=length, near_bound=near_bound))
        for part in parts
    ]
    return run_together(steps, added_together if crossing else dict)


PARTS = [(0, 0, True), ((0, 1, 2), 2, True), (None, 3, True), ("unit", 3, False), ((), 1, False)]


@pytest.mark.parametrize("library", [np, torch], ids=["numpy", "torch"])
@pytest.mark.parametrize(("axis", "cut", "through_vectors"), PARTS)
def test_parts_of_a_weight(library: Any, axis: Any, cut: int, through_vectors: bool) -> None:
    constraint = MinMaxNorm(1, 2, rate=0.5, axis=axis)
    parts = [library.asarray(part) for part in np.array_split(WEIGHT, 2, axis=cut)]
    found = in_parts(constraint, parts, WEIGHT.shape, crossing=through_vectors)
    np.testing.assert_allclose(np.concatenate(found, axis=cut), constraint(WEIGHT), rtol=1e-12)


def halved(xp: Backend, constraint: NormConstraint) -> Any:
    """What a call does, from the sums of squares over two halves, each in one reduction."""

    def function(w: Any) -> Any:
        halves = w[:3, ...], w[3:, ...]
        near_bound = xp.name == "jax-jit"
        parts = in_parts(constraint, halves, w.shape, crossing=True, near_bound=near_bound)
        return namespace(w).concat(parts)

    transformed = xp.transform(function)
    return lambda values, dtype: xp.to_numpy(transformed(xp.asarray(values, dtype)))


# A column a magnitude.
MAGNITUDES = {
    "float64": 10.0 ** np.arange(-150, 151, 10),
    "float32": np.array([1e-37, 1e-30, 1e-20, 1e-10, 1e-3, 0.3, 1, 3, 1e3, 1e10, 1e20, 1e30, 1e36]),
    "float16": np.array([1e-7, 1e-5, 1e-3, 0.3, 1, 3, 1e3, 1e4]),
}
MAGNITUDES["bfloat16"] = MAGNITUDES["float32"]
RELATIVE = {"float64": 1e-12, "float32": 1e-6, "bfloat16": 1e-2, "float16": 1e-2}
OF_ALL_MAGNITUDES = [
    MaxNorm(1e-3),
    MaxNorm(500),
    MaxNorm(0),
    MaxNorm(1e20),
    MinMaxNorm(1e-3, 0.1),
    MinMaxNorm(1, 2, rate=0.25),
    UnitNorm(),
]


@each_library
@pytest.mark.parametrize("constraint", OF_ALL_MAGNITUDES, ids=repr)
def test_one_reduction_is_right_for_all_magnitudes(xp: Backend, constraint: NormConstraint) -> None:
    function = halved(xp, constraint)
    for dtype in xp.dtypes:
        magnitudes = MAGNITUDES[dtype]
        if xp.name == "jax-jit" and constraint in (MaxNorm(1e-3), MaxNorm(500)):
            magnitudes = magnitudes[magnitudes < 2e30 * constraint.max_value]
        values = np.random.default_rng(0).normal(size=(6, 1)) * magnitudes
        given = xp.to_numpy(xp.asarray(values, dtype))
        found = function(given, dtype)
        norms = norm(given)
        target = np.clip(norms, constraint.min_value, constraint.max_value)
        expected = (1 - constraint.rate) * norms + constraint.rate * target
        spacing = float(ml_dtypes.finfo(dtype).smallest_subnormal)
        np.testing.assert_allclose(norm(found), expected, RELATIVE[dtype], 2 * spacing)
        inside = norms == target
        assert found[:, inside].tobytes() == given[:, inside].tobytes()
        if constraint.rate == 1:
            assert function(found, dtype).tobytes() == found.tobytes()


@each_library
def test_one_reduction_of_powers_of_two(xp: Backend) -> None:
    exponents = np.array([-600, -500, 500, 600] if xp.dtypes[0] == "float64" else [-80, 80, 90])
    values = np.zeros((6, len(exponents)))
    values[1] = 2.0**exponents
    found = halved(xp, UnitNorm())(values, xp.dtypes[0])
    assert found[1].tolist() == [1] * len(exponents)


def test_one_reduction_in_float32_leaves_alone_what_is_too_far_to_measure() -> None:
    xp = next(backend for backend in BACKENDS if backend.name == "jax-jit")
    function = halved(xp, MaxNorm(0.01))
    given = np.array([[1e28, 1e32, 3e38]] * 6, np.float32)
    found = function(given, "float32")
    assert found[:, 1:].tobytes() == given[:, 1:].tobytes()
    assert norm(found[:, 0]) == pytest.approx(0.01)
    assert xp.to_numpy(MaxNorm(0.01).violations(xp.asarray(found))).tolist()[1:] != [0, 0]


@each_library
@pytest.mark.parametrize("constraint", [*BOUNDED, MaxNorm(0)], ids=repr)
def test_one_reduction_leaves_alone_what_has_no_norm(
    xp: Backend, constraint: NormConstraint
) -> None:
    values = np.zeros((6, 5))
    values[2:4] = [0.0, -0.0, np.nan, 30.0, np.inf], [0.0, 0.0, 30.0, -np.inf, np.nan]
    function = halved(xp, constraint)
    for dtype in xp.dtypes:
        given = xp.to_numpy(xp.asarray(values, dtype))
        assert function(given, dtype).tobytes() == given.tobytes()


@pytest.mark.parametrize(
    ("axis", "count", "length"),
    [(0, 60, 3), ((0, 1, 2), 5, 36), (None, 1, 180), ((), 180, 1), ("unit", 5, 36)],
)
def test_vectors(axis: Any, count: int, length: int) -> None:
    constraint = MaxNorm(0, axis=axis)
    assert constraint.vectors(WEIGHT.shape) == (count, length)
    assert constraint.violations(WEIGHT).shape == (count,)


@pytest.mark.parametrize(("shape", "count", "length"), [((0, 3), 3, 0), ((3, 0), 0, 3)])
def test_vectors_without_entries(shape: tuple[int, ...], count: int, length: int) -> None:
    assert MaxNorm(2).vectors(shape) == (count, length)
    assert MaxNorm(2).violations(np.ones(shape)).tolist() == [0] * count


def test_resolve_replaces_unit_only() -> None:
    constraint = MinMaxNorm(1, 2, rate=0.5, axis="unit")
    assert constraint.resolve((0, 1)) == MinMaxNorm(1, 2, rate=0.5, axis=(0, 1))
    assert constraint.resolve(()) == MinMaxNorm(1, 2, rate=0.5, axis=())
    assert UnitNorm(axis="unit").resolve([1]).get_config() == {"axis": [1]}
    assert MaxNorm(2, axis=1).resolve((0,)) == MaxNorm(2, axis=1)


@pytest.mark.parametrize("constraint", BOUNDED, ids=repr)
@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_only_floats_can_be_scaled(xp: Backend, constraint: NormConstraint, dtype: str) -> None:
    with pytest.raises(TypeError, match=f"{type(constraint).__name__}: .* Received: {dtype}"):
        constraint(xp.asarray(np.ones((2, 3)), dtype))


def test_axis_that_the_weight_does_not_have(xp: Backend) -> None:
    with pytest.raises(ValueError, match=r"MaxNorm: `axis` .* axis=2 for a weight of shape \(2, 3"):
        MaxNorm(2, axis=2)(xp.asarray(np.ones((2, 3))))
    with pytest.raises(ValueError, match="UnitNorm: `axis`"):
        UnitNorm(axis=1).vectors((3,))


@pytest.mark.parametrize("constraint", BOUNDED, ids=repr)
def test_no_array(constraint: NormConstraint) -> None:
    with pytest.raises(TypeError):
        constraint([[3.0, 4.0]])


def test_a_parameter_gives_a_tensor() -> None:
    parameter = torch.nn.Parameter(torch.full((2, 1), 3.0))
    found = MaxNorm(1)(parameter)
    assert type(found) is torch.Tensor
    assert torch.equal(parameter.data, torch.full((2, 1), 3.0))


# Vectors where a careless root, quotient or clip has no derivative, and ordinary ones.
COLUMNS = np.array(
    [
        [0.0, 1.0, 1.2, 0.0, 3.0, 0.3, -2.0, 1e-30, 1e18],
        [0.0, 0.0, 1.6, 2.0, 4.0, 0.4, 1.0, 2e-30, 1e18],
    ]
)
SMOOTH = [MaxNorm(2), MinMaxNorm(1, 2), MinMaxNorm(1, 2, rate=0.5), UnitNorm(), MaxNorm(0)]


@pytest.mark.parametrize("constraint", SMOOTH, ids=repr)
def test_gradients_are_finite(constraint: NormConstraint) -> None:
    direction = np.random.default_rng(0).normal(size=COLUMNS.shape)

    def loss(w: Any) -> Any:
        return (constraint(w) * direction.astype(np.float32)).sum()

    gradient = jax.jit(jax.grad(loss))(jnp.asarray(COLUMNS, "float32"))
    assert np.isfinite(gradient).all()
    tensor = torch.tensor(COLUMNS, requires_grad=True)
    (constraint(tensor) * torch.tensor(direction)).sum().backward()
    assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("constraint", SMOOTH, ids=repr)
def test_gradients_are_those_of_differences(constraint: NormConstraint) -> None:
    rng = np.random.default_rng(0)
    w, direction, step = *rng.normal(size=(2, 4, 6)), 1e-6
    w *= np.array([0.1, 0.3, 0.5, 1, 2, 10])

    def loss(w: Any) -> Any:
        return (constraint(w) * direction).sum()

    with jax.enable_x64(True):
        gradient = np.asarray(jax.jit(jax.grad(loss))(jnp.asarray(w)))
    tensor = torch.tensor(w, requires_grad=True)
    (constraint(tensor) * torch.tensor(direction)).sum().backward()
    steps = step * np.eye(w.size).reshape(-1, *w.shape)
    differences = [(loss(w + one) - loss(w - one)) / (2 * step) for one in steps]
    np.testing.assert_allclose(gradient, np.reshape(differences, w.shape), atol=1e-7)
    np.testing.assert_allclose(gradient, tensor.grad, atol=1e-12)


@pytest.mark.parametrize("constraint", [MaxNorm(1), MinMaxNorm(1, 2), UnitNorm()], ids=repr)
@pytest.mark.parametrize("length", [1, 2])
def test_parts_of_which_one_is_empty(constraint: Any, length: int) -> None:
    w = np.random.default_rng(0).normal(size=(length, 3)) * 3
    places = [(slice(0, length), slice(0, 3)), (slice(length, length), slice(0, 3))]
    parts = [Part(w[place], (0,), length=length, place=place) for place in places]
    steps = [projection_steps(constraint, part) for part in parts]
    whole, empty = run_together(steps, added_together)
    np.testing.assert_allclose(whole, constraint(w), rtol=1e-15)
    assert empty.shape == (0, 3)
