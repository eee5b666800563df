"""HDF5 files of Keras 2 are read as Keras reads them; hostile ones end in one of our errors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feasible
from feasible import load_model
from feasible.keras import ArchiveError, LegacyFile, open_archive, rules_from

GOLDEN = Path(__file__).parents[1] / "keras" / "golden"
PREDICTED = json.loads((GOLDEN / "predicted.json").read_text())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.h5"


def inputs(model: Any) -> np.ndarray:
    shape = model.input_shape[1:]
    return np.linspace(-1, 1, 2 * int(np.prod(shape)), dtype=np.float32).reshape(2, *shape)


@pytest.mark.parametrize("name", PREDICTED)
def test_models_of_keras_2_predict_the_same_here(name: str) -> None:
    model = load_model(GOLDEN / f"{name}.h5")
    outputs = model.predict(inputs(model), verbose=0)
    np.testing.assert_allclose(outputs, PREDICTED[name]["outputs"], atol=1e-5)
    assert not model.training


def test_eegnet_trains_here_with_its_constraints_held_and_goes_back(tmp_path: Path) -> None:
    model = load_model(GOLDEN / "eegnet.h5")
    depthwise, dense = model.get_layer("depthwise_conv2d"), model.get_layer("dense")
    assert depthwise.depthwise_constraint == feasible.MaxNorm(1.0)
    assert dense.kernel_constraint == feasible.MaxNorm(0.25)
    model.compile("adam", "mse")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(16, 4, 64, 1)).astype(np.float32)
    before = model.get_weights()
    model.fit(x, generator.normal(size=(16, 3)).astype(np.float32), epochs=2, verbose=0)
    assert all(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
    assert feasible.torch.check(model).ok
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    assert again.get_layer("dense").kernel_constraint.get_config() == {"max_value": 0.25, "axis": 0}


def test_what_is_frozen_comes_back_frozen() -> None:
    model = load_model(GOLDEN / "stack.h5")
    assert [layer.trainable for layer in model.layers] == [True, True, True, False]


@pytest.mark.filterwarnings("ignore::UserWarning:keras")
def test_files_of_keras_3_are_read_too(path: Path) -> None:
    inner = keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()], name="in")
    start = keras.Input((4,))
    frozen = keras.layers.Dense(2, kernel_constraint="unit_norm", trainable=False, name="frozen")
    model = keras.Model(start, frozen(inner(start)))
    model.save(path)
    loaded = load_model(path)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model(x).detach(), atol=1e-5)
    assert loaded.get_layer("frozen").kernel_constraint == feasible.UnitNorm()
    assert rules_from(path) == {("frozen", "kernel"): feasible.UnitNorm()}


def changed(change: Callable[[h5py.File], Any], name: str = "stack") -> bytes:
    content = io.BytesIO((GOLDEN / f"{name}.h5").read_bytes())
    with h5py.File(content, "r+") as root:
        change(root)
    return content.getvalue()


def with_config(change: Callable[[dict[str, Any]], Any]) -> Callable[[h5py.File], Any]:
    def apply(root: h5py.File) -> None:
        config = json.loads(root.attrs["model_config"])
        change(config["config"]["layers"])
        root.attrs["model_config"] = json.dumps(config).encode()

    return apply


def weight_names(names: Any) -> Callable[[h5py.File], Any]:
    return lambda root: root["model_weights/first"].attrs.create("weight_names", names)


HOSTILE: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "no model": (lambda root: root.attrs.pop("model_config"), "no model, but at most its weights"),
    "two configs": (
        lambda root: root.attrs.create("model_config", [b"{}", b"{}"]),
        "no model, but at most its weights",
    ),
    "numbers for a config": (
        lambda root: root.attrs.create("model_config", 3.0),
        "an attribute is not of texts",
    ),
    "no JSON": (lambda root: root.attrs.create("model_config", b"{'a'"), "model_config: it cannot"),
    "deep nesting": (
        lambda root: root.attrs.create("model_config", b'{"a":' * 200 + b"1" + b"}" * 200),
        "nested deeper than 100",
    ),
    "nesting without end": (
        lambda root: root.attrs.create("model_config", b'{"a":' + b"[" * 50_000),
        "model_config: it cannot be read",
    ),
    "no weights": (
        lambda root: root.pop("model_weights"),
        r"first: it must have 2 weights .*has 0",
    ),
    "a weight less": (weight_names(np.array([b"first/kernel:0"])), "must have 2 weights .*has 1"),
    "weights out of order": (
        weight_names(np.array([b"first/bias:0", b"first/kernel:0"])),
        r"its kernel must have shape \(5, 4\)",
    ),
    "a weight that is elsewhere": (
        weight_names(np.array([b"first/kernel:0", b"../../etc/passwd"])),
        "one of the weights .* is not there",
    ),
    "a group for a weight": (
        weight_names(np.array([b"first/kernel:0", b"first"])),
        "first: it cannot be read",
    ),
    "a lambda": (
        with_config(lambda layers: layers[1].update(class_name="Lambda")),
        "is a Lambda. It holds code, which is never run",
    ),
    "another layer": (
        with_config(lambda layers: layers[1].update(class_name="system", module="os")),
        "the layer 'first' is a system, unknown here",
    ),
    "huge sizes": (
        with_config(lambda layers: layers[1]["config"].update(units=2**40)),
        r"its kernel must have shape \(5, 1099511627776\)",
    ),
    "another function of the same name": (
        with_config(lambda layers: layers[1]["config"].update(activation="hard_sigmoid")),
        "the layer 'first' uses Keras 2's 'hard_sigmoid'",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name: str, path: Path) -> None:
    change, problem = HOSTILE[name]
    path.write_bytes(changed(change))
    with pytest.raises(ArchiveError, match=rf"(?s)m\.h5.*{problem}"):
        load_model(path)


def test_truncated_files_are_refused(path: Path) -> None:
    content = (GOLDEN / "stack.h5").read_bytes()
    for end in (8, 100, 1000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(ArchiveError, match="it cannot be read"):
            load_model(path)


def test_one_text_many_times_takes_no_more_memory_than_the_file() -> None:
    size = 60_000
    texts = np.array(["x" * size, *["a"] * 999], dtype=object)
    text_type = h5py.string_dtype()
    content = changed(lambda root: root.attrs.create("model_config", texts, dtype=text_type))
    # A reference to a text: its length, and where it is.
    first = content.index(size.to_bytes(4, "little"))
    references = content[first : first + 16] * 1000
    content = content[:first] + references + content[first + len(references) :]
    with pytest.raises(ArchiveError, match="the text of an attribute is not in the file"):
        LegacyFile(content, "m.h5")


@settings(max_examples=300)
@given(st.data())
def test_damaged_files_end_in_our_error_or_are_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray((GOLDEN / "stack.h5").read_bytes())
    # Those of the structures, where damage does most harm, are in the first half.
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 9))
        content[place : place + 8] = data.draw(
            st.one_of(st.binary(min_size=8, max_size=8), st.just(b"\xff" * 8), st.just(bytes(8)))
        )
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    path.write_bytes(content)
    for read in (load_model, rules_from):
        with suppress(ArchiveError):
            read(path)


def test_what_a_file_is_shows_in_its_bytes_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes((GOLDEN / "stack.h5").read_bytes())
    with open_archive(path) as archive:
        assert isinstance(archive, LegacyFile)
        assert archive.keras_version == PREDICTED["stack"]["keras"]
