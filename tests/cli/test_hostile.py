"""Files that nobody vouches for end in exit 2 within seconds; nothing in them is run."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feasible.cli import main

RULE = ["--rule", "*=MaxNorm(1, axis=None)"]


def test_a_short_fuzz(tmp_path: Path) -> None:
    # In a process of its own, because an audit hook cannot be removed.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.cli.hostile", "--count", "40"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "forbidden events: none" in done.stdout


class Evil:
    def __reduce__(self) -> tuple[Any, Any]:
        return os.system, ("touch was-run",)


def torch_zip(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("archive/data.pkl", content)


def header(entries: dict[str, Any]) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def evil_pickle(path: Path) -> Path:
    torch_zip(path / "m.pt", pickle.dumps({"weight": Evil()}))
    return path / "m.pt"


def nested_tuples(path: Path) -> Path:
    # Each tuple holds the one before twice: as a key it would be hashed 2**60 times.
    content = b"\x80\x02}(" + b"K\x01" + b"2\x86" * 60 + b"K\x01u."
    torch_zip(path / "m.pt", content)
    return path / "m.pt"


def object_array(path: Path) -> Path:
    np.savez(path / "m.npz", a=np.array([Evil()], dtype=object))
    return path / "m.npz"


def bomb(path: Path) -> Path:
    with zipfile.ZipFile(path / "m.npz", "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("a.npy", b"\0" * 2**28)
    return path / "m.npz"


def absurd_shape(path: Path) -> Path:
    entry = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}
    (path / "m.safetensors").write_bytes(header({"a": entry}) + b"1234")
    return path / "m.safetensors"


def absurd_header(path: Path) -> Path:
    (path / "m.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    return path / "m.safetensors"


def expanded_tensor(path: Path) -> Path:
    torch.save({"a": torch.ones(1).expand(2**20, 2**20)}, path / "m.pt")
    return path / "m.pt"


def truncated(path: Path) -> Path:
    torch.save({"a": torch.ones(64, 64)}, path / "whole.pt")
    (path / "m.pt").write_bytes((path / "whole.pt").read_bytes()[:5000])
    return path / "m.pt"


def index_elsewhere(path: Path) -> Path:
    (path / "m.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "../../etc/passwd"}})
    )
    return path / "m.safetensors.index.json"


def index_with_link(path: Path) -> Path:
    (path / "inside").mkdir()
    (path / "m.safetensors").write_bytes(b"secret")
    (path / "inside" / "m.safetensors").symlink_to(path / "m.safetensors")
    index = path / "inside" / "m.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "m.safetensors"}}))
    return index


def pipe(path: Path) -> Path:
    os.mkfifo(path / "m.npz")
    return path / "m.npz"


def empty(path: Path) -> Path:
    (path / "m.keras").write_bytes(b"")
    return path / "m.keras"


@pytest.mark.parametrize(
    "make",
    [
        evil_pickle,
        nested_tuples,
        object_array,
        bomb,
        absurd_shape,
        absurd_header,
        expanded_tensor,
        truncated,
        index_elsewhere,
        index_with_link,
        pipe,
        empty,
    ],
)
def test_it_ends_in_exit_2_and_leaves_nothing(
    make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path)
    before = sorted(one.name for one in tmp_path.rglob("*"))
    for command in (
        ["check", str(path), *RULE],
        ["show", str(path)],
        ["project", str(path), str(path.with_name(f"out{''.join(path.suffixes)}")), *RULE],
    ):
        assert main(command) == 2, command
    assert str(path) in capsys.readouterr().err
    assert sorted(one.name for one in tmp_path.rglob("*")) == before


def test_names_cannot_write_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "\x1b]0;owned\x07\n::error::w"
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    path = tmp_path / "m.safetensors"
    path.write_bytes(header({name: entry}) + struct.pack("<f", 3))
    assert main(["check", str(path), *RULE]) == 1
    assert main(["show", str(path)]) == 0
    assert main(["check", str(path), "--rule", "nothing=NonNeg()"]) == 3
    found = capsys.readouterr()
    for text in (found.out, found.err):
        assert "\x1b" not in text
        assert "\n::error" not in text
    assert main(["check", str(path), "--json", *RULE]) == 1
    assert json.loads(capsys.readouterr().out)["parameters"][0]["parameter"] == name
