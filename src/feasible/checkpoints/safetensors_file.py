"""Reads safetensors files: a header in JSON, and arrays one after another."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.failures import CheckpointError, damage
from feasible.checkpoints.mapped_file import MappedFile, array_bytes
from feasible.checkpoints.rule_json import rules_in_metadata
from feasible.checkpoints.stored_array import Segment, StoredArray, named_dtype

LARGEST_HEADER = 100_000_000  # the format's own bound
METADATA = "__metadata__"
_DTYPES = {
    "BOOL": "bool",
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
}
# By the framework that wrote it, in which layout its weights are.
_LAYOUTS = {"pt": "torch", "tf": "keras", "flax": "keras", "mlx": "torch"}
_MOST_SHARDS = 10_000


def open_safetensors(path: Path, *, writable: bool = False) -> Checkpoint:
    """Open a safetensors file.

    Args:
        path: The file.
        writable: Whether its arrays are to be changed in place.

    Returns:
        The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not a whole safetensors file.
    """
    file = MappedFile(path, writable)
    with damage(file.source):
        header, start = safetensors_header(file)
        metadata = header.pop(METADATA, {})
        arrays = [_array(file, start, name, entry) for name, entry in header.items()]
        arrays.sort(key=lambda one: one.segments[0].offset)
        return _checkpoint(file.source, arrays, [file], _texts(metadata, file.source))


def open_safetensors_index(path: Path, *, writable: bool = False) -> Checkpoint:
    """Open the index of a checkpoint that is spread over several safetensors files.

    Args:
        path: The index, a JSON file beside the others.
        writable: Whether arrays are to be changed in place.

    Returns:
        The checkpoint, its arrays in the order of the index.

    Raises:
        FileNotFoundError: If there is no such file, or none that the index names.
        CheckpointError: If it is not such an index, or names files elsewhere.
    """
    index = MappedFile(path)
    with damage(index.source):
        if index.size > LARGEST_HEADER:
            raise ValueError(f"an index of {index.size} bytes is larger than any")
        entry = json.loads(index.read(0, index.size).decode())
        index.close()
        names = entry["weight_map"] if isinstance(entry, dict) else None
        if not isinstance(names, dict) or not all(isinstance(one, str) for one in names.values()):
            raise ValueError("it must map names of arrays to names of files")
        shards = dict.fromkeys(names.values())
        if len(shards) > _MOST_SHARDS:
            raise ValueError(f"it names {len(shards)} files, more than {_MOST_SHARDS}")
        opened = {
            one: open_safetensors(path_beside(path, one), writable=writable) for one in shards
        }
        found = {one: {each.name: each for each in shard.arrays} for one, shard in opened.items()}
        missing = [name for name, one in names.items() if name not in found[one]]
        if missing:
            raise ValueError(f"{names[missing[0]]} lacks {missing[0]}")
        files = [file for shard in opened.values() for file in shard.files]
        metadata = {
            key: value for shard in opened.values() for key, value in shard.metadata.items()
        } | _texts(entry.get("metadata", {}), index.source)
        arrays = [found[one][name] for name, one in names.items()]
        return _checkpoint(index.source, arrays, files, metadata)


def safetensors_header(file: MappedFile) -> tuple[dict[str, Any], int]:
    """Return what the header of a safetensors file says.

    Args:
        file: The file.

    Returns:
        The header, and where the arrays begin.

    Raises:
        ValueError: If it is not such a header.
        CheckpointError: If the file ends before the header does.
    """
    size = int.from_bytes(file.read(0, 8), "little")
    if size > LARGEST_HEADER:
        raise ValueError(f"a header of {size} bytes is larger than the format allows")
    header = json.loads(file.read(8, size).decode(), object_pairs_hook=_unique)
    if not isinstance(header, dict):
        raise ValueError("its header must be a JSON object")
    return header, 8 + size


def path_beside(path: Path, name: str) -> Path:
    """Return the path of a file that another names, which must be in the same folder.

    Links that lead elsewhere are refused, save those with which the Hugging Face hub's cache
    points from a snapshot to its blobs.

    Args:
        path: The file that names it.
        name: The name.

    Returns:
        The path.

    Raises:
        CheckpointError: If it is elsewhere.
    """
    folder = path.parent
    problem = f"it names {name!r:.200}, which is not a file beside it"
    if not name or name != os.path.basename(name) or name in (".", "..") or "\0" in name:
        raise CheckpointError(os.fspath(path), problem)
    found = (folder / name).resolve()
    allowed = [folder.resolve()]
    if folder.resolve().parent.name == "snapshots":
        allowed.append(folder.resolve().parents[1] / "blobs")
    if found.parent not in allowed:
        raise CheckpointError(os.fspath(path), f"{problem}, but a link to elsewhere")
    return folder / name


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its header has a name twice")
    return found


def _array(file: MappedFile, start: int, name: str, entry: Mapping[str, Any]) -> StoredArray:
    shape, offsets = tuple(entry["shape"]), entry["data_offsets"]
    numbers = [*shape, *offsets]
    if len(offsets) != 2 or not all(type(one) is int and 0 <= one < 2**63 for one in numbers):
        raise ValueError(f"{name} has the shape {shape} and the place {offsets}")
    dtype = named_dtype(_DTYPES.get(entry["dtype"], str(entry["dtype"])), file.source)
    size = array_bytes(dtype, shape)
    if offsets[1] - offsets[0] != size:
        raise ValueError(
            f"{name} of shape {shape} and dtype {dtype} takes {size} bytes, and has "
            f"{offsets[1] - offsets[0]}"
        )
    return StoredArray(name, shape, dtype, (Segment(file, start + offsets[0], shape),))


def _texts(metadata: Any, source: str) -> dict[str, Any]:
    if not isinstance(metadata, dict):
        raise CheckpointError(source, "its metadata must be a JSON object")
    return metadata


def _checkpoint(
    source: str, arrays: list[StoredArray], files: list[MappedFile], metadata: dict[str, Any]
) -> Checkpoint:
    rules, layouts = rules_in_metadata(metadata, source)
    known = [
        StoredArray(one.name, one.shape, one.dtype, one.segments, layouts=layouts[one.name])
        if one.name in layouts
        else one
        for one in arrays
    ]
    form = str(metadata.get("format", "pt"))
    return Checkpoint(
        source,
        "safetensors",
        known,
        files,
        layout=_LAYOUTS.get(form, "native"),
        metadata=metadata,
        rules=rules,
    )
