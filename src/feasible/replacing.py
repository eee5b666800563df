"""Writes a file beside the one it takes the place of, so that a crash leaves the old one whole."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from feasible.arguments import InvalidArgumentError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to write that takes a path's place when the block ends, all at once.

    Until then the path holds what it held before. If the block raises, it stays so, and what was
    written is removed; if the process is killed, the next that writes to the path removes it.

    Args:
        path: Where the file goes. A file that is there is replaced, and keeps its permissions; a
            link is followed.

    Yields:
        The file, open for writing bytes.

    Raises:
        InvalidArgumentError: If the path is that of a folder, or in one that does not exist.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "weights")
        ...     with replacing(path) as file:
        ...         _ = file.write(b"1234")
        ...     path.read_bytes()
        b'1234'
    """
    target = Path(os.path.realpath(path))
    exists = target.exists()
    if not target.parent.is_dir() or (exists and not target.is_file()):
        raise InvalidArgumentError(
            "save", "path", os.fspath(path), "that of a file, in a folder that exists"
        )
    mark = _mark(target)
    _sweep(target.parent, mark)
    beside = target.with_name(f"{mark}{os.getpid()}.{secrets.token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if exists:
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _mark(target: Path) -> str:
    """Return what the names begin with of files written here to take a path's place."""
    host = re.sub(r"\W", "", socket.gethostname())[:32]
    return f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}.{host}."


def _sweep(folder: Path, mark: str) -> None:
    """Remove what processes have left that were killed while they wrote."""
    for left in folder.glob(f"{mark}*.part"):
        process = left.name[len(mark) :].partition(".")[0]
        if process.isdecimal() and not _is_running(int(process)):
            left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere, to ask is to kill
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
