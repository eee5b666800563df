"""Callbacks that change the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feasible.arguments import InvalidArgumentError, check_integer, check_number
from feasible.callbacks.callback import Callback, Logs
from feasible.callbacks.monitored import Monitored


def learning_rate_of(optimizer: Any) -> float:
    """Return an optimizer's learning rate.

    Args:
        optimizer: One of ours, or of torch.optim.

    Returns:
        The learning rate of its first group of parameters.
    """
    if hasattr(optimizer, "learning_rate"):
        return float(optimizer.learning_rate)
    return float(optimizer.param_groups[0]["lr"])


def set_learning_rate(optimizer: Any, value: float) -> None:
    """Set an optimizer's learning rate.

    Args:
        optimizer: One of ours, or of torch.optim.
        value: The learning rate of all groups of parameters.
    """
    if hasattr(optimizer, "learning_rate"):
        optimizer.learning_rate = value
        return
    for group in optimizer.param_groups:
        group["lr"] = value


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: From an epoch's number, and the learning rate before it, to the learning rate.
        verbose: 1 to say what it is.

    Raises:
        InvalidArgumentError: If it is no function.

    Example:
        >>> LearningRateScheduler(lambda epoch, rate: rate * 0.9).schedule(0, 1.0)
        0.9
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise InvalidArgumentError("LearningRateScheduler", "schedule", schedule, "a function")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the learning rate.

        Args:
            epoch: The epoch's number.
            logs: Nothing yet.

        Raises:
            ValueError: If the schedule returns no number.
        """
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, learning_rate_of(optimizer))
        except TypeError:
            rate = self.schedule(epoch)  # of one argument, as Keras's first schedules
        try:
            rate = float(rate)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"LearningRateScheduler: the schedule must return a number. Received: {rate!r}."
            ) from error
        set_learning_rate(optimizer, rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {rate:g}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the learning rate to the epoch's values.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        if logs is not None:
            logs["learning_rate"] = learning_rate_of(self.model.optimizer)


class ReduceLROnPlateau(Callback):
    """Makes the learning rate smaller when a value has not become better for some epochs.

    Args:
        monitor: The value's name, such as ``"val_loss"``.
        factor: What the learning rate is multiplied by, below 1.
        patience: After how many epochs without that.
        verbose: 1 to say so.
        mode: ``"min"`` where less is better, ``"max"`` where more is; ``"auto"`` goes by the name.
        min_delta: By how much the value must become better.
        cooldown: For how many epochs after that none counts.
        min_lr: The smallest learning rate.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> ReduceLROnPlateau(factor=0.5).factor
        0.5
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__()
        owner = "ReduceLROnPlateau"
        self.factor = check_number(owner, "factor", factor, minimum=0)
        if self.factor >= 1:
            raise InvalidArgumentError(owner, "factor", factor, "a number below 1")
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta
        self.patience = check_integer(owner, "patience", patience, minimum=0)
        self.cooldown = check_integer(owner, "cooldown", cooldown, minimum=0)
        self.min_lr = check_number(owner, "min_lr", min_lr, minimum=0)
        self.verbose = verbose
        self._begin()

    def _begin(self) -> None:
        self.watched = Monitored("ReduceLROnPlateau", self.monitor, self.mode, self.min_delta)
        self.wait = self.cooldown_counter = 0

    def state(self) -> dict[str, Any]:
        """Return what `BackupAndRestore` saves: the counts, and the best value."""
        return {
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
            "best": self.watched.best,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was saved."""
        self.wait, self.cooldown_counter = state["wait"], state["cooldown_counter"]
        self.watched.best = state["best"]

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin to count.

        Args:
            logs: Nothing yet.
        """
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Make the learning rate smaller, if the value has not become better for long enough.

        Args:
            epoch: The epoch's number.
            logs: Its values, to which the learning rate is added.
        """
        optimizer = self.model.optimizer
        before = learning_rate_of(optimizer)
        if logs is not None:
            logs["learning_rate"] = before
        value = self.watched.value_in(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.watched.is_better(value):
            self.wait = 0
            return
        if self.cooldown_counter > 0:
            return
        self.wait += 1
        if self.wait >= self.patience and before > self.min_lr:
            rate = max(before * self.factor, self.min_lr)
            set_learning_rate(optimizer, rate)
            self.cooldown_counter, self.wait = self.cooldown, 0
            if self.verbose:
                print(f"Epoch {epoch + 1}: the learning rate becomes {rate:g}.")
