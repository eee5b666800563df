"""Writes a repaired copy of a checkpoint, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from feasible.arguments import InvalidArgumentError
from feasible.checkpoints.array_selection import select_arrays
from feasible.checkpoints.auditing import Progress
from feasible.checkpoints.failures import CheckpointError, damage
from feasible.checkpoints.formats import format_of, open_checkpoint
from feasible.checkpoints.measuring import Movement, measured_row, project_array
from feasible.checkpoints.safetensors_file import open_safetensors_index
from feasible.checkpoints.zip_members import compression_of, repack


class Repair(NamedTuple):
    """What a repair did.

    Attributes:
        movements: How far each selected parameter was moved.
        notes: What else is to be said.
    """

    movements: tuple[Movement, ...]
    notes: tuple[str, ...]


def project_checkpoint(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    rules: Any = None,
    *,
    layout: str | None = None,
    force: bool = False,
    progress: Progress = iter,
) -> Repair:
    """Write a copy of a checkpoint whose parameters satisfy their constraints.

    The copy is made beside its place, changed there where parameters move, checked,
    written to the disk and only then given its name: a crash leaves what was there. Names, dtypes,
    order, metadata, and every other byte stay as they are.

    Args:
        path: The checkpoint.
        target: Where the copy goes, which can be the checkpoint itself with `force`.
        rules: As for `check_checkpoint`.
        layout: As for `check_checkpoint`.
        force: Whether to replace what is there.
        progress: What goes through the parameters and shows how far it is.

    Returns:
        What moved, and how far.

    Raises:
        FileNotFoundError: If there is no such file.
        FileExistsError: If there is something at the target, and `force` is not set.
        CheckpointError: If the checkpoint cannot be read, or a parameter not be repaired.
        NothingSelectedError: If there are no rules, or one selects nothing.
        InvalidArgumentError: If the target cannot be written to, or is of another format.

    Example:
        >>> import numpy as np
        >>> from feasible import MaxNorm
        >>> from feasible.checkpoints import check_checkpoint
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/m.npz", dense=np.full((4, 3), 2.0))
        ...     done = project_checkpoint(
        ...         f"{folder}/m.npz", f"{folder}/repaired.npz", {"dense": MaxNorm(2, axis="unit")}
        ...     )
        ...     check_checkpoint(f"{folder}/repaired.npz", {"dense": MaxNorm(2, axis="unit")}).ok
        ...     done.movements[0].moved
        True
        3
    """
    source, target = Path(path), Path(target)
    known = format_of(source)
    _check_target(source, target, known.suffixes, force)
    # What cannot be read is not copied: a pipe would be waited for.
    with open_checkpoint(source) as checkpoint:
        select_arrays(checkpoint, rules, layout)
    with _replaced(source, target) as copy, damage(os.fspath(source)):
        if source.is_dir() or known.open is open_safetensors_index:
            raise CheckpointError(
                os.fspath(source),
                "a checkpoint of several files is not repaired as one: run project on each, as "
                "check on the whole shows which parameter lies where",
            )
        compressed_as = compression_of(source)
        if compressed_as is None:
            shutil.copyfile(source, copy)
        else:
            repack(source, copy)
        with known.open(copy, writable=True) as checkpoint:
            checkpoint.source = os.fspath(source)
            selected, notes = select_arrays(checkpoint, rules, layout)
            movements = tuple(project_array(one) for one in progress(selected))
            for one in selected:
                row = measured_row(one)
                if row.violating:
                    raise CheckpointError(
                        os.fspath(source),
                        f"{row.parameter} violates {row.constraint} by {row.worst:.3g} after it "
                        "was projected, as weights that are not finite do; nothing is written",
                    )
            if checkpoint.mend is not None:
                checkpoint.mend()
        if compressed_as is not None:
            stored = copy.with_name(f"{copy.name}.stored")
            copy.replace(stored)
            try:
                repack(stored, copy, compressed_as)
            finally:
                stored.unlink()
    return Repair(movements, notes)


def _check_target(source: Path, target: Path, suffixes: tuple[str, ...], force: bool) -> None:
    if not target.parent.is_dir() or target.is_dir():
        raise InvalidArgumentError(
            "project", "OUT", os.fspath(target), "the name of a file, in a folder that exists"
        )
    if suffixes and not target.name.lower().endswith(suffixes):
        raise InvalidArgumentError(
            "project", "OUT", os.fspath(target), f"of the format of {source}: {suffixes[0]}"
        )
    if target.exists() and not force:
        raise FileExistsError(f"{target}: it exists. Give --force to replace it")


@contextmanager
def _replaced(source: Path, target: Path) -> Iterator[Path]:
    """Yield a path beside the target, and give what is there its name when the block ends."""
    target = Path(os.path.realpath(target))
    # Not to be read by others before the mode of the original is known to allow it.
    copy = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(8)}{target.suffix}")
    try:
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield copy
        shutil.copymode(source, copy)
        _sync(copy)
        copy.replace(target)
        _sync(target.parent)
    finally:
        copy.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
