"""Weights that are projected in place, in compiled loops or by calls, get what a call gives."""

from __future__ import annotations

import math
import sys
from typing import Any
from unittest import mock

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.utils._python_dispatch import TorchDispatchMode

from feasible import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.torch import fast
from feasible.torch.fast import loops
from feasible.torch.fast.loop_plan import LoopSizes, can_be_compiled, loops_for, sizes_of
from feasible.torch.fast.rescaling import RescalingPlan
from feasible.torch.plans import plan_of

# In compiled loops where there are some, as usual; or as where Numba is not installed.
WAYS = ["compile_loop", "by operations"]
every_way = pytest.mark.parametrize("way", WAYS)


def rescale(constraint: Any, *views: torch.Tensor, way: str = "compile_loop") -> None:
    """Project weights that are alike in their own storage."""
    only = can_be_compiled if way == "compile_loop" else lambda weight: False
    with mock.patch.object(fast, "can_be_compiled", only):
        planned = [plan_of(constraint, view) for view in views]
    (plan,) = {plan for plan, _ in planned}
    if way == "by operations":
        assert isinstance(plan, RescalingPlan)
    plan.project([stored for _, stored in planned])


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bits of each entry, so that NaN equals itself and -0.0 is not 0.0."""
    return tensor.contiguous().view({2: torch.int16, 4: torch.int32}[tensor.element_size()])


# Those with more entries than a block, along one axis, or another, or by a single vector.
SHAPES = [(300, 700), (700, 300), (5,), (1, 1), (40, 30, 3, 3), (2, 150_000), (150_000, 2)]
VIEWS = {
    "stored": lambda w: w,
    "keras": lambda w: w.permute(*range(2, w.ndim), 1, 0) if w.ndim > 1 else w,
    "strided": lambda w: torch.stack([w, w], dim=-1)[..., 0],
}
CONSTRAINTS = [
    MaxNorm(1, axis="unit"),
    MaxNorm(0.5, axis=None),
    MaxNorm(0.01, axis=()),
    MaxNorm(1, axis=-1),
    UnitNorm(axis="unit"),
    MinMaxNorm(0.5, 1.0, rate=0.5, axis=0),
    MinMaxNorm(2.0, 3.0, axis="unit"),
]
# Two roundings of an entry, beside those of the norm.
TOLERANCES = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2, torch.float32: 7e-7}


@every_way
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_it_equals_a_call(way: str, view: Any, constraint: Any) -> None:
    torch.manual_seed(0)
    for shape in SHAPES:
        for dtype, tolerance in TOLERANCES.items():
            weight = view((torch.randn(shape) / 10).to(dtype))
            expected = constraint(weight)
            feasible = (expected == weight).all()
            rescale(constraint, weight, way=way)
            torch.testing.assert_close(weight, expected, rtol=tolerance, atol=1e-6)
            assert not feasible or torch.equal(weight, expected)
            if getattr(constraint, "rate", 1) == 1:
                again = weight.clone()
                rescale(constraint, again, way=way)
                assert torch.equal(again, weight)
                assert torch.equal(constraint(weight), weight)


BOUNDS = st.sampled_from([0, 1e-30, 1e-3, 0.1, 1, 1.0001, 30.5, 1e30])
NORM_CONSTRAINTS = st.builds(
    lambda bounds, rate, axis: MinMaxNorm(min(bounds), max(bounds), rate, axis),
    st.one_of(st.tuples(BOUNDS, BOUNDS), BOUNDS.map(lambda bound: (bound, bound))),
    st.sampled_from([1, 1, 0.5, 0]),
    st.sampled_from([0, 1, 2, (0, 1), (1, 2), (0, 2), None, ()]),
)
ENTRIES = st.sampled_from([0.0, -0.0, 1e-45, 1e-30, 1e-3, 1.0, 3.0, 1e30, math.inf, math.nan])


@settings(max_examples=400)
@given(
    way=st.sampled_from(WAYS),
    constraint=NORM_CONSTRAINTS,
    shape=st.tuples(*[st.sampled_from([1, 2, 3, 8, 40])] * 3),
    order=st.permutations(range(3)),
    dtype=st.sampled_from(list(TOLERANCES)),
    count=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
    exponents=st.sampled_from([0, 1, 30]),
    special=st.lists(st.tuples(ENTRIES, st.integers(0, 10**6)), max_size=3),
)
def test_it_equals_a_call_on_anything(
    way: str,
    constraint: Any,
    shape: tuple[int, ...],
    order: list[int],
    dtype: torch.dtype,
    count: int,
    seed: int,
    exponents: float,
    special: list[tuple[float, int]],
) -> None:
    rng = np.random.default_rng(seed)
    weights: list[torch.Tensor] = []
    for _ in range(count):
        values = rng.normal(size=shape) * 10.0 ** rng.uniform(-exponents, exponents, shape[-1:])
        for value, place in special:
            values.flat[place % values.size] = value
        weights.append(torch.tensor(values).to(dtype).permute(order))
    before = [weight.clone() for weight in weights]
    rescale(constraint, *weights, way=way)
    axes = constraint.vector_axes(weights[0].shape)
    for old, new in zip(before, weights, strict=True):
        expected = constraint(old)
        moved = bits(old) != bits(expected)
        moved = moved.sum(axes, keepdim=True) > 0 if axes else moved
        assert not (bits(old) != bits(new))[~moved.expand_as(old)].any()
        torch.testing.assert_close(
            new.double(), expected.double(), rtol=TOLERANCES[dtype], atol=1e-7, equal_nan=True
        )
    if constraint.rate == 1:
        again = [weight.clone() for weight in weights]
        rescale(constraint, *again, way=way)
        assert all(torch.equal(bits(a), bits(b)) for a, b in zip(again, weights, strict=True))


@every_way
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("length", [3, 100, 128, 784, 1023, 4608, 70_001])
def test_errors_do_not_add_up(way: str, length: int, axis: int) -> None:
    torch.manual_seed(0)
    # Equal entries, whose roundings all go the same way; and what is next to nothing beside one.
    equal = torch.rand(30, 1).expand(-1, length).clone()
    single = torch.rand(30, length) * 2.0**-11
    single[:, 0] = 1
    for weight in (equal, single):
        weight = weight.t().contiguous() if axis == 0 else weight
        rescale(UnitNorm(axis), weight, way=way)
        norms = torch.linalg.vector_norm(weight.double(), dim=axis)
        torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=5e-7)
        again = weight.clone()
        rescale(UnitNorm(axis), again, way=way)
        assert torch.equal(again, weight)
        rescale(MaxNorm(0.7, axis), weight, way=way)
        assert torch.linalg.vector_norm(weight.double(), dim=axis).max() <= 0.7


@every_way
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("length", [32, 33, 64, 100, 128, 256, 784, 1024, 4096, 70_000])
def test_one_entry_does_not_hide_what_all_others_add_up_to(
    way: str, length: int, axis: int
) -> None:
    torch.manual_seed(0)
    # Each square is next to half a unit in the last place of the large entry's.
    others = 2.0 ** -torch.linspace(11.4, 12.6, 49)[:, None]
    weight = others.repeat(1, length)
    weight[torch.arange(49), torch.randint(length, (49,))] = 1.0
    weight = weight if axis == 1 else weight.t().contiguous()
    rescale(UnitNorm(axis), weight, way=way)
    once = weight.clone()
    rescale(UnitNorm(axis), weight, way=way)
    torch.testing.assert_close(weight, once, rtol=0, atol=0)
    norms = once.double().norm(dim=axis)
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=1e-6)


@every_way
def test_it_never_ends_above_the_bound(way: str) -> None:
    torch.manual_seed(0)
    for _ in range(20):
        weight = torch.randn(50, 401).t()
        rescale(MaxNorm(1), weight, way=way)
        assert torch.linalg.vector_norm(weight.double(), dim=0).max() <= 1


@every_way
@pytest.mark.parametrize("shape", [(64, 100), (64, 700), (3000, 200)])
@pytest.mark.parametrize("constraint", [MaxNorm(1, 1), UnitNorm(1), MinMaxNorm(1, 2, 1, 1)])
def test_what_was_brought_to_a_bound_stays_beside_what_was_not(
    way: str, constraint: Any, shape: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape)
    rescale(constraint, weight, way=way)
    weight[::7] *= 3
    before = weight.clone()
    rescale(constraint, weight, way=way)
    moved = (weight != before).any(dim=1)
    assert torch.equal(moved, torch.arange(len(weight)) % 7 == 0)


@pytest.mark.parametrize("shape", [(100, 40), (2000, 400)])
def test_nothing_is_written_where_all_is_feasible(shape: tuple[int, int]) -> None:
    for weight in (torch.randn(shape) * 1e-3, (torch.randn(shape) * 1e-3).t()):
        version = weight._version
        rescale(MaxNorm(1), weight)
        assert weight._version == version
        rescale(UnitNorm(), weight)
        assert weight._version > version


def test_of_several_weights_only_those_that_violate_are_written() -> None:
    weights = [torch.full((4, 6), size) for size in (0.1, 5.0, 0.2, 7.0)]
    versions = [weight._version for weight in weights]
    rescale(MaxNorm(1), *weights)
    written = [weight._version - old for weight, old in zip(weights, versions, strict=True)]
    assert written == [0, 1, 0, 1]
    assert all(weight.norm(dim=0).max() <= 1 for weight in weights)


@every_way
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_a_bound_of_zero_leaves_zeros(way: str, dtype: torch.dtype) -> None:
    weight = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=dtype)
    rescale(MaxNorm(0, 1), weight, way=way)
    assert weight.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@every_way
def test_what_has_no_norm_stays_as_it_is(way: str) -> None:
    weight = torch.tensor([[0.0, torch.nan, torch.inf, 3.0], [0.0, 1.0, 1.0, 4.0]])
    before = weight.clone()
    rescale(UnitNorm(), weight, way=way)
    assert torch.equal(bits(weight[:, :3]), bits(before[:, :3]))
    torch.testing.assert_close(weight[:, 3], torch.tensor([0.6, 0.8]))


@every_way
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("scale", [1e30, 1e-25, 1e-40])
@pytest.mark.parametrize("shape", [(30, 8), (8, 90_000), (90_000, 8)])
def test_large_and_small_values(way: str, shape: tuple[int, int], scale: float, axis: int) -> None:
    weight = torch.full(shape, scale) * (torch.arange(shape[1]) % 2 + 1)
    rescale(UnitNorm(axis), weight, way=way)
    norms = torch.linalg.vector_norm(weight.double(), dim=axis)
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=1e-6)


class Largest(TorchDispatchMode):
    """Notes the largest tensor that is made, besides those in one storage."""

    def __init__(self, known: torch.Tensor) -> None:
        super().__init__()
        self.known = known.untyped_storage().data_ptr()
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else [result]:
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.data_ptr() != self.known:
                    self.bytes = max(self.bytes, storage.nbytes())
        return result


@every_way
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("constraint", [UnitNorm, lambda axis: MaxNorm(1e3, axis)])
def test_it_takes_no_memory_of_the_weights_size(
    way: str, constraint: Any, axis: int | None
) -> None:
    weight = torch.randn(4096, 4096)
    with Largest(weight) as largest:
        rescale(constraint(axis), weight, way=way)
    assert largest.bytes <= 2**19


@pytest.mark.parametrize(
    ("shape", "axes", "sizes"),
    [
        ((6, 5), (1,), (6, 5, 1, 1)),
        ((6, 5), (0,), (1, 6, 5, 1)),
        ((6, 1, 5), (1,), (1, 1, 30, 1)),
        ((6, 5), (), (1, 1, 30, 1)),
        ((1,), (0,), (1, 1, 1, 1)),
        ((6, 4, 3, 3), (2,), (24, 3, 3, 1)),
        ((6, 4, 3, 3), (0, 2, 3), (1, 6, 4, 9)),
        ((6, 4, 3, 2), (1, 3), (6, 4, 3, 2)),
        ((6, 4, 3, 2), (0, 2), None),
        ((6, 4, 5000), (0, 2), None),
        ((4096, 4096), (0, 1), (1, 4096, 1, 4096)),
        ((6, 5), (0, 1), (1, 30, 1, 1)),
        ((100_003,), (0,), (1, 100_003, 1, 1)),
        ((8, 64), (0, 1), (1, 1, 1, 512)),
    ],
)
def test_how_vectors_lie_in_memory(shape: Any, axes: Any, sizes: Any) -> None:
    assert sizes_of(shape, axes) == (None if sizes is None else LoopSizes(*sizes))


def test_autograd_sees_what_was_written() -> None:
    weight = torch.ones(3, 2, requires_grad=True)
    for bound, written in ((9, False), (1, True)):
        loss = (weight * weight).sum()
        with torch.no_grad():
            rescale(MaxNorm(bound), weight.detach())
        if written:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                loss.backward()
        else:
            loss.backward()
    with torch.inference_mode():
        weight = torch.full((3, 2), -1.0)
        rescale(NonNeg(), weight)
        assert weight.tolist() == [[0.0, 0.0]] * 3


def test_what_there_is_no_loop_for() -> None:
    weight = torch.ones(4, 6)
    assert can_be_compiled(weight)
    assert not can_be_compiled(weight[:, ::2])
    assert not can_be_compiled(weight[:0])
    assert not can_be_compiled(weight.to_sparse())
    assert not can_be_compiled(weight.double())
    assert not can_be_compiled(weight.half())
    assert not can_be_compiled(weight.to("meta"))


@pytest.fixture
def unknown_loops(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As if the loops had not been looked for yet, and are not there."""
    monkeypatch.delattr("feasible.torch.fast.loops")
    monkeypatch.delitem(sys.modules, "feasible.torch.fast.loops")
    loops_for.cache_clear()
    yield monkeypatch
    loops_for.cache_clear()


def test_without_numba_constraints_are_called(unknown_loops: Any) -> None:
    unknown_loops.setitem(sys.modules, "numba", None)
    assert loops_for(torch.float32) is None
    assert not can_be_compiled(torch.ones(2))


def test_a_loop_is_compiled_when_there_is_a_weight_to_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    compiled = loops.compile_loop
    monkeypatch.setattr(
        loops, "compile_loop", lambda name, *a: asked.append(name) or compiled(name, *a)
    )
    plan, stored = plan_of(MaxNorm(0.625), torch.ones(11, 13))
    assert asked == []
    for _ in range(2):
        plan.project([stored])
        assert asked == ["rescale columns"]


def test_numba_may_be_told_not_to_compile(unknown_loops: Any) -> None:
    unknown_loops.setattr("numba.config.DISABLE_JIT", True)
    assert loops_for(torch.float32) is None


def test_versions_that_do_not_go_together_are_named(unknown_loops: Any) -> None:
    class Refusing:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "feasible.torch.fast.loops":
                raise ImportError("Numba needs NumPy 2.3 or less")

    unknown_loops.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    with pytest.warns(UserWarning, match=r"NumPy 2.3 or less.*feasible\[cpu\]"):
        assert loops_for(torch.bfloat16) is None
