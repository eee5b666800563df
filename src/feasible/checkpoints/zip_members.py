"""The members of a zip file, mapped into memory where they are not compressed."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from feasible.checkpoints.failures import CheckpointError
from feasible.checkpoints.mapped_file import MappedFile

_LOCAL, _LOCAL_SIZE, _LOCAL_CRC = b"PK\x03\x04", 30, 14
_CENTRAL, _CENTRAL_SIZE, _CENTRAL_CRC = b"PK\x01\x02", 46, 16
_DESCRIPTOR, _HAS_DESCRIPTOR = b"PK\x07\x08", 0x08
# Weights shrink less than this, and bombs more.
_LARGEST_RATIO, _SMALLEST_BOMB = 100, 2**26
_LARGEST_UNPACKED = 2**32
_MOST_MEMBERS = 1_000_000
_BLOCK = 2**24


class ZipMembers:
    """A zip file that is open, of which no member is unpacked before its size is checked.

    Args:
        file: The file.

    Attributes:
        members: What the zip lists, by name.
    """

    def __init__(self, file: MappedFile) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file.stream)
        found = self._zip.infolist()
        self.members = {one.filename: one for one in found}
        if len(self.members) != len(found) or len(found) > _MOST_MEMBERS:
            raise CheckpointError(file.source, "it has a member twice, or too many")
        unpacked = sum(one.file_size for one in found if not self.is_stored(one.filename))
        if unpacked > max(4 * _SMALLEST_BOMB, _LARGEST_RATIO * file.size):
            raise CheckpointError(
                file.source, f"its members would take {unpacked} bytes, and it has {file.size}"
            )

    def is_stored(self, name: str) -> bool:
        """Return whether a member is there as it is, not compressed."""
        member = self.members[name]
        is_plain = member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1
        return is_plain and member.compress_size == member.file_size

    def offset(self, name: str) -> int:
        """Return where the bytes of a member begin in the file."""
        start = self.members[name].header_offset
        header = self._file.read(start, _LOCAL_SIZE)
        if header[:4] != _LOCAL:
            raise CheckpointError(self._file.source, f"its member {name} is not where it should be")
        names, extra = struct.unpack("<HH", header[26:30])
        return int(start + _LOCAL_SIZE + names + extra)

    def size(self, name: str) -> int:
        """Return how many bytes a member has, unpacked."""
        return self.members[name].file_size

    def unpack(self, name: str, largest: int = _LARGEST_UNPACKED) -> bytes:
        """Return the bytes of a member.

        Args:
            name: The member.
            largest: How many bytes it may have.

        Returns:
            The bytes.

        Raises:
            CheckpointError: If it would take surprising room, or is compressed in an unusual way.
        """
        member = self.members[name]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CheckpointError(self._file.source, f"{name} is compressed in an unusual way")
        size, stored = member.file_size, member.compress_size
        if size > largest or size > max(_SMALLEST_BOMB, _LARGEST_RATIO * stored):
            raise CheckpointError(
                self._file.source,
                f"{name} would take {size} bytes, of which {stored} are stored. If you trust it, "
                "unpack it, and pack it again without compression",
            )
        with self._zip.open(member) as opened:
            return opened.read(size)

    def mend(self) -> None:
        """Bring the checksums of members up to date after their bytes were changed in place."""
        place = self._zip.start_dir
        for name in self.members:
            header = self._file.read(place, _CENTRAL_SIZE)
            if header[:4] != _CENTRAL:
                raise CheckpointError(self._file.source, "its directory is damaged")
            if self.is_stored(name):
                self._mend_member(name, place)
            place += _CENTRAL_SIZE + sum(struct.unpack("<HHH", header[28:34]))

    def _mend_member(self, name: str, place: int) -> None:
        member, start = self.members[name], self.offset(name)
        crc = 0
        for offset in range(0, member.file_size, _BLOCK):
            size = min(_BLOCK, member.file_size - offset)
            crc = zlib.crc32(self._file.read(start + offset, size), crc)
        if crc == member.CRC:
            return
        content = struct.pack("<L", crc)
        self._file.write(place + _CENTRAL_CRC, content)
        end = start + member.file_size
        if not member.flag_bits & _HAS_DESCRIPTOR:
            self._file.write(member.header_offset + _LOCAL_CRC, content)
        else:
            self._file.write(end + 4 * (self._file.read(end, 4) == _DESCRIPTOR), content)


def repack(source: Path, target: Path, compressed_as: dict[str, int] | None = None) -> None:
    """Copy a zip member by member, in order.

    Args:
        source: The zip.
        target: Where the copy goes.
        compressed_as: How each member is to be compressed; None for not at all.
    """
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            copied = zipfile.ZipInfo(member.filename, member.date_time)
            copied.external_attr, copied.comment = member.external_attr, member.comment
            copied.compress_type = (compressed_as or {}).get(member.filename, zipfile.ZIP_STORED)
            copied.file_size = member.file_size
            with old.open(member) as reading, new.open(copied, "w", force_zip64=True) as writing:
                while block := reading.read(_BLOCK):
                    writing.write(block)
        new.comment = old.comment


def compression_of(path: Path) -> dict[str, int] | None:
    """Return how the members of a zip are compressed; None if none is, or it is no zip.

    Args:
        path: The file.

    Returns:
        For each member by name how it is compressed.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as opened:
        found = {one.filename: one.compress_type for one in opened.infolist()}
    return found if any(found.values()) else None
