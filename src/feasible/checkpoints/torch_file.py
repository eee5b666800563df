"""Reads what torch.save wrote: a zip of a pickle and of the bytes of each storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.failures import CheckpointError, damage
from feasible.checkpoints.mapped_file import MappedFile, array_bytes
from feasible.checkpoints.pickle_data import Made, Named, PersistentId, read_pickle
from feasible.checkpoints.stored_array import Segment, StoredArray, named_dtype
from feasible.checkpoints.zip_members import ZipMembers

_PICKLE = "data.pkl"
_LARGEST_PICKLE = 2**28
_DEEPEST = 20
_TENSOR = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_PARAMETER = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_ORDERED = "collections.OrderedDict"
_STORAGES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
    "Float8_e4m3fn": "float8_e4m3fn",
    "Float8_e5m2": "float8_e5m2",
}
# Where checkpoints of the usual trainers keep the model; others are listed with their paths.
_MODELS = ("state_dict", "model_state_dict", "model", "module")


def open_torch_file(path: Path, *, writable: bool = False) -> Checkpoint:
    """Open what torch.save, or Lightning, wrote. Its pickle is read as data, never run.

    Args:
        path: The file.
        writable: Whether its arrays are to be changed in place.

    Returns:
        The checkpoint. Where the model's weights stand under ``state_dict`` or the like, arrays
        beside them, such as an optimizer's state, are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not a whole file of this kind.
    """
    file = MappedFile(path, writable)
    with damage(file.source):
        if file.read(0, min(file.size, 2)) != b"PK":
            raise CheckpointError(
                file.source,
                "it is not a zip, as torch.save has written since PyTorch 1.6. Load it with "
                "torch.load(path, weights_only=True), and save it again",
            )
        members = ZipMembers(file)
        pickles = [name for name in members.members if name.rpartition("/")[2] == _PICKLE]
        if len(pickles) != 1:
            raise CheckpointError(file.source, f"it must hold one {_PICKLE}: {pickles!r:.200}")
        content = read_pickle(members.unpack(pickles[0], _LARGEST_PICKLE))
        storages = _Storages(file, members, pickles[0].removesuffix(_PICKLE))
        arrays = [storages.array(name, made) for name, made in _tensors(_model_of(content))]
        if not arrays:
            raise CheckpointError(file.source, "it holds no tensors by name")
        return Checkpoint(
            file.source, "torch.save", arrays, [file], layout="torch", mend=members.mend
        )


def _items(value: Any) -> list[tuple[str, Any]] | None:
    """Return what a dict holds by name; None for anything else."""
    if isinstance(value, Made) and value.function == Named(_ORDERED):
        return [(str(pair[0]), pair[1]) for pair in value.items if isinstance(pair, tuple)]
    if isinstance(value, dict):
        return [(str(name), one) for name, one in value.items()]
    return None


def _model_of(content: Any) -> Any:
    """Return what a checkpoint has of the model itself."""
    found = dict(_items(content) or [])
    for name in _MODELS:
        if _items(found.get(name)) is not None:
            return found[name]
    return content


def _tensors(content: Any) -> Iterator[tuple[str, Made]]:
    """Return tensors by the path to them; what stands in two places is gone through once."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        made = _tensor_of(value)
        if made is not None:
            yield path, made
            continue
        items = _items(value)
        if items is None and isinstance(value, list | tuple):
            items = [(str(place), one) for place, one in enumerate(value)]
        if items is None or id(value) in seen or depth > _DEEPEST:
            continue
        seen.add(id(value))
        inside = [(f"{path}.{name}" if path else name, one, depth + 1) for name, one in items]
        waiting.extend(reversed(inside))


def _tensor_of(value: Any) -> Made | None:
    for _ in range(3):
        if not isinstance(value, Made) or not isinstance(value.function, Named):
            return None
        if value.function.name in _TENSOR:
            return value
        if value.function.name not in _PARAMETER:
            return None
        value = value.arguments[0]
    return None


class _Storages:
    """Where the bytes of storages are."""

    def __init__(self, file: MappedFile, members: ZipMembers, prefix: str) -> None:
        self._file = file
        self._members = members
        self._prefix = prefix
        order = f"{prefix}byteorder"
        self._swapped = order in members.members and members.unpack(order, 16) == b"big"
        self._offsets: dict[str, int] = {}

    def array(self, name: str, made: Made) -> StoredArray:
        """Return a tensor, which a pickle says how to make of a storage."""
        storage, offset, shape, strides, *_ = made.arguments
        entry: Any = storage.entry if isinstance(storage, PersistentId) else ()
        if len(entry) < 5 or entry[0] != "storage" or not isinstance(entry[1], Named):
            raise ValueError(f"{name} is not made of a storage in the file")
        kind, key = entry[1].name.rpartition(".")[2].removesuffix("Storage"), str(entry[2])
        dtype = named_dtype(_STORAGES.get(kind, kind), self._file.source)
        if self._swapped:
            dtype = dtype.newbyteorder(">")
        numbers = [offset, *shape, *strides]
        if len(shape) != len(strides) or not all(
            type(one) is int and 0 <= one < 2**62 for one in numbers
        ):
            raise ValueError(f"{name} has the shape {shape!r:.80} and the strides {strides!r:.80}")
        member = f"{self._prefix}data/{key}"
        if member not in self._members.members or not self._members.is_stored(member):
            raise ValueError(f"the storage of {name}, {member}, is not there, or compressed")
        steps = tuple(one * dtype.itemsize for one in strides)
        self._check(name, dtype, offset, tuple(shape), steps, member)
        if member not in self._offsets:
            self._offsets[member] = self._members.offset(member)
        start = self._offsets[member] + offset * dtype.itemsize
        return StoredArray(
            name, tuple(shape), dtype, (Segment(self._file, start, tuple(shape), steps),)
        )

    def _check(
        self,
        name: str,
        dtype: np.dtype[Any],
        offset: int,
        shape: tuple[int, ...],
        steps: tuple[int, ...],
        member: str,
    ) -> None:
        room = self._members.size(member) - offset * dtype.itemsize
        spread = array_bytes(dtype, shape, steps)
        # An expanded tensor has one entry many times.
        if spread > room or array_bytes(dtype, shape) > max(room, 0):
            raise ValueError(
                f"{name} of shape {shape} and dtype {dtype} does not fit its storage, which has "
                f"{room} bytes from its first entry on"
            )
