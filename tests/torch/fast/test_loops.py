"""Compiled loops: however many threads share a weight, and as PyTorch rounds."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
import torch

from feasible import MaxNorm, UnitNorm
from feasible.torch.fast import loops
from feasible.torch.fast.loop_plan import LoopPlan
from feasible.torch.plans import plan_of

# Two roundings of an entry, beside those of the norm.
TOLERANCES = {torch.bfloat16: 1.6e-2, torch.float32: 7e-7}


def project(constraint: Any, *weights: torch.Tensor) -> None:
    """Project weights that are alike in compiled loops."""
    planned = [plan_of(constraint, weight) for weight in weights]
    (plan,) = {plan for plan, _ in planned}
    assert isinstance(plan, LoopPlan)
    plan.project([stored for _, stored in planned])


# Few vectors, which threads share, and many, which they share out; columns beyond what is kept.
LARGE = [(700, 300), (3, 40_000), (40_000, 3), (1, 200_000), (20, 8193), (5, 300, 70), (9, 80, 301)]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", LARGE)
def test_any_number_of_threads(shape: Any, dtype: torch.dtype, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        axes: list[Any] = [*range(len(shape)), None, (), (0, -1)]
        for axis in axes:
            torch.manual_seed(0)
            weights = [torch.randn(shape).to(dtype) for _ in range(2)]
            constraint = MaxNorm(3.0, axis=axis)
            expected = [constraint(weight) for weight in weights]
            project(constraint, *weights)
            torch.testing.assert_close(weights, expected, rtol=TOLERANCES[dtype], atol=0)
    finally:
        torch.set_num_threads(before)


def test_many_weights_are_shared_out() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(60, 70) * scale for scale in torch.rand(50)]
    for axis in (0, 1):
        expected = [UnitNorm(axis)(weight) for weight in weights]
        project(UnitNorm(axis), *weights)
        torch.testing.assert_close(weights, expected, rtol=7e-7, atol=0)


@pytest.mark.parametrize("factor", [1.5, 0.1, 1.0, 1e30])
def test_bfloat16_is_rounded_as_pytorch_rounds_it(factor: float) -> None:
    numbers = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    numbers = numbers[~numbers.isnan()]
    multiply = numba.njit(lambda row, factor: loops._multiply(row, factor))
    row = numbers.view(torch.int16).numpy().view(np.uint16).copy()
    multiply(row, np.float32(factor))
    expected = (numbers.float() * factor).bfloat16().view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(row, expected)
