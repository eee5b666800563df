"""Weights are read if they are just those that are wanted."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from feasible.archives import ArchiveError, WeightSpec
from feasible.archives.weights_file import read_weights, write_weights

KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)
WEIGHTS = {
    "layers/dense": [KERNEL, np.ones(2, np.float32)],
    "layers/dropout": [],
    "layers/sequential/layers/dense": [np.array([b"\x80\x3f"], "V2")],
}
NAMES = {
    "layers/dense": "first",
    "layers/dropout": "ünï",
    "layers/sequential/layers/dense": "last",
}
SPECS = {
    "layers/dense": [WeightSpec("kernel", (3, 2), "float32"), WeightSpec("bias", (2,), "float32")],
    "layers/dropout": [],
    "layers/sequential/layers/dense": [WeightSpec("bias", (1,), "bfloat16")],
}


def written(change: Callable[[h5py.File], Any] = lambda root: None) -> bytes:
    file = io.BytesIO()
    write_weights(file, WEIGHTS, NAMES)
    with h5py.File(file, "a") as root:
        change(root)
    return file.getvalue()


def test_what_is_written_is_read_back() -> None:
    found = read_weights(written(), SPECS, "w.h5")
    assert list(found) == list(WEIGHTS)
    for path, weights in WEIGHTS.items():
        for own, given in zip(found[path], weights, strict=True):
            assert own.dtype == given.dtype
            np.testing.assert_array_equal(own, given)


def test_names_and_what_numpy_has_no_dtype_for_are_written_beside() -> None:
    with h5py.File(io.BytesIO(written())) as root:
        assert {path: root[path]["vars"].attrs["name"] for path in WEIGHTS} == NAMES
        last = root["layers/sequential/layers/dense/vars/0"]
        assert last.attrs["dtype"] == "bfloat16"


def test_what_is_not_asked_for_is_not_looked_at() -> None:
    def fill(root: h5py.File) -> None:
        root["optimizer/vars/0"] = 3
        root["layers/dropout/seed_generator/vars/0"] = [1, 2]

    found = read_weights(written(fill), {"layers/dropout": []}, "w.h5")
    assert found == {"layers/dropout": []}


def test_a_layer_without_weights_may_be_missing() -> None:
    content = written(lambda root: root.pop("layers/dropout"))
    assert read_weights(content, SPECS, "w.h5")["layers/dropout"] == []


def in_place_of_the_kernel(array: Any) -> Callable[[h5py.File], Any]:
    def change(root: h5py.File) -> None:
        del root["layers/dense/vars/0"]
        root["layers/dense/vars/0"] = array

    return change


# What is done to the file, and what is said of it.
OTHERS: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "a layer less": (lambda root: root.pop("layers/dense"), "layers/dense: .*bias.*and has 0"),
    "a weight less": (
        lambda root: root.pop("layers/dense/vars/1"),
        r"layers/dense: it must have 2 weights \(kernel, bias\), and has 1\.",
    ),
    "a weight more": (
        lambda root: root.create_dataset("layers/dense/vars/2", data=KERNEL),
        "and has 3",
    ),
    "a weight where none is": (
        lambda root: root.create_dataset("layers/dropout/vars/0", data=KERNEL),
        "layers/dropout: it must have 0 weights, and has 1",
    ),
    "another name": (
        lambda root: root["layers/dense/vars"].move("0", "a"),
        "the weights 1, a are not numbered from 0",
    ),
    "another shape": (
        in_place_of_the_kernel(KERNEL.T),
        r"kernel must have shape \(3, 2\) and dtype float32, and has shape \(2, 3\)",
    ),
    "another dtype": (in_place_of_the_kernel(KERNEL.astype("f8")), "has .* and dtype float64"),
    "two bytes": (in_place_of_the_kernel(np.zeros((3, 2), "V2")), "has .* and dtype bfloat16"),
    "integers": (in_place_of_the_kernel([1, 2]), "dense: it cannot be read .*not of floating"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_weights_are_refused(name: str) -> None:
    change, problem = OTHERS[name]
    with pytest.raises(ArchiveError, match=rf"w\.h5: .*{problem}"):
        read_weights(written(change), SPECS, "w.h5")


def test_one_array_under_many_names_takes_no_more_memory_than_the_file() -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        first = root.create_dataset("layers/dense/vars/0", data=np.zeros((64, 64), np.float32))
        for index in range(1, 100):
            root[f"layers/dense/vars/{index}"] = first
    wanted = {"layers/dense": [WeightSpec("kernel", (64, 64), "float32")] * 100}
    with pytest.raises(ArchiveError, match=r"take 1638400 bytes, more than the \d{5} of the file"):
        read_weights(file.getvalue(), wanted, "w.h5")
