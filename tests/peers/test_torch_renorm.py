"""torch.renorm: the same result on ordinary weights, and the right one elsewhere."""

from __future__ import annotations

import pytest
import torch

from feasible.constraints import MaxNorm


def renorm(w: torch.Tensor, bound: float) -> torch.Tensor:
    """Columns with norms up to the bound: renorm's dim is the one that counts the vectors."""
    return torch.renorm(w, p=2, dim=1, maxnorm=bound)


def columns(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(64, 200, generator=torch.Generator().manual_seed(0)).to(dtype)


def norms(w: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(w.double(), dim=0)


def test_equal_on_ordinary_weights() -> None:
    torch.testing.assert_close(MaxNorm(2)(columns()), renorm(columns(), 2), atol=1e-5, rtol=1e-5)


def test_renorm_is_not_idempotent() -> None:
    once = renorm(columns(), 0.1)
    assert not torch.equal(renorm(once, 0.1), once)
    ours = MaxNorm(0.1)(columns())
    assert torch.equal(MaxNorm(0.1)(ours), ours)


def test_renorm_ends_above_the_bound_in_bfloat16() -> None:
    w = columns(torch.bfloat16)
    theirs, ours = (torch.abs(norms(f(w)) - 1) for f in (lambda w: renorm(w, 1), MaxNorm(1)))
    assert norms(renorm(w, 1)).max() > 1.003
    assert ours.median() < 1e-3 < theirs.max()


def test_renorm_makes_large_rows_zero() -> None:
    w = torch.full((4, 1), 1e20)
    assert norms(renorm(w, 1)) == 0
    assert norms(MaxNorm(1)(w)).item() == pytest.approx(1, rel=1e-6)
