"""An array in a checkpoint: what it is called, its shape and dtype, and where its bytes are."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feasible.checkpoints.failures import CheckpointError
from feasible.checkpoints.mapped_file import MappedFile, array_bytes
from feasible.layouts import ParameterLayout

_MOST_AXES = 32


class Segment(NamedTuple):
    """Where the bytes of an array, or of a box within it, are.

    Attributes:
        file: The file.
        offset: Where the first entry is.
        shape: The shape of the box.
        strides: How many bytes lie between neighbours; None for rows one after another.
        start: Where the box begins in the array, along each axis.
    """

    file: MappedFile
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None
    start: tuple[int, ...] = ()

    @property
    def place(self) -> tuple[slice, ...]:
        """Where the box lies in the array."""
        start = self.start or (0,) * len(self.shape)
        return tuple(slice(one, one + size) for one, size in zip(start, self.shape, strict=True))


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array in a checkpoint, of which nothing is read until it is asked for.

    Attributes:
        name: Its name.
        shape: Its shape as it is stored.
        dtype: Its dtype.
        segments: Where its bytes are.
        load: What reads it where its bytes are compressed; else None.
        layouts: What it is to its layer, where the file says so; one a part, where it has parts.
        kind: The class of its layer, where the file says so; else empty.
        group: Where the file keeps its layer, where it keeps layers; else empty.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    segments: tuple[Segment, ...] = ()
    load: Callable[[], NDArray[Any]] | None = field(default=None, repr=False)
    layouts: tuple[ParameterLayout, ...] = ()
    kind: str = ""
    group: str = ""

    @property
    def size(self) -> int:
        """How many entries it has."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes its entries take."""
        return self.size * self.dtype.itemsize

    @property
    def is_real(self) -> bool:
        """Whether its entries are numbers with a fraction, as weights are."""
        return is_weight_dtype(self.dtype)

    @property
    def identity(self) -> Hashable:
        """What is one and the same for an array under all its names."""
        if not self.segments:
            return self.name
        return tuple((one.file.source, one.offset, one.shape, one.strides) for one in self.segments)

    def check(self, source: str) -> None:
        """Raise if it cannot be what it says.

        Args:
            source: The file, for the message.

        Raises:
            CheckpointError: If it has more axes than any weight, or ends beyond its file.
        """
        if len(self.shape) > _MOST_AXES or any(size < 0 for size in self.shape):
            raise CheckpointError(source, f"{self.name} cannot have the shape {self.shape}")
        for one in self.segments:
            end = one.offset + array_bytes(self.dtype, one.shape, one.strides)
            if one.offset < 0 or end > one.file.size:
                raise CheckpointError(
                    one.file.source,
                    f"{self.name} of shape {self.shape} and dtype {self.dtype} ends at byte {end}, "
                    f"and the file at {one.file.size}. It is truncated or damaged: fetch or save "
                    "it again",
                )

    def read(self) -> NDArray[Any]:
        """Return its entries.

        Returns:
            A view of the file where it lies there in one piece; else an array that was put together
            of several, or decompressed.

        Raises:
            CheckpointError: If the file is damaged.
        """
        if self.load is not None:
            return self.load()
        if len(self.segments) == 1 and self.segments[0].shape == self.shape:
            file, offset, shape, strides, _ = self.segments[0]
            return file.array(self.dtype, shape, offset, strides)
        found = np.empty(self.shape, self.dtype)
        for one in self.segments:
            found[one.place] = one.file.array(self.dtype, one.shape, one.offset, one.strides)
        return found

    def write(self, values: NDArray[Any]) -> None:
        """Put new entries where the old ones are, in a checkpoint open for changes.

        Args:
            values: The entries, of its shape and dtype.
        """
        for one in self.segments:
            stored = one.file.array(self.dtype, one.shape, one.offset, one.strides)
            stored[...] = values[one.place]


def is_weight_dtype(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype is one that constraints can be on.

    Args:
        dtype: The dtype.

    Returns:
        Whether it is of floating or complex numbers of at least two bytes.

    Example:
        >>> is_weight_dtype(np.dtype("float16")), is_weight_dtype(np.dtype("int8"))
        (True, False)
    """
    return dtype.kind in "fc" or dtype.name == "bfloat16"


def named_dtype(name: str, source: str) -> np.dtype[Any]:
    """Return a dtype by its name, such as ``"float32"``, ``"bfloat16"`` or ``"float8_e4m3fn"``.

    Args:
        name: The name.
        source: The file, for the message.

    Returns:
        The dtype.

    Raises:
        ImportError: If NumPy lacks it and ml_dtypes, which has it, is not installed.
        CheckpointError: If there is no such dtype.

    Example:
        >>> named_dtype("float32", "m.npz").itemsize
        4
    """
    if name.startswith(("bfloat", "float8", "float4")):
        from feasible.requirements import require

        require("feasible.checkpoints", "cli", "ml_dtypes")
        import ml_dtypes

        if hasattr(ml_dtypes, name):
            found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
            return found
    elif name in _NAMED:
        return np.dtype(name)
    raise CheckpointError(source, f"the dtype {name!r:.80} is not known")


_NAMED = {
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64", "complex64", "complex128"),
}
