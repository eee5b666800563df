"""Rescaling in place gives what a call of the constraint gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from feasible import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from feasible.torch.in_place import rescale

SHAPES = [(300, 700), (700, 300), (5,), (1, 1), (40, 30, 3, 3), (2, 70000), (70000, 2)]
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
HALF = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 3e-7}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_it_equals_a_call(view: Any, constraint: Any) -> None:
    torch.manual_seed(0)
    for shape in SHAPES:
        for dtype, tolerance in HALF.items():
            weight = view((torch.randn(shape) / 10).to(dtype))
            expected = constraint(weight)
            feasible = (expected == weight).all()
            assert rescale(constraint, weight)
            torch.testing.assert_close(weight, expected, rtol=tolerance, atol=1e-6)
            assert not feasible or torch.equal(weight, expected)
            if getattr(constraint, "rate", 1) == 1:
                again = weight.clone()
                assert rescale(constraint, again)
                assert torch.equal(again, weight)
                assert torch.equal(constraint(weight), weight)


def test_it_never_ends_above_the_bound() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        weight = torch.randn(50, 401).t()
        rescale(MaxNorm(1), weight)
        assert torch.linalg.vector_norm(weight.double(), dim=0).max() <= 1


def test_nothing_is_written_where_all_is_feasible() -> None:
    weight = torch.randn(100, 40) * 1e-3
    version = weight._version
    assert rescale(MaxNorm(1), weight)
    assert weight._version == version
    assert rescale(UnitNorm(), weight)
    assert weight._version > version


def test_what_has_no_norm_stays_as_it_is() -> None:
    weight = torch.tensor([[0.0, torch.nan, torch.inf, 3.0], [0.0, 1.0, 1.0, 4.0]])
    before = weight.clone()
    assert rescale(UnitNorm(), weight)
    assert torch.equal(weight[:, :3].nan_to_num(7), before[:, :3].nan_to_num(7))
    torch.testing.assert_close(weight[:, 3], torch.tensor([0.6, 0.8]))


@pytest.mark.parametrize("scale", [1e30, 1e-25])
def test_large_and_small_values(scale: float) -> None:
    weight = torch.randn(30, 8) * scale
    assert rescale(UnitNorm(), weight)
    torch.testing.assert_close(weight.norm(dim=0), torch.ones(8), rtol=0, atol=1e-6)


def test_what_it_is_not_for_is_left_to_the_constraint() -> None:
    for constraint, weight in (
        (NonNeg(), torch.randn(3, 2)),
        (UnitNorm(), torch.randn(3, 2, dtype=torch.float64)),
        (UnitNorm(), torch.full((3, 2), 1e-40)),
        (UnitNorm(), torch.zeros(0, 2)),
        (UnitNorm(), torch.empty(3, 2, device="meta")),
    ):
        before = weight.clone()
        assert not rescale(constraint, weight)
        assert weight.is_meta or torch.equal(weight, before)


def test_a_constraint_with_a_call_of_its_own_is_called() -> None:
    class Doubled(MaxNorm):
        def __call__(self, w: torch.Tensor) -> torch.Tensor:
            return 2 * super().__call__(w)

    assert not rescale(Doubled(1), torch.randn(3, 2))


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


def test_it_takes_no_memory_of_the_weights_size() -> None:
    weight = torch.randn(2048, 2048).t()
    with Largest(weight) as largest:
        assert rescale(UnitNorm(), weight)
    assert 0 < largest.bytes <= 2**20
