"""The examples run, and show what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_digits(tmp_path: Path) -> None:
    path = tmp_path / "digits.png"
    command = [sys.executable, EXAMPLES / "digits.py", "--epochs", "12", "--picture", path]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=300
    )
    table = [line.split() for line in done.stdout.splitlines() if ".weight" in line]
    assert len(table) == 4
    assert all(float(row[-2]) == 0 for row in table)
    assert all(float(row[-1]) > 0 for row in table)
    assert "accuracy" in done.stdout
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


def test_concepts(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES / "concepts.py", tmp_path]
    subprocess.run(command, check=True, timeout=300)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (EXAMPLES.parent / "docs" / "pictures").iterdir()}
    assert all(path.read_text().startswith("<?xml") for path in tmp_path.iterdir())
