"""Reads HDF5 files of the plain kind that h5py writes unless told otherwise.

It is for files that nobody vouches for. Of 60,000 files in which a few words had been exchanged,
HDF5's own library, in version 2.0.0, hung on five, taking memory all the while, and crashed on one.
Of 60,000 damaged files of at most 50 KB, pyfive 1.3.0 asked for more than 1 GiB on 61; a tree of
7 KB, each node of which has the one below twice, takes it past 1 GiB in ten seconds; and floats of
another form, or an array that another file holds, it reads as wrong numbers. This reader ended on
each of these files within 0.02 s, with arrays of the wanted shapes or an error.

It knows only groups, whole arrays of floating numbers, and texts in attributes. Arrays take no
memory, as they are views of the file's bytes; and no byte is parsed twice, so that it always ends.
"""

from __future__ import annotations

import math
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# NumPy has no bfloat16: its two bytes are kept as they are.
BFLOAT16 = np.dtype("V2")

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LONGEST_NAME = 255

# The parts of a file, as the HDF5 File Format Specification has them under the same names.
_SUPERBLOCK = Struct("<8sB4xBB9xQ8xQ16xQ")
_OBJECT_HEADER = Struct("<BxH4xI4x")
_MESSAGE = Struct("<HHB3x")
_CONTINUATION = Struct("<QQ")
_SYMBOL_TABLE = Struct("<QQ")
_LOCAL_HEAP = Struct("<4sB3xQ8xQ")
_TREE_NODE = Struct("<4sBBH16x")
_TREE_CHILD = Struct("<8xQ")
_SYMBOL_NODE = Struct("<4sBxH")
_SYMBOL = Struct("<QQI20x")
_DATASPACE = Struct("<BBBB")
_FLOATING_POINT = Struct("<BB2xIHHBBBBI")
_DATATYPE = Struct("<B3xI")
_ATTRIBUTE = Struct("<BxHHH")
_TEXT_IN_HEAP = Struct("<IQI")
_GLOBAL_HEAP = Struct("<4sB3xQ")
_HEAP_OBJECT = Struct("<H6xQ")
_LAYOUT = Struct("<BB")
_CONTIGUOUS = Struct("<QQ")

_MESSAGE_TYPES = {
    0x01: "dataspace",
    0x03: "datatype",
    0x07: "external files",
    0x08: "layout",
    0x0C: "attribute",
    0x10: "continuation",
    0x11: "symbol table",
}
_SHARED = 0x02
_SYMBOLIC_LINK = 2
_FLOAT, _TEXT, _OPAQUE, _TEXT_OF_ANY_LENGTH = 1, 3, 5, 9
_BYTE_ORDER, _BYTE_ORDERS = 0x41, {0x00: "<", 0x01: ">"}

# Size in bytes; bit offset and precision; place and size of exponent and mantissa; exponent's bias.
_FLOATS = {
    (2, 0, 16, 10, 5, 0, 10, 15): "f2",
    (4, 0, 32, 23, 8, 0, 23, 127): "f4",
    (8, 0, 64, 52, 11, 0, 52, 1023): "f8",
}


