"""HDF5 files are read as h5py reads them, and hostile ones end in an error, soon."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from feasible.archives.hdf5 import BFLOAT16, File


def written(fill: Callable[[h5py.File], Any], **how: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", **how) as root:
        fill(root)
    return file.getvalue()


def read(content: bytes, path: str) -> np.ndarray:
    file = File(content)
    return file.read(file.dataset(file.find(path)))


@given(
    hnp.arrays(
        st.sampled_from(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_arrays_are_those_that_h5py_wrote(array: np.ndarray, opaque: bool) -> None:
    if opaque and array.dtype.itemsize == 2:
        array = array.view(BFLOAT16)
    found = read(written(lambda root: root.create_dataset("a/b", data=array)), "a/b")
    assert (found.shape, found.dtype) == (array.shape, array.dtype)
    assert found.tobytes() == array.tobytes()


names = st.text(st.characters(exclude_characters="/\0.", codec="ascii"), min_size=1, max_size=60)


@settings(max_examples=25)
@given(st.lists(names, unique=True, max_size=40))
@example([f"layer_{index}" for index in range(1000)])
def test_groups_hold_what_h5py_put_there(children: list[str]) -> None:
    content = written(lambda root: [root.create_group(f"all/{name}/vars") for name in children])
    file = File(content)
    if children:
        assert sorted(file.names(file.find("all"))) == sorted(children)
    for name in children:
        assert file.names(file.find(f"all/{name}/vars")) == {}


def test_attributes_are_passed_over() -> None:
    def fill(root: h5py.File) -> None:
        dataset = root.create_dataset("a", data=np.arange(3.0))
        for index in range(50):  # more than the first block of a header holds
            dataset.attrs[f"attribute {index}"] = "x" * index

    np.testing.assert_array_equal(read(written(fill), "a"), np.arange(3.0))


def test_what_is_not_there_is_none() -> None:
    file = File(written(lambda root: root.create_dataset("a/b", data=1.0)))
    assert file.find("b") is None
    assert file.find("c/d/e") is None


def test_a_soft_link_leads_nowhere() -> None:
    def fill(root: h5py.File) -> None:
        root["all/a"] = np.ones(2)
        root["all/b"] = h5py.SoftLink("/all/a")

    file = File(written(fill))
    assert list(file.names(file.find("all"))) == ["a"]


def virtual_layout() -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "/0", (3, 2))
    return layout


def with_committed_type(root: h5py.File) -> None:
    root["type"] = np.dtype("f4")
    root.create_dataset("0", (3,), root["type"])[:] = 1


VALUES = np.arange(6, dtype=np.float32).reshape(3, 2)
PASSWORDS = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
# What is put into a file, and why it is refused.
REFUSED: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "integers": (lambda root: root.create_dataset("0", data=[1, 2]), "not of floating numbers"),
    "texts": (lambda root: root.create_dataset("0", data=["a", "b"]), "not of floating numbers"),
    "records": (
        lambda root: root.create_dataset("0", (3,), [("a", "f4"), ("b", "f4")]),
        "not of floating numbers",
    ),
    "nothing": (lambda root: root.create_dataset("0", data=h5py.Empty("f4")), "has no shape"),
    "a group": (lambda root: root.create_group("0"), "not an array"),
    "a type of its own": (with_committed_type, "datatype is not of the kind"),
    "a link to another file": (
        lambda root: root.update({"0": h5py.ExternalLink("other.h5", "/0")}),
        "not a plain group",
    ),
    "bytes of another file": (
        lambda root: root.create_dataset("0", (3, 2), "f4", external=PASSWORDS),
        "not an array that is kept in the file itself",
    ),
    "a view of another file": (
        lambda root: root.create_virtual_dataset("0", virtual_layout()),
        "compressed, in chunks or a view",
    ),
    "compressed": (
        lambda root: root.create_dataset("0", data=VALUES, compression="gzip"),
        "compressed, in chunks or a view",
    ),
    "in chunks": (
        lambda root: root.create_dataset("0", data=VALUES, chunks=(1, 2)),
        "compressed, in chunks or a view",
    ),
    "huge and empty": (
        lambda root: root.create_dataset("0", (3, 2**40), "f4", chunks=(1, 1)),
        "compressed, in chunks or a view",
    ),
    "never written": (lambda root: root.create_dataset("0", (3, 2), "f4"), "not in the file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_plain_is_refused(name: str) -> None:
    fill, problem = REFUSED[name]
    with pytest.raises(ValueError, match=problem):
        read(written(fill), "0")


def test_the_order_of_bytes_of_a_vax_is_refused() -> None:
    content = written(lambda root: root.create_dataset("0", data=VALUES))
    little = b"\x11\x20\x1f\x00\x04\x00\x00\x00"
    assert content.count(little) == 1
    with pytest.raises(ValueError, match="not of floating numbers"):
        read(content.replace(little, b"\x11\x61" + little[2:]), "0")


def test_a_newer_form_is_refused() -> None:
    content = written(lambda root: root.create_dataset("0", data=VALUES), libver="latest")
    with pytest.raises(ValueError, match="its superblock is not of the kind that h5py writes"):
        File(content)


def some_groups() -> bytes:
    def fill(root: h5py.File) -> None:
        for index in range(20):
            root.create_dataset(f"layers/layer_{index}/vars/0", data=VALUES)
        root["layers/layer_3/vars"].attrs["name"] = "third"

    return written(fill)


CONTENT = some_groups()
WORDS = struct.unpack(f"<{len(CONTENT) // 8}Q", CONTENT[: len(CONTENT) // 8 * 8])
PLACES = [place for place, word in enumerate(WORDS) if 0 < word < len(CONTENT)]


def test_an_array_of_any_size_takes_no_memory() -> None:
    content = written(lambda root: root.create_dataset("0", data=np.zeros(2**22, np.float32)))
    tracemalloc.start()
    try:
        assert not read(content, "0").any()
        assert tracemalloc.get_traced_memory()[1] < 2**23  # what `any` takes
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match=rf"has {len(CONTENT) - 1} bytes, where it should have"):
        File(CONTENT[:-1])


def test_an_array_past_the_end_is_refused() -> None:
    file = File(CONTENT)
    offset = file.dataset(file.find("layers/layer_7/vars/0")).offset
    moved = CONTENT.replace(struct.pack("<Q", offset), struct.pack("<Q", len(CONTENT) - 8))
    with pytest.raises(ValueError, match="24 bytes is not in the file"):
        read(moved, "layers/layer_7/vars/0")


def test_a_circle_ends() -> None:
    content = bytearray(CONTENT)
    tree = content.index(b"TREE")
    content[tree + 5] = 1  # not a leaf, but its own child
    struct.pack_into("<Q", content, tree + 32, tree)
    with pytest.raises(ValueError, match="in a circle"):
        read(bytes(content), "layers/layer_7/vars/0")


def appended(content: bytes, part: bytes, *changes: tuple[int, bytes]) -> bytes:
    """A file with a part more at its end, and other bytes at some places."""
    changed = bytearray(content + part)
    for place, new in (*changes, (40, struct.pack("<Q", len(changed)))):
        changed[place : place + len(new)] = new
    return bytes(changed)


def doubling_tree(levels: int = 40) -> bytes:
    """A tree in which each node has the one below twice: of 2 ** levels leaves, in a few bytes."""
    content = written(lambda root: root.create_dataset("0", data=VALUES))
    leaf = child = content.index(b"TREE")
    part = b""
    for level in range(1, levels + 1):
        node = struct.pack("<4sBBH16x5Q", b"TREE", 0, level, 2, 0, child, 0, child, 0)
        child, part = len(content) + len(part), part + node
    word = struct.pack("<Q", leaf)
    root = content.index(word, File(content).root)  # in the header, not in the superblock
    return appended(content, part, (root, struct.pack("<Q", child)))


def doubling_header(messages: int = 4000) -> bytes:
    """A header of which each message is continued by all of them."""
    content = written(lambda root: root.create_dataset("0", data=VALUES))
    root = File(content).root
    message = struct.pack("<HHB3xQQ", 0x10, 16, 0, len(content), 24 * messages)
    first = (root + 2, struct.pack("<H", 2**16 - 1))  # how many messages there are
    return appended(content, message * messages, first, (root + 16, message))


@pytest.mark.parametrize("content", [doubling_tree(), doubling_header()], ids=["tree", "header"])
def test_parts_that_are_referred_to_many_times_end_soon(content: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="in a circle"):
            read(content, "0")
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


SIZE = 77


def many_texts(root: h5py.File) -> None:
    texts = np.array(["a"] * SIZE, dtype=object)
    root.attrs.create("config", texts, dtype=h5py.string_dtype())


@pytest.mark.parametrize("size", [2**20, 2**28, 2**32 - 1, 2**40, 2**63, 2**64 - 1])
def test_a_size_that_no_file_has_takes_no_memory(size: int) -> None:
    def absurd(fill: Callable[[h5py.File], Any]) -> bytes:
        return written(fill).replace(struct.pack("<Q", SIZE), struct.pack("<Q", size))

    array = absurd(lambda root: root.create_dataset("0", data=np.ones((SIZE, 2), np.float32)))
    texts = File(absurd(many_texts))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="is not in the file"):
            read(array, "0")
        with pytest.raises(ValueError, match="is not in the file"):
            texts.texts(texts.root, "config")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_floats_of_another_form_are_refused() -> None:
    content = written(lambda root: root.create_dataset("0", data=VALUES.astype(np.float16)))
    half = struct.pack("<HHBBBBI", 0, 16, 10, 5, 0, 10, 15)
    assert content.count(half) == 1
    other = struct.pack("<HHBBBBI", 0, 16, 7, 8, 0, 7, 127)  # bfloat16's
    with pytest.raises(ValueError, match="not of floating numbers"):
        read(content.replace(half, other), "0")


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(PLACES)), max_size=3))
def test_parts_that_refer_to_wrong_places_end_in_an_error(moved: list[tuple[int, int]]) -> None:
    content = bytearray(CONTENT)
    for place, other in moved:
        struct.pack_into("<Q", content, 8 * place, WORDS[other])
    try:
        file = File(bytes(content))
        for index in range(20):
            place_of = file.find(f"layers/layer_{index}/vars/0")
            if place_of is not None:
                assert file.read(file.dataset(place_of)).nbytes <= len(CONTENT)
    except (ValueError, struct.error, OverflowError):
        assert moved
