"""Callbacks that end training."""

from __future__ import annotations

import math
from typing import Any

import torch

from feasible.arguments import check_integer
from feasible.callbacks.callback import Callback, Logs
from feasible.callbacks.monitored import Monitored

_COUNTS = ("wait", "stopped_epoch", "best_epoch")


class EarlyStopping(Callback):
    """Ends training when a value has not become better for some epochs.

    Args:
        monitor: The value's name, such as ``"val_loss"``.
        min_delta: By how much it must become better.
        patience: After how many epochs without that training ends.
        verbose: 1 to say so.
        mode: ``"min"`` where less is better, ``"max"`` where more is; ``"auto"`` goes by the name.
        baseline: The value that it must be better than at first; None for none.
        restore_best_weights: Whether the weights of the best epoch are put back.
        start_from_epoch: The number of the first epoch that counts.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Attributes:
        stopped_epoch: The number of the epoch that ended training; 0 if none did.
        best_epoch: The number of the best epoch.

    Example:
        >>> EarlyStopping(patience=3).patience
        3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.patience = check_integer("EarlyStopping", "patience", patience, minimum=0)
        self.verbose, self.baseline = verbose, baseline
        self.restore_best_weights = bool(restore_best_weights)
        self.start_from_epoch = check_integer(
            "EarlyStopping", "start_from_epoch", start_from_epoch, minimum=0
        )
        self._begin()

    def _begin(self) -> None:
        self.watched = Monitored("EarlyStopping", self.monitor, self.mode, self.min_delta)
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def state(self) -> dict[str, Any]:
        """Return what `BackupAndRestore` saves: the counts, the best value and its weights."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        weights = self.best_weights
        tensors = None if weights is None else [torch.from_numpy(one) for one in weights]
        return {**counts, "best": self.watched.best, "best_weights": tensors}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was saved."""
        for name in _COUNTS:
            setattr(self, name, state[name])
        self.watched.best, weights = state["best"], state["best_weights"]
        self.best_weights = None if weights is None else [one.numpy() for one in weights]

    @property
    def best(self) -> float:
        """The best value so far."""
        return self.watched.best

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin to count.

        Args:
            logs: Nothing yet.
        """
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """End training, if the value has not become better for long enough.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        value = self.watched.value_in(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            # Of no epoch that is better than the baseline, the first one's are put back.
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.watched.is_better(value):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._beats_baseline(value):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _beats_baseline(self, value: float) -> bool:
        assert self.baseline is not None
        return self.watched.sign * value < self.watched.sign * self.baseline

    def on_train_end(self, logs: Logs = None) -> None:
        """Put the best weights back.

        Args:
            logs: The values of the last epoch.
        """
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class TerminateOnNaN(Callback):
    """Ends training when the loss is no finite number.

    Args:
        raise_error: Whether it ends by an error.

    Example:
        >>> TerminateOnNaN().on_batch_end(0, {"loss": 1.0})
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = bool(raise_error)

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """End training, if the loss is NaN or infinite.

        Args:
            batch: The batch's number.
            logs: The values so far.

        Raises:
            RuntimeError: If it is, and `raise_error` was asked for.
        """
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"Batch {batch}: the loss is {loss}, training ends.")
        print(f"Batch {batch}: the loss is {loss}, training ends.")
        self.model.stop_training = True
