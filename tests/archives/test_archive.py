"""The file format: what is written is read back, and nothing else is."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feasible.archives import ArchiveError, WeightSpec, open_archive, write_archive

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
CONFIG = {"class_name": "Sequential", "config": {"name": "ünï", "layers": [1, None, 2.5, True]}}
KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)
WEIGHTS = {
    "layers/dense": [KERNEL, np.ones(2, np.float32)],
    "layers/dropout": [],
    "layers/dense_1": [np.array([[0.5]], np.float16), np.array([b"\x80\x3f"], "V2")],
}
NAMES = {"layers/dense": "first", "layers/dropout": "dropout", "layers/dense_1": "last"}
SPECS = {
    "layers/dense": [WeightSpec("kernel", (3, 2), "float32"), WeightSpec("bias", (2,), "float32")],
    "layers/dropout": [],
    "layers/dense_1": [
        WeightSpec("kernel", (1, 1), "float16"),
        WeightSpec("bias", (1,), "bfloat16"),
    ],
}


def packed(members: dict[str, bytes], **how: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written() -> bytes:
    file = io.BytesIO()
    write_archive(file, CONFIG, WEIGHTS, NAMES)
    return file.getvalue()


VALID = written()
VALID_MEMBERS = unpacked(VALID)


def read(content: bytes, path: Path) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    path.write_bytes(content)
    with open_archive(path) as archive:
        return archive.config, archive.read_weights(SPECS)


def assert_is_what_was_written(config: Any, weights: dict[str, list[np.ndarray]]) -> None:
    assert config == CONFIG
    assert {path: [w.dtype for w in group] for path, group in weights.items()} == {
        path: [w.dtype for w in group] for path, group in WEIGHTS.items()
    }
    for path, group in WEIGHTS.items():
        for own, given_weight in zip(weights[path], group, strict=True):
            np.testing.assert_array_equal(own, given_weight)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.keras"


def test_what_is_written_is_read_back(path: Path) -> None:
    assert_is_what_was_written(*read(VALID, path))


def test_members_are_those_of_keras_and_not_compressed() -> None:
    with zipfile.ZipFile(io.BytesIO(VALID)) as archive:
        assert [member.filename for member in archive.infolist()] == list(MEMBERS)
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
    metadata = json.loads(VALID_MEMBERS["metadata.json"])
    assert sorted(metadata) == ["date_saved", "keras_version"]


def test_names_are_written_beside_the_weights() -> None:
    with h5py.File(io.BytesIO(VALID_MEMBERS["model.weights.h5"])) as root:
        assert {group: root[group]["vars"].attrs["name"] for group in WEIGHTS} == NAMES
        assert root["layers/dense_1/vars/1"].attrs["dtype"] == "bfloat16"


def test_an_archive_that_someone_compressed_is_read(path: Path) -> None:
    content = packed(VALID_MEMBERS, compression=zipfile.ZIP_DEFLATED)
    assert len(content) < len(VALID)
    assert_is_what_was_written(*read(content, path))


def test_other_members_are_left_alone(path: Path) -> None:
    others = {"../evil": b"?", "/evil": b"?", "assets/a/b": b"?", "C:\\evil": b"?"}
    assert_is_what_was_written(*read(packed({**others, **VALID_MEMBERS}), path))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert not (path.parent.parent / "evil").exists()


def test_importing_it_imports_no_framework() -> None:
    code = (
        "import sys, feasible.keras;"
        "print([m for m in ('torch', 'keras', 'jax', 'tensorflow') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def zip_with(name: str, content: bytes, **how: Any) -> bytes:
    return packed({**VALID_MEMBERS, name: content}, **how)


def zip_without(name: str) -> bytes:
    return packed({own: content for own, content in VALID_MEMBERS.items() if own != name})


def twice(name: str) -> bytes:
    file = io.BytesIO(VALID)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"{}")
    return file.getvalue()


def encrypted() -> bytes:
    content = bytearray(VALID)
    central = VALID.index(b"PK\x01\x02", VALID.index(b"PK\x01\x02") + 1)  # that of config.json
    content[central + 8] |= 1
    return bytes(content)


FOREIGN = {
    "empty": (b"", "is empty"),
    "HDF5": (VALID_MEMBERS["model.weights.h5"], "holds no model, but at most its weights"),
    "text": (b"hello, this is not a zip", "not a Keras archive"),
    "pickle": (pickle.dumps({"a": 1}), "not a Keras archive"),
    "an empty zip": (packed({}), "not a Keras archive"),
    "another zip": (packed({"data.pkl": b"?"}), "must hold one config.json, and holds 0"),
    "no weights": (zip_without("model.weights.h5"), "one model.weights.h5, and holds 0"),
    "two configs": (twice("config.json"), "one config.json, and holds 2"),
    "two weights": (twice("model.weights.h5"), "one model.weights.h5, and holds 2"),
    "encrypted": (encrypted(), "encrypted"),
    "compressed by bzip2": (
        packed(VALID_MEMBERS, compression=zipfile.ZIP_BZIP2),
        "config.json is compressed in a way that Keras does not use",
    ),
    "truncated": (VALID[: len(VALID) // 2], "cannot be read"),
    "truncated by a byte": (VALID[:-1], "cannot be read"),
    "another checksum": (VALID.replace(b"2.5, true", b"3.5, true"), "Bad CRC-32"),
    "weights that are none": (
        zip_with("model.weights.h5", b"?" * 999),
        "model.weights.h5.*cannot be read",
    ),
    "truncated weights": (
        zip_with("model.weights.h5", VALID_MEMBERS["model.weights.h5"][:-1000]),
        "cannot be read",
    ),
    "no JSON": (zip_with("config.json", b"{'a'"), "config.json.*cannot be read"),
    "no text": (zip_with("config.json", b"\xff\xfe\xfa"), "config.json.*cannot be read"),
    "no object": (zip_with("config.json", b"[1]"), "JSON object"),
    "deep JSON": (zip_with("config.json", b'{"a":' * 200 + b"1" + b"}" * 200), "deeper than 100"),
    "deeper JSON": (zip_with("config.json", b"[" * 10**6), "config.json.*cannot be read"),
    "a large JSON": (zip_with("config.json", b'"' + b"a" * 2**24 + b'"'), "16777218 bytes"),
    "a long number": (zip_with("config.json", b"1" * 10**5), "config.json.*cannot be read"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused_by_name(name: str, path: Path) -> None:
    content, problem = FOREIGN[name]
    with pytest.raises(ArchiveError, match=rf"(?s)m\.keras.*{problem}"):
        read(content, path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is a folder"), open_archive(tmp_path):
        pass


def test_a_missing_file_is_missing(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"m\.keras"), open_archive(path):
        pass


def bomb(name: str, declared: int | None = None) -> bytes:
    """An archive in which a member of 100 MiB takes 100 KiB, and may be said to take `declared`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in VALID_MEMBERS.items():
            archive.writestr(member, bytes(100 * 2**20) if member == name else content)
        archive.getinfo(name).file_size = declared or 100 * 2**20
    return file.getvalue()


