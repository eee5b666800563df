"""Weights go through safetensors whole, or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from feasible import InvalidArgumentError, Sequential
from feasible.keras import ArchiveError
from feasible.layers import Dense
from feasible.models.weight_files import load_weights, save_weights


class Net(nn.Module):
    """Two layers of each library, one of them in the other's place, and a state of integers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Dense(4, kernel_constraint="non_neg")
        self.norm = nn.BatchNorm1d(4)
        self.last = nn.Linear(4, 4, dtype=torch.bfloat16)
        self.tied = self.last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.first(x)).bfloat16())


def net() -> Net:
    model = Net()
    model(torch.rand(5, 3))
    return model


def saved(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_equal(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    assert list(model.state_dict()) == list(state)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


def test_weights_come_back_bit_for_bit(path: Path) -> None:
    model, other = net(), net()
    save_weights(model, path)
    before = list(other.parameters())
    load_weights(other, str(path))
    assert_equal(other, saved(model))
    assert all(own is old for own, old in zip(other.parameters(), before, strict=True))
    assert other.last is other.tied


def test_other_tools_read_the_file(path: Path) -> None:
    model = net()
    save_weights(model, path)
    state = safetensors.torch.load_file(path)
    assert sorted(state) == sorted(model.state_dict())
    linear = nn.Linear(3, 4)
    linear.load_state_dict({name: state[f"first.{name}"] for name in ("weight", "bias")})
    torch.testing.assert_close(linear.weight, model.first.weight, rtol=0, atol=0)


def test_weights_that_are_not_contiguous_are_saved(path: Path) -> None:
    model = nn.Linear(3, 2)
    model.weight = nn.Parameter(torch.rand(3, 2).t())
    save_weights(model, path)
    torch.testing.assert_close(safetensors.torch.load_file(path)["weight"], model.weight.detach())


def test_dtypes_are_the_models(path: Path) -> None:
    model = nn.Linear(3, 2)
    save_weights(model, path)
    other = nn.Linear(3, 2, dtype=torch.float64)
    load_weights(other, path)
    assert other.weight.dtype == torch.float64
    torch.testing.assert_close(other.weight.float(), model.weight, rtol=0, atol=0)


def test_the_old_file_stays_if_the_write_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    save_weights(model, path)
    before = path.read_bytes()

    def half(*args: Any) -> bytes:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", half)
    with pytest.raises(OSError, match="disk full"):
        save_weights(net(), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def changed(**changes: Any) -> dict[str, torch.Tensor]:
    state = {"weight": torch.ones(2, 3), "bias": torch.ones(2), **changes}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


MISMATCHES = {
    "missing": (changed(bias=None), "it lacks bias"),
    "besides": (changed(scale=torch.ones(2)), "it has besides scale"),
    "transposed": (
        changed(weight=torch.ones(3, 2)),
        r"in another shape weight, \(3, 2\) for \(2, 3\)",
    ),
    "integers": (changed(bias=torch.ones(2, dtype=torch.int32)), "bias must be of dtype torch.flo"),
    "none": ({}, "it lacks weight, bias"),
    "all": (
        {"scale": torch.ones(2), "weight": torch.ones(2)},
        r"it lacks bias; it has besides scale; it has in another shape weight, \(2,\) for",
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_other_weights_change_nothing(name: str, path: Path) -> None:
    state, problem = MISMATCHES[name]
    safetensors.torch.save_file(state, path)
    model = nn.Linear(3, 2)
    before = saved(model)
    with pytest.raises(ValueError, match=rf"m\.safetensors: .*{problem}"):
        load_weights(model, path)
    assert_equal(model, before)


def valid() -> bytes:
    return safetensors.torch.save(changed())


def pickled() -> bytes:
    file = io.BytesIO()
    torch.save(changed(), file)
    return file.getvalue()


FOREIGN = {
    "empty": b"",
    "text": b"hello, these are not weights",
    "pickle": pickled(),
    "truncated": valid()[:-1],
    "longer": valid() + b"?",
    "a huge header": (2**62).to_bytes(8, "little") + valid()[8:],
    "a deep header": (5000).to_bytes(8, "little") + b"[" * 5000,
    "a huge tensor": valid().replace(b"[2,3]", b"[2,9]"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused(name: str, path: Path) -> None:
    path.write_bytes(FOREIGN[name])
    with pytest.raises(ArchiveError, match=r"m\.safetensors: it is not a whole safetensors file"):
        load_weights(nn.Linear(3, 2), path)


def test_what_is_no_file_is_refused(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"m\.safetensors"):
        load_weights(nn.Linear(3, 2), path)
    path.mkdir()
    with pytest.raises(ArchiveError, match="is a folder"):
        load_weights(nn.Linear(3, 2), path)
    with pytest.raises(InvalidArgumentError, match="that of a file"):
        save_weights(nn.Linear(3, 2), path)


@pytest.mark.parametrize("name", ["m.h5", "m", "m.safetensors.zip"])
@pytest.mark.parametrize("function", [save_weights, load_weights])
def test_the_suffix_says_what_the_file_is(function: Any, name: str, path: Path) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"`path` must be one that ends in .* or \.safetens"
    ):
        function(nn.Linear(3, 2), path.with_name(name))
    assert not path.with_name(name).exists()


@pytest.mark.parametrize("function", [save_weights, load_weights])
def test_a_model_that_is_not_built_has_no_weights(function: Any, path: Path) -> None:
    with pytest.raises(ValueError, match=r"Call the model on an input first\. Not built: dense"):
        function(Net(), path)
    assert not path.exists()


@given(st.integers(0, len(valid()) - 1), st.integers(0, 255), st.booleans())
def test_any_damage_is_an_error_or_other_numbers(
    tmp_path_factory: pytest.TempPathFactory, where: int, value: int, truncated: bool
) -> None:
    content = bytearray(valid())
    content[where] = value
    path = tmp_path_factory.getbasetemp() / "m.safetensors"
    path.write_bytes(content[:where] if truncated else content)
    model = nn.Linear(3, 2)
    before = saved(model)
    try:
        load_weights(model, path)
    except ValueError:
        assert_equal(model, before)


def test_a_model_saves_and_loads_by_its_methods(path: Path) -> None:
    model = Sequential([Dense(2, name="first"), Dense(1)])
    with pytest.raises(ValueError, match="Not built: first, dense"):
        model.save_weights(path)
    model(torch.ones(1, 3))
    model.save_weights(path)
    other = Sequential([Dense(2, name="first", input_shape=(3,)), Dense(1)])
    other.load_weights(path)
    assert_equal(other, saved(model))
    with pytest.raises(ValueError, match=r"lacks second\.weight, second\.bias; it has besides fi"):
        Sequential([Dense(2, name="second", input_shape=(3,)), Dense(1)]).load_weights(path)
