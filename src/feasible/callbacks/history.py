"""What `fit` returns: the loss and the metrics of each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feasible.callbacks.callback import Callback, Logs


class EpochTable:
    """Lines of a table with a row for each epoch, which can be printed as the epochs end.

    Args:
        names: The columns' names, such as ``"loss"``.
        epochs: How many epochs there will be.
        timed: Whether each row tells how many seconds the epoch took.
    """

    def __init__(self, names: Sequence[str], epochs: int, *, timed: bool = False) -> None:
        self.names = list(names)
        self.epochs = str(epochs)
        self.timed = timed

    def header(self) -> str:
        """Return the first line.

        Returns:
            The columns' names.
        """
        epoch = "epoch".ljust(len(self._epoch(0)))
        return "  ".join([epoch, *(["   time"] if self.timed else []), *map(_wide, self.names)])

    def row(self, epoch: int, values: Sequence[float], seconds: float = 0.0) -> str:
        """Return the line of one epoch.

        Args:
            epoch: Its number, from 0.
            values: The columns' values.
            seconds: How long it took.

        Returns:
            The values below their columns' names.
        """
        time = [f"{seconds:6.1f}s"] if self.timed else []
        cells = [_cell(value).rjust(len(_wide(name))) for name, value in self._paired(values)]
        return "  ".join([self._epoch(epoch), *time, *cells])

    def _paired(self, values: Sequence[float]) -> list[tuple[str, float]]:
        return list(zip(self.names, values, strict=True))

    def _epoch(self, epoch: int) -> str:
        return f"{epoch + 1:>{len(self.epochs)}}/{self.epochs}".rjust(5)


def _wide(name: str) -> str:
    return name.rjust(8)


def _cell(value: float) -> str:
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.2e}"


class History(Callback):
    """The loss and the metrics of each epoch, which every `fit` keeps. It prints as a table.

    Attributes:
        history: Values of the epochs by name: ``"loss"``, the metrics as they were named to
            `compile`, and each with ``"val_"`` before it where there was validation data.
        epoch: The epochs' numbers, from 0.

    Example:
        >>> history = History()
        >>> history.append(0, {"loss": 0.5, "accuracy": 0.75})
        >>> print(history)
        epoch      loss  accuracy
          1/1    0.5000    0.7500
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin to note epochs.

        Args:
            logs: Nothing yet.
        """
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add an epoch.

        Args:
            epoch: Its number.
            logs: Its values.
        """
        self.append(epoch, logs or {})
        self.model.history = self

    def append(self, epoch: int, values: dict[str, Any]) -> None:
        """Add an epoch.

        Args:
            epoch: Its number.
            values: The loss and the metrics by name.
        """
        self.epoch.append(epoch)
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        if not self.epoch:
            return "History: no epochs"
        # Validation may be rarer than epochs.
        names = [name for name, values in self.history.items() if len(values) == len(self.epoch)]
        table = EpochTable(names, self.epoch[-1] + 1)
        rows = zip(*(self.history[name] for name in names), strict=True)
        lines = [table.row(epoch, row) for epoch, row in zip(self.epoch, rows, strict=True)]
        return "\n".join([table.header(), *lines])
