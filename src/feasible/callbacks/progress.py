"""What is shown while a model is trained, evaluated or asked for predictions."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from feasible.callbacks.callback import Callback, Logs

_SECONDS_BETWEEN_DRAWINGS = 0.05
_WIDTH = 20


class ProgbarLogger(Callback):
    """Shows an epoch's progress, its time and its values, as Keras does.

    With ``verbose=1`` there is a bar, which in a terminal or a notebook moves as batches end, and
    elsewhere is printed when the epoch ends; with 2 there is a line when the epoch ends.

    Example:
        >>> bar = ProgbarLogger()
        >>> bar.set_params({"verbose": 2, "epochs": 3, "steps": 8})
        >>> bar.on_epoch_begin(0)
        Epoch 1/3
    """

    def __init__(self) -> None:
        super().__init__()
        self.verbose, self.epochs = 1, 1
        self.target: int | None = None
        self.in_fit = False
        self._begin()

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what is known of the run.

        Args:
            params: The number of epochs and of batches, and what is shown.
        """
        super().set_params(params)
        self.verbose = 1 if params.get("verbose", 1) == "auto" else params.get("verbose", 1)
        self.epochs, self.target = params.get("epochs") or 1, params.get("steps")

    def is_due(self, batch: int) -> bool:
        """Say whether the bar is to be drawn again, so that values need not be found otherwise.

        Args:
            batch: The number of the batch that ended.

        Returns:
            Whether enough time has passed.
        """
        self.seen = batch + 1
        if self.verbose != 1 or not _is_watched():
            return False
        return time.monotonic() - self._drawn >= _SECONDS_BETWEEN_DRAWINGS

    def _begin(self) -> None:
        self.seen = 0
        self._started = time.monotonic()
        self._drawn = 0.0
        self._width = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Note that validation is silent, being a part of `fit`."""
        self.in_fit = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Note that `fit` is over."""
        self.in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Show the epoch's number.

        Args:
            epoch: Its number.
            logs: Nothing yet.
        """
        self._begin()
        if self.verbose and self.epochs > 1:
            print(f"Epoch {epoch + 1}/{self.epochs}", flush=True)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Show the epoch's values.

        Args:
            epoch: Its number.
            logs: Its values.
        """
        self._end(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """Begin, if it is not within `fit`."""
        if not self.in_fit:
            self._begin()

    def on_test_end(self, logs: Logs = None) -> None:
        """Show the values, if it is not within `fit`."""
        if not self.in_fit:
            self._end(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Begin."""
        self._begin()

    def on_predict_end(self, logs: Logs = None) -> None:
        """Show the time."""
        self._end(None)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Draw the bar.

        Args:
            batch: The batch's number.
            logs: The values so far.
        """
        self._draw(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Draw the bar, if it is not within `fit`."""
        if not self.in_fit:
            self._draw(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Draw the bar."""
        self._draw(batch, None)

    def _draw(self, batch: int, logs: Logs) -> None:
        self.seen = batch + 1
        self._drawn = time.monotonic()
        if self.verbose == 1 and _is_watched():
            self._write(self._line(logs, over=False))

    def _end(self, logs: Logs) -> None:
        if not self.verbose:
            return
        line = self._line(logs, over=True)
        if self.verbose == 1 and _is_watched():
            self._write(line)
            print(flush=True)
        else:
            print(line, flush=True)

    def _write(self, line: str) -> None:
        print("\r" + line.ljust(self._width), end="", flush=True)
        self._width = len(line)

    def _line(self, logs: Logs, *, over: bool) -> str:
        # Of a generator it is known only when it is over how many batches there are.
        target = self.target or (self.seen if over else None)
        seconds = time.monotonic() - self._started
        per_step = seconds / max(self.seen, 1)
        if target is None:
            count = f"{self.seen:>7}/Unknown"
        else:
            count = f"{target if over else self.seen:>{len(str(target))}}/{target}"
        if self.verbose == 1 and target is not None:
            full = _WIDTH * (target if over else self.seen) // max(target, 1)
            count += f" {'━' * full}{'╌' * (_WIDTH - full)}"
        left = seconds if over or target is None else per_step * (target - self.seen)
        separator = " - " if self.verbose == 2 else " "
        parts = [f"{count}{separator}{_duration(left)}{separator}{_per_step(per_step)}"]
        parts += [f"{name}: {_number(value)}" for name, value in (logs or {}).items()]
        return " - ".join(parts)


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _per_step(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def _is_watched() -> bool:
    """Say whether a person looks at what is printed: in a terminal or a notebook."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules or "PYCHARM_HOSTED" in os.environ
