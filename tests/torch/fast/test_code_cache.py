"""Whatever becomes of the files that keep compiled loops, training goes on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import pytest

from feasible.torch.fast import code_cache, loops

CODE = """
import warnings, torch, feasible
from feasible.torch import check, constrain
from feasible.torch.fast import loops

model = torch.nn.Linear(5, 4)
constrain(model, kernel=feasible.NonNeg(), project=True)
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


def train(cache: Path) -> str:
    """What a process prints that takes two steps with compiled loops kept in a folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numba")
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(train, [folder, folder])] == ["", ""]
    return folder


def code(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    """The loop that clips, compiled as in a process that keeps such in a folder."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))
    loop = loops._LOOPS["clip", loops.torch.float32]
    return code_cache.code_of(loop, numba.types.void(numba.types.CPointer(numba.int64)))


def test_what_one_process_compiled_another_finds(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = sorted(filled.rglob("loops._clip*"))
    assert [path.suffix for path in kept] == [".nbc", ".nbi"]
    before = [path.stat().st_mtime_ns for path in kept]
    assert code(monkeypatch, filled).address
    assert [path.stat().st_mtime_ns for path in kept] == before


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_file_is_said(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, share: float
) -> None:
    folder = tmp_path / "numba"
    shutil.copytree(filled, folder)
    (damaged,) = folder.rglob(f"loops._clip*{suffix}")
    content = damaged.read_bytes()
    damaged.write_bytes(content[: int(share * len(content))])
    with pytest.warns(UserWarning, match=r"_clip_float32 cannot be used .*delete the files loops"):
        assert code(monkeypatch, folder).address


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "save", save)
    with pytest.warns(UserWarning, match=r"No space left on device\. Make room on the disk"):
        assert code(monkeypatch, tmp_path).address


def test_no_place_to_keep_it_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert code(monkeypatch, Path()).address


@pytest.mark.parametrize("error", [OSError, code_cache.Timeout])
def test_without_a_lock_it_goes_on(
    filled: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def acquire(lock: Any, timeout: float) -> None:
        raise error(lock)

    monkeypatch.setattr(code_cache.FileLock, "acquire", acquire)
    assert code(monkeypatch, filled).address
