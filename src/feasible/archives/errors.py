"""What is raised for a file that cannot be read."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager


class ArchiveError(ValueError):
    """A file that is not a whole and harmless Keras archive of layers that are known here.

    Args:
        source: The file.
        problem: What is wrong with it, and what to do.
    """

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")


# What zipfile, json and h5py raise where the bytes of a file contradict each other.
_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Turn what libraries raise for damaged bytes into one error.

    Args:
        source: What is read in the block, for the message.

    Yields:
        Nothing.

    Raises:
        ArchiveError: If the block raises it, or anything that damaged bytes give rise to.

    Example:
        >>> try:
        ...     with reading("m.keras"):
        ...         zlib.decompress(b"This is none.")
        ... except ArchiveError as error:
        ...     print(str(error)[:21])
        m.keras: it cannot be
    """
    try:
        yield
    except ArchiveError:
        raise
    except _DAMAGE as error:
        raise ArchiveError(source, f"it cannot be read ({error}). Save the model again.") from error
