"""A file of which only what is asked for is mapped into memory."""

from __future__ import annotations

import math
import mmap
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feasible.checkpoints.failures import CheckpointError


class MappedFile:
    """A regular file, open for reading or for changing its bytes in place.

    Each array is mapped on its own and let go with it, so that a file larger than memory can be
    gone through.

    Args:
        path: The file.
        writable: Whether its bytes are to be changed.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is a folder, a device or a pipe.

    Attributes:
        path: The file.
        source: What the file is called, for messages.
        size: How many bytes it has.
        writable: Whether its bytes can be changed.
        stream: The open file, unbuffered.
    """

    def __init__(self, path: str | os.PathLike[str], writable: bool = False) -> None:
        self.path = Path(path)
        self.source = os.fspath(path)
        self.writable = writable
        # A pipe would be waited for when it is opened, and a device can be endless.
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise CheckpointError(self.source, "it is not a regular file")
        self.size = found.st_size
        # Unbuffered, because a buffer would not show what is changed through a mapping.
        self.stream = open(path, "r+b" if writable else "rb", buffering=0)  # noqa: SIM115

    def __del__(self) -> None:
        if hasattr(self, "stream"):
            self.stream.close()

    def close(self) -> None:
        """Close the file; arrays that are mapped stay so."""
        self.stream.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return some bytes.

        Args:
            offset: Where they begin.
            size: How many they are.

        Returns:
            The bytes.

        Raises:
            CheckpointError: If the file ends before they do.
        """
        self._check(offset, size)
        return os.pread(self.stream.fileno(), size, offset)

    def write(self, offset: int, content: bytes) -> None:
        """Replace some bytes.

        Args:
            offset: Where they begin.
            content: The new ones.
        """
        self._check(offset, len(content))
        os.pwrite(self.stream.fileno(), content, offset)

    def region(self, offset: int, size: int) -> memoryview:
        """Map some bytes into memory.

        Args:
            offset: Where they begin.
            size: How many they are.

        Returns:
            A view of the file, which takes memory only for what is looked at.

        Raises:
            CheckpointError: If the file ends before they do.
        """
        self._check(offset, size)
        if not size:
            return memoryview(b"")
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        access = mmap.ACCESS_WRITE if self.writable else mmap.ACCESS_READ
        mapped = mmap.mmap(self.stream.fileno(), offset + size - start, access=access, offset=start)
        return memoryview(mapped)[offset - start :]

    def array(
        self,
        dtype: np.dtype[Any],
        shape: Sequence[int],
        offset: int,
        strides: Sequence[int] | None = None,
    ) -> NDArray[Any]:
        """Map an array into memory.

        Args:
            dtype: Its dtype.
            shape: Its shape.
            offset: Where its first entry is.
            strides: How many bytes lie between neighbours along each axis, none negative; None for
                rows one after another.

        Returns:
            A view of the file, read-only unless the file is open for changes.

        Raises:
            CheckpointError: If the file ends before the array does.
        """
        size = array_bytes(dtype, shape, strides)
        return np.ndarray(tuple(shape), dtype, self.region(offset, size), 0, strides)

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise CheckpointError(
                self.source,
                f"{size} bytes from byte {offset} on are not in the file, which has {self.size}. "
                "It is truncated or damaged: fetch or save it again",
            )


def array_bytes(
    dtype: np.dtype[Any], shape: Sequence[int], strides: Sequence[int] | None = None
) -> int:
    """Return how many bytes an array spans from its first entry to its last.

    Args:
        dtype: Its dtype.
        shape: Its shape.
        strides: How many bytes lie between neighbours along each axis; None for none to spare.

    Returns:
        The number of bytes.

    Example:
        >>> array_bytes(np.dtype("f4"), (3, 2)), array_bytes(np.dtype("f4"), (3, 2), (40, 4))
        (24, 88)
    """
    if 0 in shape:
        return 0
    if strides is None:
        return math.prod(shape) * dtype.itemsize
    return dtype.itemsize + sum(
        (size - 1) * stride for size, stride in zip(shape, strides, strict=True)
    )
