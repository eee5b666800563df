"""What attention computes: in PyTorch's own function, and step by step."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from feasible.layers import Dropout
from feasible.layers.attending import attend, both, shares, visible


def test_masks_by_place():
    assert visible(2, 3, torch.device("cpu"), causal=False) is None
    rows, columns = torch.arange(4)[:, None], torch.arange(6)
    near = (rows - columns).abs() < 2
    assert torch.equal(visible(4, 6, torch.device("cpu"), False, 2), near)
    assert torch.equal(visible(4, 6, torch.device("cpu"), True), rows >= columns)
    assert torch.equal(visible(4, 6, torch.device("cpu"), True, 2), near & (rows >= columns))


def test_two_masks_let_through_what_both_do():
    mask, other = torch.tensor([True, True]), torch.tensor([[True], [False]])
    assert both(None, None) is None
    assert both(mask, None) is both(None, mask) is mask
    assert both(mask, other).tolist() == [[True, True], [False, False]]


def test_a_query_that_sees_nothing_gets_zeros_and_nan_stays():
    scores = torch.tensor([[1.0, 2.0], [3.0, torch.nan]])
    found = shares(scores, torch.tensor([[False, False], [True, True]]))
    assert found[0].tolist() == [0.0, 0.0]
    assert found[1].isnan().all()


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize(("causal", "masked"), [*product((True, False), repeat=2)])
def test_both_ways_agree_with_their_gradients(heads, causal, masked):
    torch.manual_seed(0)
    query = torch.randn(2, 4, 5, 3, requires_grad=True)
    key = torch.randn(2, heads, 6, 3, requires_grad=True)
    value = torch.randn(2, heads, 6, 7, requires_grad=True)
    mask = torch.rand(2, 1, 5, 6) > 0.5 if masked else None
    if mask is not None:
        mask[0, 0, 1] = False
    results = []
    for with_shares in (True, False):
        outputs, found = attend(
            query,
            key,
            value,
            scale=0.7,
            mask=mask,
            causal=causal,
            dropout=Dropout(0.0),
            with_shares=with_shares,
        )
        assert (found is not None) == with_shares
        grads = torch.autograd.grad(outputs.square().sum(), (query, key, value))
        results.append((outputs, *grads))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("seed", "with_shares"), [*product((None, 3), (True, False))])
def test_dropout_acts_on_the_shares_in_training_only(seed, with_shares):
    ones = torch.ones(1, 1, 200, 4)

    def mixed(training):
        outputs, found = attend(
            ones,
            ones,
            ones,
            scale=1.0,
            mask=None,
            causal=False,
            dropout=Dropout(0.5, seed=seed).train(training),
            with_shares=with_shares,
        )
        assert found is None or torch.allclose(found, torch.tensor(1 / 200))
        return outputs

    torch.testing.assert_close(mixed(False), ones)
    dropped = mixed(True)
    assert 0.9 < dropped.mean() < 1.1
    assert dropped.std() > 0.02
    assert torch.equal(mixed(True), dropped) == (seed is not None)
