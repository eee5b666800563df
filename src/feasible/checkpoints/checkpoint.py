"""A checkpoint that is open: its arrays, its metadata and the rules that it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from feasible.checkpoints.failures import CheckpointError
from feasible.checkpoints.mapped_file import MappedFile
from feasible.checkpoints.stored_array import StoredArray

# Tied weights have several names; of a hostile file, arrays could have any number.
_MOST_NAMES_A_BYTE = 8
_SMALLEST_DOUBTED = 2**20


@dataclass(frozen=True)
class FileRule:
    """A rule that a checkpoint holds.

    Attributes:
        parameter: The name of the parameter, a part's in brackets.
        constraint: The constraint.
    """

    parameter: str
    constraint: Any


@dataclass
class Checkpoint:
    """A checkpoint that is open. It is a context manager, which closes its files.

    Attributes:
        source: What it is called, for messages.
        format: The name of its format.
        arrays: Its arrays, in the order in which they are stored.
        files: The files that it lies in.
        layout: In which layout weights are stored whose layer the file does not name: ``"torch"``,
            ``"keras"``, or ``"native"`` if that is not known.
        metadata: What else it says of itself.
        rules: The rules that it holds; None if it cannot hold any, or does not.
        notes: What is to be said of it.
        graph: The layers' classes and configs in order, where it is a chain of layers.
        mend: What brings checksums up to date after arrays were changed in place.
    """

    source: str
    format: str
    arrays: Sequence[StoredArray]
    files: Sequence[MappedFile] = ()
    layout: str = "native"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    rules: Sequence[FileRule] | None = None
    notes: tuple[str, ...] = ()
    graph: Sequence[Mapping[str, Any]] | None = None
    mend: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        for one in self.arrays:
            one.check(self.source)
        mapped = sum(one.bytes for one in self.arrays if one.segments)
        room = sum(file.size for file in self.files) * _MOST_NAMES_A_BYTE
        if mapped > max(room, _SMALLEST_DOUBTED):
            raise CheckpointError(
                self.source,
                f"its arrays take {mapped} bytes, more than {_MOST_NAMES_A_BYTE} times those that "
                "it has",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its files."""
        for file in self.files:
            file.close()

    def array(self, name: str) -> StoredArray:
        """Return an array by its name.

        Args:
            name: The name.

        Returns:
            The array.

        Raises:
            KeyError: If there is none of this name.
        """
        for one in self.arrays:
            if one.name == name:
                return one
        raise KeyError(name)
