"""What `fit` shows: a row for each epoch, and below them a live progress bar."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

from feasible.callbacks.history import EpochTable

_SECONDS_BETWEEN_DRAWINGS = 0.1


class Progress(TQDMProgressBar):
    """Prints a row of a table as each epoch ends, and draws Lightning's progress bar meanwhile.

    Args:
        live: Whether there is a bar, or rows only.
    """

    BAR_FORMAT = "{desc} {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"

    def __init__(self, *, live: bool) -> None:
        super().__init__(refresh_rate=1 if live else 0)
        self.table: EpochTable | None = None
        self._drawn = 0.0
        self._started = 0.0

    def show_epoch(self, epoch: int, values: dict[str, float]) -> None:
        """Print the row of an epoch, and above the first one the columns' names.

        Args:
            epoch: Its number.
            values: The loss and the metrics by name.
        """
        if not self.trainer.is_global_zero:
            return
        if self.table is None or self.table.names != list(values):
            self.table = EpochTable(list(values), self.trainer.max_epochs or 0, timed=True)
            self._write(self.table.header())
        seconds = time.monotonic() - self._started
        self._write(self.table.row(epoch, list(values.values()), seconds))

    def _write(self, line: str) -> None:
        if self.is_enabled:
            self.print(line)
        else:
            print(line, flush=True)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return what stands beside the bar.

        Args:
            trainer: The trainer.
            pl_module: What it trains.

        Returns:
            The loss and the metrics so far, by name.
        """
        del trainer
        running: dict[str, float] = pl_module.running()  # type: ignore[operator]
        return {name: f"{value:.4f}" for name, value in running.items()}

    def init_train_tqdm(self) -> Tqdm:
        """Return a bar that is gone when training ends: the rows stay."""
        bar = super().init_train_tqdm()
        bar.leave = False
        return bar

    def init_validation_tqdm(self) -> Tqdm:
        """Return a bar that is gone when validation ends."""
        bar = super().init_validation_tqdm()
        bar.leave = False
        return bar

    def init_predict_tqdm(self) -> Tqdm:
        """Return a bar that is gone when prediction ends."""
        bar = super().init_predict_tqdm()
        bar.leave = False
        return bar

    def on_train_epoch_start(self, trainer: Trainer, *others: Any) -> None:
        """Start the bar and the clock of an epoch."""
        super().on_train_epoch_start(trainer, *others)
        self._started = time.monotonic()
        self.train_progress_bar.set_description(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        )

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Draw the bar, if that was not just done."""
        if self._is_due():
            super().on_train_batch_end(*arguments)

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Draw the bar, if that was not just done."""
        if self._is_due():
            super().on_validation_batch_end(*arguments)

    def on_predict_batch_end(self, *arguments: Any) -> None:
        """Draw the bar, if that was not just done."""
        if self._is_due():
            super().on_predict_batch_end(*arguments)

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._drawn < _SECONDS_BETWEEN_DRAWINGS:
            return False
        self._drawn = now
        return True
