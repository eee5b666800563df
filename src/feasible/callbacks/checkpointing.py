"""A callback that saves the model, or its weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.callbacks.callback import Callback, Logs
from feasible.callbacks.monitored import Monitored


class ModelCheckpoint(Callback):
    """Saves the model, or its weights, as training goes on.

    Args:
        filepath: Where to: a path that ends in ``.keras``, or with `save_weights_only` in
            ``.weights.h5`` or ``.safetensors``; it may have ``{epoch:02d}``, ``{batch}`` and names
            of values, such as ``{val_loss:.2f}``, in it.
        monitor: The value that tells which epoch is the best.
        verbose: 1 to say what is saved.
        save_best_only: Whether to save only when the value has become better.
        save_weights_only: Whether to save the weights alone.
        mode: ``"min"`` where less is better, ``"max"`` where more is; ``"auto"`` goes by the name.
        save_freq: ``"epoch"``, or after how many batches.
        initial_value_threshold: The value that it must be better than at first; None for none.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> ModelCheckpoint("best.keras", save_best_only=True).monitor
        'val_loss'
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__()
        self.filepath = os.fspath(filepath)
        self.monitor, self.verbose = monitor, verbose
        self.save_best_only = bool(save_best_only)
        self.save_weights_only = bool(save_weights_only)
        endings = (".weights.h5", ".safetensors") if self.save_weights_only else (".keras",)
        if not self.filepath.endswith(endings):
            allowed = f"a path that ends in {' or '.join(endings)}"
            raise InvalidArgumentError("ModelCheckpoint", "filepath", self.filepath, allowed)
        whole = isinstance(save_freq, int) and save_freq >= 1
        if save_freq != "epoch" and not whole:
            allowed = "'epoch', or a number of batches"
            raise InvalidArgumentError("ModelCheckpoint", "save_freq", save_freq, allowed)
        self.save_freq = save_freq
        self.watched = Monitored("ModelCheckpoint", monitor, mode, best=initial_value_threshold)
        self._epoch = self._batches = 0

    @property
    def best(self) -> float:
        """The best value so far."""
        return self.watched.best

    def state(self) -> dict[str, Any]:
        """Return what `BackupAndRestore` saves: the best value, and how many batches there were."""
        return {"best": self.watched.best, "batches": self._batches}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was saved."""
        self.watched.best, self._batches = state["best"], state["batches"]

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch.

        Args:
            epoch: Its number.
            logs: Nothing yet.
        """
        self._epoch = epoch

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save, where that is by batches.

        Args:
            batch: The batch's number.
            logs: The values so far.
        """
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % int(self.save_freq) == 0:
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save, where that is by epochs.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        if self.save_freq == "epoch":
            self._save(epoch, None, logs)

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        if self.save_best_only:
            value = self.watched.value_in(logs)
            # Of a value that is not there, of which a warning tells, every epoch is as good.
            if value is not None and not self.watched.is_better(value):
                return
        path = self._path(epoch, batch, logs)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saving to {path}")
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)

    def _path(self, epoch: int, batch: int | None, logs: Logs) -> str:
        numbers = {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            return self.filepath.format(**{**numbers, **(logs or {})})
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: `filepath` names {error}, which is not there. There are: epoch, "
                f"{', '.join(logs or {})}."
            ) from error
