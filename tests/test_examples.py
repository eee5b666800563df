"""The examples run, and show what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_digits(tmp_path: Path) -> None:
    path = tmp_path / "digits.png"
    options = ["--epochs", "2", "--seeds", "1", "--picture", path]
    done = subprocess.run(
        [sys.executable, EXAMPLES / "digits.py", *options],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.stderr == ""  # no bar where nobody looks
    table = [line.split() for line in done.stdout.splitlines() if "MaxNorm(" in line]
    assert [row[0] for row in table] == ["40%", "40%", "0%", "0%"]
    assert all(0 <= float(number) <= 1 for row in table for number in row[-3:])
    assert done.stdout.splitlines()[-1].startswith("Gained with 40% random labels: ")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


def test_concepts(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES / "concepts.py", tmp_path]
    subprocess.run(command, check=True, timeout=300)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (EXAMPLES.parent / "docs" / "pictures").iterdir()}
    assert all(path.read_text().startswith("<?xml") for path in tmp_path.iterdir())
