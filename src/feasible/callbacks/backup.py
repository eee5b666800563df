"""A callback from which an interrupted run goes on."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.callbacks.callback import Callback, Logs
from feasible.replacing import replacing

_NAME = "latest.pt"


class BackupAndRestore(Callback):
    """Saves the run as it goes on, and goes on from there when `fit` is called again.

    What is saved is the weights, the optimizer, random numbers, the metrics, callbacks of this
    package, and the place in the data, so that on one device the run ends bit for bit as if it had
    not been interrupted: if its data is the same, and its random numbers come from PyTorch's,
    NumPy's and Python's global generators. Data that is shuffled by state of its own, such as a
    `PyDataset` that does so in `on_epoch_end`, must put that back itself.

    Args:
        backup_dir: A folder for this run alone.
        save_freq: ``"epoch"``, or after how many batches.
        double_checkpoint: Not used: a file is replaced when the new one is whole.
        delete_checkpoint: Whether the folder is removed when training has ended.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> BackupAndRestore("backup", save_freq=100).save_freq
        100
    """

    # After the others, whose changes belong to what is saved.
    goes_last = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        del double_checkpoint
        if not os.fspath(backup_dir):
            allowed = "the path of a folder for this run"
            raise InvalidArgumentError("BackupAndRestore", "backup_dir", backup_dir, allowed)
        if save_freq != "epoch":
            if isinstance(save_freq, str):
                allowed = "'epoch', or a number of batches"
                raise InvalidArgumentError("BackupAndRestore", "save_freq", save_freq, allowed)
            check_integer("BackupAndRestore", "save_freq", save_freq)
        self.backup_dir = Path(backup_dir)
        self.save_freq, self.delete_checkpoint = save_freq, bool(delete_checkpoint)
        self._batches = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Go on from what is saved, if there is anything.

        Args:
            logs: Nothing yet.

        Raises:
            ValueError: If it is of another model, or damaged.
        """
        import torch

        path = self.backup_dir / _NAME
        if not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except (EOFError, pickle.UnpicklingError, RuntimeError) as error:
            raise ValueError(
                f"BackupAndRestore: {path} is not what it saved: remove it to begin anew. {error}"
            ) from error
        self._batches = state.pop("seen")
        self.model.training_run.restore(state)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save, where that is by batches.

        Args:
            batch: The batch's number.
            logs: The values so far.
        """
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % int(self.save_freq) == 0:
            self._save()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save, where that is by epochs.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        if self.save_freq == "epoch":
            self._save()

    def _save(self) -> None:
        import torch

        run = self.model.training_run
        if run.runner.rank:
            return
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {**run.state(), "seen": self._batches}
        with replacing(self.backup_dir / _NAME) as file:
            torch.save(state, file)

    def on_train_end(self, logs: Logs = None) -> None:
        """Remove the folder.

        Args:
            logs: The values of the last epoch.
        """
        if self.delete_checkpoint and not self.model.training_run.runner.rank:
            shutil.rmtree(self.backup_dir, ignore_errors=True)
