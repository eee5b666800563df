"""Checks a checkpoint, as data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from feasible.checkpoints.array_selection import select_arrays
from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.failures import damage
from feasible.checkpoints.formats import open_checkpoint
from feasible.checkpoints.measuring import measured_row
from feasible.report import Report

# What goes through a sequence and shows how far it is.
Progress = Callable[[Sequence[Any]], Iterable[Any]]


def check_checkpoint(
    path: str | os.PathLike[str], rules: Any = None, *, layout: str | None = None
) -> Report:
    """Report how far the parameters in a checkpoint are from being feasible.

    Nothing in the file is run or imported, and one array at a time is looked at.

    Args:
        path: A file or folder of any format that is known.
        rules: Pairs of a pattern over the names of parameters, or ``"role:kernel"``, and a
            constraint; None for those that the checkpoint holds.
        layout: How parameters are stored of which the file does not say it: ``"torch"``,
            ``"keras"`` or ``"native"``; None for as is usual in the format.

    Returns:
        What was found, which prints as a table.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it cannot be read.
        NothingSelectedError: If there are no rules, or one selects nothing.
        ValueError: If a rule does not fit what it selects.

    Example:
        >>> import numpy as np
        >>> from feasible import MaxNorm
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/m.npz", dense=np.ones((9, 4)))
        ...     check_checkpoint(f"{folder}/m.npz", {"dense": MaxNorm(2, axis="unit")}).ok
        False
    """
    with open_checkpoint(path) as checkpoint:
        return audit(checkpoint, rules, layout)


def audit(
    checkpoint: Checkpoint,
    rules: Any = None,
    layout: str | None = None,
    progress: Progress = iter,
) -> Report:
    """Report how far the parameters in an open checkpoint are from being feasible.

    Args:
        checkpoint: The checkpoint.
        rules: As for `check_checkpoint`.
        layout: As for `check_checkpoint`.
        progress: What goes through the parameters and shows how far it is.

    Returns:
        What was found.
    """
    selected, notes = select_arrays(checkpoint, rules, layout)
    rows = []
    for one in progress(selected):
        with damage(f"{checkpoint.source}: {one.name}"):
            rows.append(measured_row(one))
    return Report(tuple(rows), notes=(*checkpoint.notes, *notes))
