"""Our constraints in Keras itself, on each of its backends in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSIDE = Path(__file__).with_name("inside")


@pytest.mark.parametrize(
    ("backend", "tests"), [("torch", INSIDE), ("jax", INSIDE / "test_inside_keras.py")]
)
def test_inside_keras(backend: str, tests: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-c", INSIDE / "pytest.ini", tests]
    done = subprocess.run(
        command,
        env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed in " in done.stdout
    assert "skipped" not in done.stdout
