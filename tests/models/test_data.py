"""Batches, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from feasible.models.class_weights import class_weight_table, weights_of_classes
from feasible.models.data import (
    concatenate_outputs,
    split_off_validation,
    unpack,
)
from feasible.models.data_sources import batches_of, validation_batches

X = np.arange(20.0).reshape(10, 2)


def test_arrays_become_tensors_in_pytorch_precision():
    (x, y), *_ = batches_of(X, np.arange(10, dtype=np.uint8), batch_size=4)
    assert (x.dtype, y.dtype) == (torch.float32, torch.uint8)
    assert x.tolist() == X[:4].tolist()
    ((x,),) = batches_of(torch.tensor(X), batch_size=10)
    assert x.dtype == torch.float64  # a tensor's dtype is the user's choice


def test_all_of_a_batch_is_taken_at_once_and_from_the_same_places():
    torch.manual_seed(0)
    seen = []
    for x, y, weight in batches_of(X, {"a": X[:, 0]}, X[:, 1], batch_size=3, shuffle=True):
        assert (x[:, 0] == y["a"]).all()
        assert (x[:, 1] == weight).all()
        seen.extend(weight.tolist())
    assert seen != sorted(seen)
    assert sorted(seen) == X[:, 1].tolist()


def test_a_dataset_is_batched():
    sizes = [len(x) for (x,) in batches_of(TensorDataset(torch.ones(70, 1)))]
    assert sizes == [32, 32, 6]


def test_validation_data_comes_as_a_tuple_or_a_dataset():
    assert [len(batch) for batch in validation_batches((X, X, X[:, 0]), 5)] == [3, 3]
    assert [len(batch) for batch in validation_batches(TensorDataset(torch.tensor(X)), 5)] == [1, 1]


@pytest.mark.parametrize(("fraction", "kept"), [(0.1, 9), (0.25, 7), (0.34, 6), (0.8, 1)])
def test_a_split_is_that_of_keras(fraction, kept):
    first, last = split_off_validation(X, None, None, fraction)
    assert first[0].tolist() == X[:kept].tolist()
    assert last[0].tolist() == X[kept:].tolist()
    assert first[1:] == last[1:] == (None, None)


def test_batches_are_unpacked():
    assert unpack("x") == ("x", None, None)
    assert unpack(("x",)) == ("x", None, None)
    assert unpack(["x", "y", "w"]) == ("x", "y", "w")
    for batch in ((), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match=f"a tuple of {len(batch)}"):
            unpack(batch)


def test_outputs_are_joined_in_their_nest():
    half = torch.ones(2, 1, dtype=torch.bfloat16)
    whole = concatenate_outputs([{"a": (half, half)}, {"a": (half, half)}])
    assert [part.shape for part in whole["a"]] == [(4, 1), (4, 1)]
    assert whole["a"][0].dtype == np.float32


@pytest.mark.parametrize(
    "labels",
    [torch.tensor([0, 2, 7]), torch.tensor([[0.0], [2.0], [7.0]]), torch.eye(8)[[0, 2, 7]]],
)
def test_weights_of_classes_go_by_any_form_of_label(labels):
    table = class_weight_table({0: 0.5, 2: 3})
    assert weights_of_classes(labels, table).tolist() == [0.5, 3, 1]


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({-1: 1.0}, "`class_weight` must be an integer of at least 0"),
        ({"a": 1.0}, "`class_weight` must be an integer of at least 0"),
        ({1: "much"}, r"`class_weight\[1\]` must be a finite number"),
        ({}, "a dict from number of class to weight"),
    ],
)
def test_weights_that_cannot_be_used_are_errors(class_weight, message):
    with pytest.raises(ValueError, match=message):
        class_weight_table(class_weight)
