"""Callbacks that write the values of epochs to files."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import IO, Any

from feasible.callbacks.callback import Callback, Logs
from feasible.requirements import require


class CSVLogger(Callback):
    """Writes the values of each epoch to a file of comma-separated values.

    Args:
        filename: The file.
        separator: What stands between values.
        append: Whether to go on with a file that is there.

    Example:
        >>> CSVLogger("log.csv").separator
        ','
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        self.filename, self.separator, self.append = os.fspath(filename), separator, bool(append)
        self._file: IO[str] | None = None
        self._names: list[str] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the file.

        Args:
            logs: Nothing yet.
        """
        goes_on = self.append and Path(self.filename).exists()
        if goes_on:
            with open(self.filename, newline="") as file:
                self._names = next(csv.reader(file, delimiter=self.separator), [])
        else:
            self._names = []
        self._file = open(self.filename, "a" if goes_on else "w", newline="")  # noqa: SIM115

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write a line, and before the first one the values' names.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        assert self._file is not None
        writer = csv.writer(self._file, delimiter=self.separator)
        values = {"epoch": epoch, **(logs or {})}
        if not self._names:
            self._names = ["epoch", *sorted(logs or {})]
            writer.writerow(self._names)
        writer.writerow([values.get(name, "NA") for name in self._names])
        self._file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the file.

        Args:
            logs: The values of the last epoch.
        """
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoard(Callback):
    """Writes the values of each epoch where TensorBoard shows them.

    Args:
        log_dir: The folder.
        update_freq: ``"epoch"``: values are written once an epoch.

    Raises:
        ImportError: If tensorboard is not installed.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] = "logs", update_freq: str = "epoch"
    ) -> None:
        super().__init__()
        require("TensorBoard", "fit", "tensorboard")
        self.log_dir, self.update_freq = os.fspath(log_dir), update_freq
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the values, those of validation beside those of training.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        from torch.utils.tensorboard import SummaryWriter

        for name, value in (logs or {}).items():
            part = "validation" if name.startswith("val_") else "train"
            if part not in self._writers:
                folder = os.path.join(self.log_dir, part)
                self._writers[part] = SummaryWriter(folder)
            self._writers[part].add_scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the files.

        Args:
            logs: The values of the last epoch.
        """
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
