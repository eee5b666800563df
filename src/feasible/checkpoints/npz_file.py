"""Reads NumPy's npz files: a zip of arrays."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.failures import CheckpointError, damage
from feasible.checkpoints.mapped_file import MappedFile, array_bytes
from feasible.checkpoints.stored_array import Segment, StoredArray
from feasible.checkpoints.zip_members import ZipMembers

_SUFFIX = ".npy"
_LARGEST_HEADER = 2**16
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def open_npz(path: Path, *, writable: bool = False) -> Checkpoint:
    """Open an npz file. Arrays of objects, which only unpickling could read, are refused.

    Args:
        path: The file.
        writable: Whether its arrays are to be changed in place.

    Returns:
        The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not a whole npz file.
    """
    file = MappedFile(path, writable)
    with damage(file.source):
        members = ZipMembers(file)
        arrays = [_array(file, members, name) for name in members.members]
        return Checkpoint(file.source, "npz", arrays, [file], layout="native", mend=members.mend)


def _array(file: MappedFile, members: ZipMembers, name: str) -> StoredArray:
    if not name.endswith(_SUFFIX):
        raise CheckpointError(file.source, f"its member {name} is not an array")
    size, is_stored = members.size(name), members.is_stored(name)
    if is_stored:
        start = members.offset(name)
        head = file.read(start, min(size, _LARGEST_HEADER))
    else:
        start, head = 0, members.unpack(name)
    stream = io.BytesIO(head)
    version = npy.read_magic(stream)
    if version not in _READERS:
        raise CheckpointError(file.source, f"{name} is of version {version}")
    shape, by_columns, dtype = _READERS[version](stream)
    if dtype.hasobject:
        raise CheckpointError(
            file.source, f"{name} holds Python objects, which are pickled. Save arrays of numbers"
        )
    header, room = stream.tell(), array_bytes(dtype, shape)
    if room != size - header:
        raise CheckpointError(
            file.source, f"{name} of shape {shape} takes {room} bytes, and has {size - header}"
        )
    strides = _column_strides(shape, dtype.itemsize) if by_columns else None
    own_name = name.removesuffix(_SUFFIX)
    if is_stored:
        segment = Segment(file, start + header, shape, strides)
        return StoredArray(own_name, shape, dtype, (segment,))
    load = partial(_unpacked, members, name, dtype, shape, strides, header)
    return StoredArray(own_name, shape, dtype, load=load)


def _column_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    strides, stride = [], itemsize
    for size in shape:
        strides.append(stride)
        stride *= size
    return tuple(strides)


def _unpacked(
    members: ZipMembers,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None,
    header: int,
) -> NDArray[Any]:
    return np.ndarray(shape, dtype, members.unpack(name), header, strides)