@pytest.mark.parametrize("declared", [None, 1000], ids=["declared", "hidden"])
@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_bomb_takes_no_memory(name: str, declared: int | None, path: Path) -> None:
    content = bomb(name, declared)
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="would take 104857600" if not declared else "CRC"):
            read(content, path)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)


def changed(content: bytes, bytes_changed: list[tuple[float, int]], kept: float) -> bytes:
    mutable = bytearray(content)
    for where, value in bytes_changed:
        mutable[int(where * len(mutable))] = value
    return bytes(mutable[: round(kept * len(mutable))])


@settings(max_examples=300)
@given(changes, st.one_of(st.just(1.0), st.floats(0, 1)))
def test_any_damage_to_the_file_is_an_archive_error(
    tmp_path_factory: pytest.TempPathFactory, bytes_changed: list[tuple[float, int]], kept: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.keras"
    try:
        config, weights = read(changed(VALID, bytes_changed, kept), path)
    except ArchiveError:
        return
    # A checksum guards every byte that is read.
    assert_is_what_was_written(config, weights)


@settings(max_examples=300)
@given(changes, st.one_of(st.just(1.0), st.floats(0, 1)))
def test_any_damage_to_the_weights_is_an_archive_error(
    tmp_path_factory: pytest.TempPathFactory, bytes_changed: list[tuple[float, int]], kept: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.keras"
    damaged = changed(VALID_MEMBERS["model.weights.h5"], bytes_changed, kept)
    try:
        _, weights = read(zip_with("model.weights.h5", damaged), path)
    except ArchiveError:
        return
    # No checksum guards HDF5's own bytes: values may differ, what they are may not.
    for group, specs in SPECS.items():
        assert [weight.shape for weight in weights[group]] == [spec.shape for spec in specs]
