"""What is raised for a checkpoint that cannot be read, and for one in which no rule has a say."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from feasible.archives.errors import ArchiveError
from feasible.printable import printable

# What json, zipfile, NumPy and struct raise where the bytes of a file contradict each other.
_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class CheckpointError(ValueError):
    """A file that is not a whole and harmless checkpoint of a known format.

    Args:
        source: The file, or the part of it.
        problem: What is wrong with it, and what to do.
    """

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{printable(source)}: {printable(problem, 2000)}")


class NothingSelectedError(ValueError):
    """Rules that are for no parameter of a checkpoint, or a checkpoint for which there are none."""


@contextmanager
def damage(source: str) -> Iterator[None]:
    """Turn what damaged bytes give rise to into one error.

    Args:
        source: What is read in the block, for the message.

    Yields:
        Nothing.

    Raises:
        CheckpointError: If the block raises it, or anything that damaged bytes give rise to.

    Example:
        >>> try:
        ...     with damage("m.npz"):
        ...         struct.unpack("<Q", b"1234")
        ... except CheckpointError as error:
        ...     print(str(error)[:28])
        m.npz: it cannot be read (un
    """
    try:
        yield
    except (CheckpointError, FileNotFoundError):
        raise
    except ArchiveError as error:
        message = str(error)
        raise CheckpointError(source, message.removeprefix(f"{source}: ")) from error
    except _DAMAGE as error:
        what = str(error) or type(error).__name__
        raise CheckpointError(source, f"it cannot be read ({what})") from error
