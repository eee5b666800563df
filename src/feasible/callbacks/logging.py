"""Callbacks that write the values of epochs to files."""

from __future__ import annotations

import csv
import importlib.util
import os
import time
from pathlib import Path
from typing import IO, Any

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.callbacks.callback import Callback, Logs


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
            names = sorted(logs or {})
            if not any(name.startswith("val_") for name in names):
                # Validation may be rarer than epochs.
                names += [f"val_{name}" for name in names]
            self._names = ["epoch", *names]
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
        histogram_freq: After how many epochs each the weights' histograms are written; 0 for none.
        write_graph: Not used.
        write_images: Not used.
        write_steps_per_second: Whether the number of steps a second is written, too.
        update_freq: ``"epoch"``; or ``"batch"``, or a number of batches, after which the values so
            far are written, too.
        profile_batch: 0: `torch.profiler` writes what TensorBoard shows of time.
        embeddings_freq: 0.
        embeddings_metadata: None.

    Raises:
        ImportError: If tensorboard is not installed.
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        del write_graph, write_images
        for argument, value in (
            ("profile_batch", profile_batch),
            ("embeddings_freq", embeddings_freq),
            ("embeddings_metadata", embeddings_metadata),
        ):
            if value:
                allowed = "0 or None: torch.profiler and SummaryWriter.add_embedding do this"
                raise InvalidArgumentError("TensorBoard", argument, value, allowed)
        if importlib.util.find_spec("tensorboard") is None:
            raise ImportError(
                "feasible.callbacks.TensorBoard needs tensorboard: pip install tensorboard"
            )
        self.log_dir, self.update_freq = os.fspath(log_dir), update_freq
        self.histogram_freq = check_integer(
            "TensorBoard", "histogram_freq", histogram_freq, minimum=0
        )
        self.write_steps_per_second = bool(write_steps_per_second)
        self._every = 1 if update_freq == "batch" else update_freq
        if self._every != "epoch":
            check_integer("TensorBoard", "update_freq", self._every)
        self._writers: dict[str, Any] = {}
        self._batches = self._batches_before = 0
        self._started = 0.0

    def _writer(self, part: str) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        if part not in self._writers:
            self._writers[part] = SummaryWriter(os.path.join(self.log_dir, part))
        return self._writers[part]

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the time.

        Args:
            epoch: The epoch's number.
            logs: Nothing yet.
        """
        self._started, self._batches_before = time.monotonic(), self._batches

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Write the values so far, where that is asked for.

        Args:
            batch: The batch's number.
            logs: The values so far.
        """
        self._batches += 1
        if self._every != "epoch" and self._batches % int(self._every) == 0:
            for name, value in (logs or {}).items():
                self._writer("train").add_scalar(f"batch_{name}", value, self._batches)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the values, those of validation beside those of training.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        values = dict(logs or {})
        if self.write_steps_per_second:
            seconds = time.monotonic() - self._started
            values["steps_per_second"] = (self._batches - self._batches_before) / seconds
        for name, value in values.items():
            part = "validation" if name.startswith("val_") else "train"
            self._writer(part).add_scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for name, weight in self.model.named_parameters():
                self._writer("train").add_histogram(name, weight, epoch)

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the files.

        Args:
            logs: The values of the last epoch.
        """
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