class Dataset(NamedTuple):
    """An array in a file.

    Attributes:
        shape: Its shape.
        dtype: Its dtype; `BFLOAT16` stands for any two bytes.
        offset: Where it begins in the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return math.prod(self.shape) * self.dtype.itemsize


class File:
    """An HDF5 file.

    Args:
        content: The file's bytes.

    Raises:
        ValueError: If they are not those of an HDF5 file of the plain kind.

    Attributes:
        size: How many bytes it has.
        root: The place of the header of the group that holds all others.
    """

    def __init__(self, content: bytes | memoryview) -> None:
        self._content = content
        self.size = len(content)
        self._left = len(content)
        self._groups: dict[int, dict[str, int]] = {}
        signature, version, offsets, lengths, base, end, root = self._take(_SUPERBLOCK, 0)
        _check("superblock", (signature, version, offsets, lengths, base), (SIGNATURE, 0, 8, 8, 0))
        if end > len(content):
            raise ValueError(f"it has {len(content)} bytes, where it should have {end}")
        self.root: int = root

    def find(self, path: str) -> int | None:
        """Return where an object is, by its path.

        Args:
            path: Names of groups and then of the object, separated by slashes.

        Returns:
            The place of its header; None if there is no such object.

        Raises:
            ValueError: If the file is damaged, or uses what is not known here.
        """
        place: int | None = self.root
        for name in path.split("/"):
            if place is None:
                return None
            place = self.names(place).get(name)
        return place

    def names(self, place: int) -> dict[str, int]:
        """Return what a group holds.

        Args:
            place: The place of the group's header.

        Returns:
            Places by name.

        Raises:
            ValueError: If it is not a group, or the file is damaged.
        """
        if place not in self._groups:
            self._groups[place] = self._symbols(place)
        return self._groups[place]

    def texts(self, place: int, name: str) -> list[str] | None:
        """Return the texts that an object has as an attribute.

        Args:
            place: The place of the object's header.
            name: The attribute's name.

        Returns:
            One text or several, none where the attribute is an array without elements; None if
            there is no such attribute.

        Raises:
            ValueError: If it holds anything else, or the file is damaged.
        """
        for message in self._messages(place)["attribute"]:
            version, *sizes = self._take(_ATTRIBUTE, message)
            _check("attribute", version in (1, 3), True)
            start = message + _ATTRIBUTE.size + (version == 3)
            parts = []
            for size in sizes:
                parts.append(start)
                start += -(-size // 8) * 8 if version == 1 else size
            own_name = bytes(self._content[parts[0] : parts[0] + sizes[0]]).partition(b"\0")[0]
            if own_name == name.encode():
                return self._texts(parts[1], math.prod(self._shape(parts[2])), start)
        return None

    def _texts(self, datatype: int, count: int, start: int) -> list[str]:
        kind, size = self._take(_DATATYPE, datatype)
        if not count:
            return []
        if kind & 0x0F == _TEXT_OF_ANY_LENGTH:
            places = (start + index * _TEXT_IN_HEAP.size for index in range(count))
            found = [self._in_heap(place) for place in places]
        elif kind & 0x0F == _TEXT and size:
            found = [self._bytes(start + index * size, size) for index in range(count)]
        else:
            raise ValueError("an attribute is not of texts")
        return [text.rstrip(b"\0").decode() for text in found]

    def _in_heap(self, place: int) -> bytes:
        """Return the bytes that an attribute refers to."""
        length, heap, wanted = self._take(_TEXT_IN_HEAP, place)
        signature, version, size = self._take(_GLOBAL_HEAP, heap)
        _check("global heap", (signature, version), (b"GCOL", 1))
        start, end = heap + _GLOBAL_HEAP.size, heap + size
        while start + _HEAP_OBJECT.size <= end:
            index, stored = self._take(_HEAP_OBJECT, start)
            start += _HEAP_OBJECT.size
            if index == wanted and length <= stored:
                return self._bytes(start, length)
            start += -(-stored // 8) * 8
        raise ValueError("the text of an attribute is not in the file")

    def dataset(self, place: int) -> Dataset:
        """Return an array, without reading it.

        Args:
            place: The place of its header.

        Returns:
            Its shape, dtype and place.

        Raises:
            ValueError: If it is not an array of floating numbers in one piece, or the file is
                damaged.
        """
        messages = self._single_messages(place)
        if not {"dataspace", "datatype", "layout"} <= set(messages) or "external files" in messages:
            raise ValueError("an object is not an array that is kept in the file itself")
        shape = self._shape(messages["dataspace"])
        dtype = self._dtype(messages["datatype"])
        if self._take(_LAYOUT, messages["layout"]) != (3, 1):
            raise ValueError("an array is compressed, in chunks or a view of others")
        offset, size = self._take(_CONTIGUOUS, messages["layout"] + _LAYOUT.size)
        found = Dataset(shape, dtype, offset if math.prod(shape) else 0)
        if size != found.size or found.offset + size > len(self._content):
            raise ValueError(f"an array of {found.size} bytes is not in the file")
        return found

    def read(self, dataset: Dataset) -> NDArray[Any]:
        """Return the numbers of an array.

        Args:
            dataset: What `dataset` returned.

        Returns:
            A read-only view of the file's bytes.
        """
        return np.ndarray(dataset.shape, dataset.dtype, self._content, dataset.offset)

    def _take(self, part: Struct, offset: int) -> tuple[Any, ...]:
        """Parse a part of the file. No honest file has more of them than bytes."""
        self._left -= part.size
        if self._left < 0:
            raise ValueError("its parts refer to each other in a circle")
        return part.unpack_from(self._content, offset)

    def _bytes(self, start: int, size: int) -> bytes:
        """Return some bytes of the file. No honest file has the same ones in several texts."""
        self._left -= size
        if self._left < 0 or start + size > len(self._content):
            raise ValueError("the text of an attribute is not in the file")
        return bytes(self._content[start : start + size])

    def _single_messages(self, place: int) -> dict[str, int]:
        """Return where the messages are of which an object's header has one each."""
        found = self._messages(place)
        del found["attribute"]
        _check("header", [name for name, places in found.items() if len(places) > 1], [])
        return {name: place for name, (place,) in found.items()}

    def _messages(self, place: int) -> dict[str, list[int]]:
        """Return where in an object's header its messages are, by their type."""
        version, count, size = self._take(_OBJECT_HEADER, place)
        _check("object header", version, 1)
        blocks = [(place + _OBJECT_HEADER.size, size)]
        found: dict[str, list[int]] = {"attribute": []}
        while blocks and count:
            start, size = blocks.pop()
            end = start + size
            while start + _MESSAGE.size <= end and count:
                kind, size, flags = self._take(_MESSAGE, start)
                start += _MESSAGE.size
                count -= 1
                name = _MESSAGE_TYPES.get(kind)
                if name == "continuation":
                    blocks.append(self._take(_CONTINUATION, start))
                elif name is not None:
                    _check(name, flags & _SHARED, 0)
                    found.setdefault(name, []).append(start)
                start += size
        return found

    def _symbols(self, place: int) -> dict[str, int]:
        messages = self._single_messages(place)
        if "symbol table" not in messages:
            raise ValueError("an object is not a plain group")
        tree, heap = self._take(_SYMBOL_TABLE, messages["symbol table"])
        signature, version, heap_size, names = self._take(_LOCAL_HEAP, heap)
        _check("local heap", (signature, version), (b"HEAP", 0))
        found = {}
        for node in self._leaves(tree):
            signature, version, count = self._take(_SYMBOL_NODE, node)
            _check("symbol node", (signature, version), (b"SNOD", 1))
            for index in range(count):
                symbol = node + _SYMBOL_NODE.size + index * _SYMBOL.size
                name, header, cached = self._take(_SYMBOL, symbol)
                start = names + name
                text = self._content[start : min(start + _LONGEST_NAME + 1, names + heap_size)]
                if cached != _SYMBOLIC_LINK:
                    found[bytes(text).partition(b"\0")[0].decode()] = header
        return found

    def _leaves(self, tree: int) -> list[int]:
        """Return the symbol nodes of a tree."""
        leaves: list[int] = []
        nodes = [tree]
        while nodes:
            node = nodes.pop()
            signature, kind, level, count = self._take(_TREE_NODE, node)
            _check("tree", (signature, kind), (b"TREE", 0))
            first = node + _TREE_NODE.size
            children = [
                self._take(_TREE_CHILD, first + index * _TREE_CHILD.size)[0]
                for index in range(count)
            ]
            (nodes if level else leaves).extend(children)
        return leaves

    def _shape(self, message: int) -> tuple[int, ...]:
        version, rank, _, kind = self._take(_DATASPACE, message)
        scalar_or_simple = (0, 1) if version == 2 else (0,)
        if version not in (1, 2) or kind not in scalar_or_simple:
            raise ValueError("an array has no shape")
        return self._take(Struct(f"<{rank}Q"), message + (8 if version == 1 else 4))

    def _dtype(self, message: int) -> np.dtype[Any]:
        kind, size = self._take(_DATATYPE, message)
        if (kind & 0x0F, size) == (_OPAQUE, BFLOAT16.itemsize):
            return BFLOAT16
        kind, order, *form = self._take(_FLOATING_POINT, message)
        name, sign = _FLOATS.get(tuple(form)), _BYTE_ORDERS.get(order & _BYTE_ORDER)
        if kind & 0x0F != _FLOAT or name is None or sign is None:
            raise ValueError("an array is not of floating numbers")
        return np.dtype(sign + name)


def _check(part: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"its {part} is not of the kind that h5py writes: {found}")
