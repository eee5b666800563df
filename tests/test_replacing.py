"""A file that is saved takes the old one's place whole, or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from feasible import InvalidArgumentError
from feasible.replacing import replacing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_new_file_is_written(path: Path) -> None:
    with replacing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["weights"]


def test_a_path_may_be_a_string_without_a_folder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with replacing("weights") as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_the_old_file_stays_if_the_write_fails_halfway(path: Path, error: BaseException) -> None:
    path.write_bytes(b"old")
    with pytest.raises(type(error)), replacing(path) as file:  # noqa: PT012
        file.write(b"half of the n")
        file.flush()
        raise error
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["weights"]


def test_the_old_file_stays_if_the_process_dies_halfway(path: Path) -> None:
    path.write_bytes(b"old")
    code = (
        "import os, sys; from feasible.replacing import replacing\n"
        "with replacing(sys.argv[1]) as file:\n"
        "    file.write(b'half of the n'); file.flush(); os._exit(3)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == 3
    assert path.read_bytes() == b"old"


def test_what_is_written_reaches_the_disk_before_it_takes_the_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"old")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(path.read_bytes()))
    with replacing(path) as file:
        file.write(b"new")
    assert synced == [b"old"]


def test_permissions_stay(path: Path) -> None:
    path.write_bytes(b"old")
    path.chmod(0o640)
    with replacing(path) as file:
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_permissions_of_a_new_file_are_the_usual_ones(path: Path) -> None:
    with replacing(path):
        pass
    usual = path.with_name("usual")
    usual.touch()
    assert path.stat().st_mode == usual.stat().st_mode


def test_a_link_is_followed(path: Path) -> None:
    path.write_bytes(b"old")
    link = path.with_name("link")
    link.symlink_to(path)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("where", [".", "missing/weights"])
def test_what_cannot_be_a_file_is_refused(path: Path, where: str) -> None:
    with (
        pytest.raises(InvalidArgumentError, match="in a folder that exists"),
        replacing(path.parent / where),
    ):
        pass
    assert names(path.parent) == []


KILLED = """
import os, signal, sys
from feasible.replacing import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"whole")
    other = tmp_path / ".another.part"
    other.write_bytes(b"")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.part"))) == 2
    assert path.read_bytes() == b"whole"
    # What is being written at this moment stays.
    with replacing(path) as one, replacing(path) as two:
        assert len(list(tmp_path.glob(".*.part"))) == 3
        one.write(b"1")
        two.write(b"2")
    assert sorted(tmp_path.iterdir()) == [other, path]
