"""Constraints hold under Lightning's distributed strategies, in real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(script: str, folder: Path) -> list[dict[str, Any]]:
    """What each process of a script found."""
    path = Path(__file__).with_name(script)
    done = subprocess.run(
        [sys.executable, path, folder / "found"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"found.{rank}").read_text()) for rank in range(2)]


def test_fit_with_ddp(tmp_path: Path) -> None:
    first, second = run("fit_with_ddp.py", tmp_path)
    assert first == second
    assert (first["world"], first["ok"]) == (2, True)
    assert 0.3 * (1 - 1e-5) < first["worst_norm"] <= 0.3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.0", "found.1"]


def test_lightning_with_fully_shard(tmp_path: Path) -> None:
    first, second = run("fit_with_fsdp2.py", tmp_path)
    assert (first["world"], first["ok"], second["ok"]) == (2, True, True)
    assert first["worst_norm"] == pytest.approx(0.05, rel=1e-5)
    assert [first["stored"], second["stored"]] == [[4, 4], [3, 4]]


def test_fit_sharded(tmp_path: Path) -> None:
    first, second = run("fit_sharded.py", tmp_path)
    assert (first["world"], first["ok"], second["ok"]) == (2, True, True)
    assert [first["stored"], second["stored"]] == [[4, 4], [3, 4]]
    assert first["loss"] == second["loss"]
