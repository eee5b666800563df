"""Whatever becomes of the files that keep compiled loops, training goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CODE = """
import errno, sys, warnings
import torch
import feasible
from feasible.torch import check, constrain

if "full" in sys.argv:
    import numba.core.caching as caching
    def save(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")
    caching.IndexDataCacheFile.save = save
model = torch.nn.Linear(5, 4)
constrain(model, kernel=feasible.MaxNorm(0.1, axis="unit"))
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        model(torch.ones(3, 5)).sum().backward()
        optimizer.step()
assert check(model).ok
for one in caught:
    print(one.category.__name__, one.message)
"""


def train(cache: Path, *options: str) -> str:
    """What a process prints that takes two steps with compiled loops kept in a folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *options],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numba")
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(train, [folder, folder])] == ["", ""]
    return folder


def test_what_one_process_compiled_another_finds(filled: Path) -> None:
    kept = sorted(filled.rglob("loops.*.nb?"))
    assert [path.suffix for path in kept] == [".nbc", ".nbi"]
    before = [path.stat().st_mtime_ns for path in kept]
    assert train(filled) == ""
    assert [path.stat().st_mtime_ns for path in kept] == before


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("content", [b"", "half"])
def test_a_damaged_file_is_said_once(
    filled: Path, tmp_path: Path, suffix: str, content: bytes | str
) -> None:
    for path in filled.rglob("loops.*"):
        copied = tmp_path / path.relative_to(filled)
        copied.parent.mkdir(exist_ok=True)
        whole = path.read_bytes()
        damaged = whole[: len(whole) // 2] if isinstance(content, str) else content
        copied.write_bytes(damaged if path.suffix == suffix else whole)
    said = train(tmp_path).splitlines()
    assert len(said) == 1
    assert said[0].startswith("UserWarning What Numba keeps of _rescale_rows_float32 cannot be")
    assert "delete the files loops.*" in said[0]


def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    (said,) = train(tmp_path, "full").splitlines()
    assert "No space left on device" in said
    assert "Make room on the disk" in said
