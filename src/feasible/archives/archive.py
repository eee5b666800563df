"""Keras 3's own file format: a zip of a config, its metadata and a file of weights."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from feasible.archives.config import LARGEST_CONFIG, parsed_config
from feasible.archives.errors import ArchiveError, reading
from feasible.archives.legacy import SIGNATURE, LegacyFile
from feasible.archives.weights_file import WeightSpec, read_weights, write_weights

# The version of Keras whose format this is.
_KERAS_VERSION = "3.15.1"

_CONFIG = "config.json"
_METADATA = "metadata.json"
_WEIGHTS = "model.weights.h5"

_MEBIBYTE = 2**20
# Keras does not compress. Weights that others compressed shrink less than this, and bombs more.
_LARGEST_RATIO = 100
_SMALLEST_BOMB = 64 * _MEBIBYTE

_ZIP = b"PK\x03\x04"


def write_archive(
    file: BinaryIO,
    config: Mapping[str, Any],
    weights: Mapping[str, Sequence[NDArray[Any]]],
    names: Mapping[str, str],
) -> None:
    """Write a Keras archive.

    Args:
        file: A file open for writing bytes.
        config: The model, as Keras serializes it.
        weights: By the group of a layer, such as ``"layers/dense_1"``, its weights in Keras's order
            and layout. The dtype V2 stands for bfloat16.
        names: By the same groups, the layers' own names.
    """
    metadata = {
        "keras_version": _KERAS_VERSION,
        "date_saved": datetime.now().astimezone().strftime("%Y-%m-%d@%H:%M:%S"),
    }
    weights_file = io.BytesIO()
    write_weights(weights_file, weights, names)
    with zipfile.ZipFile(file, "w") as members:
        members.writestr(_METADATA, json.dumps(metadata))
        members.writestr(_CONFIG, json.dumps(config))
        members.writestr(_WEIGHTS, weights_file.getbuffer())


class Archive:
    """A Keras archive that is open for reading.

    Nothing in it is run, imported or written to a disk, and no more memory is taken than the file
    has bytes, save for members that someone compressed.

    Args:
        members: The zip.
        source: What the file is called, for messages.

    Raises:
        ArchiveError: If it holds no config that can be read.

    Attributes:
        config: The model, as Keras serializes it.
        source: What the file is called.
        config_source: What its config is called.
    """

    def __init__(self, members: zipfile.ZipFile, source: str) -> None:
        self._members = members
        self.source = source
        self.config_source = f"{source}: {_CONFIG}"
        self.config = parsed_config(self._read(_CONFIG, LARGEST_CONFIG), self.config_source)

    def read_weights(
        self, wanted: Mapping[str, Sequence[WeightSpec]]
    ) -> dict[str, list[NDArray[Any]]]:
        """Read the weights, after checking that all are there and take no surprising room.

        Args:
            wanted: By the group of a layer, what its weights must be, in Keras's order.

        Returns:
            By the same groups, the weights, read-only. The dtype V2 stands for bfloat16.

        Raises:
            ArchiveError: If the file is damaged, or a weight is missing, left over, or not as
                wanted.
        """
        return read_weights(self._read(_WEIGHTS), wanted, f"{self.source}: {_WEIGHTS}")

    def _read(self, name: str, largest: float = float("inf")) -> bytes:
        """Return a member's content, of which the size is checked before memory is taken."""
        found = [one for one in self._members.infolist() if one.filename == name]
        if len(found) != 1:
            raise ArchiveError(
                self.source,
                f"it must hold one {name}, and holds {len(found)}. Save the model with `save`.",
            )
        member = found[0]
        # Of other ways to compress, zipfile takes whatever memory they ask for.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(
                self.source, f"its {name} is compressed in a way that Keras does not use."
            )
        size, stored = member.file_size, member.compress_size
        if size > largest or size > max(_SMALLEST_BOMB, _LARGEST_RATIO * stored):
            raise ArchiveError(
                self.source,
                f"its {name} would take {size} bytes, of which {stored} are stored. If you trust "
                "it, unpack it, and pack it again without compression.",
            )
        with reading(f"{self.source}: {name}"), self._members.open(member) as file:
            # Given no size, zipfile decompresses past the one that was declared.
            return file.read(size)


@contextmanager
def open_archive(path: str | os.PathLike[str]) -> Iterator[Archive | LegacyFile]:
    """Open a Keras archive, or a model that Keras 2 saved as HDF5, for reading.

    Args:
        path: The file. What it is shows in its first bytes, whatever it is called.

    Yields:
        The archive, its config read.

    Raises:
        FileNotFoundError: If there is no such file.
        ArchiveError: If it is neither, or a damaged one.
    """
    source = os.fspath(path)
    if Path(path).is_dir():
        raise ArchiveError(source, "it is a folder. Save the model as one file, with `save`.")
    with open(path, "rb") as file:
        head = file.read(len(SIGNATURE))
        if head == SIGNATURE:
            yield LegacyFile(head + file.read(), source)
            return
        if not head.startswith(_ZIP):
            what = "not a Keras archive" if head else "empty"
            raise ArchiveError(source, f"it is {what}. Save the model with `save`.")
        with reading(source):
            members = zipfile.ZipFile(file)
        with members:
            yield Archive(members, source)
