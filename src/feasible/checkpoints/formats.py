"""The one table of checkpoint formats: how each is told, and what opens it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.failures import CheckpointError, damage
from feasible.checkpoints.keras_file import open_keras_archive, open_keras_hdf5
from feasible.checkpoints.npz_file import open_npz
from feasible.checkpoints.safetensors_file import open_safetensors, open_safetensors_index
from feasible.checkpoints.torch_file import open_torch_file


class Format(NamedTuple):
    """A format of checkpoints.

    Attributes:
        name: What it is called.
        suffixes: How names of such files end.
        open: What opens one.
        marker: For a folder, the name of a file in it that tells the format; else empty.
    """

    name: str
    suffixes: tuple[str, ...]
    open: Callable[..., Checkpoint]
    marker: str = ""


FORMATS = (
    Format("safetensors", (".safetensors",), open_safetensors),
    Format("safetensors index", (".safetensors.index.json",), open_safetensors_index),
    Format("Keras archive", (".keras",), open_keras_archive),
    Format("Keras weights", (".h5", ".hdf5"), open_keras_hdf5),
    Format("npz", (".npz",), open_npz),
    Format("torch.save", (".pt", ".pth", ".bin", ".ckpt"), open_torch_file),
)


def open_checkpoint(path: str | os.PathLike[str], *, writable: bool = False) -> Checkpoint:
    """Open a checkpoint, of whichever format.

    Args:
        path: A file, or a folder; its format shows in the name's ending, or in what a folder holds.
        writable: Whether arrays are to be changed in place.

    Returns:
        The checkpoint, which is a context manager that closes its files.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is of no known format, damaged, or hostile.
    """
    path = Path(path)
    with damage(os.fspath(path)):
        return format_of(path).open(path, writable=writable)


def format_of(path: Path) -> Format:
    """Return the format of a file or folder.

    Args:
        path: The file or folder.

    Returns:
        The format.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is of no known format.

    Example:
        >>> FORMATS[0].suffixes
        ('.safetensors',)
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    for one in FORMATS:
        if path.is_dir():
            if one.marker and (path / one.marker).exists():
                return one
        elif path.name.lower().endswith(one.suffixes):
            return one
    what = "folder" if path.is_dir() else "name"
    known = ", ".join(suffix for one in FORMATS for suffix in one.suffixes)
    folders = ", ".join(one.name for one in FORMATS if one.marker)
    raise CheckpointError(
        os.fspath(path),
        f"its {what} is that of no known format. Known are files that end in {known}"
        + (f", and folders of {folders}" if folders else ""),
    )
