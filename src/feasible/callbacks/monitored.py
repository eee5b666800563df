"""Whether a value that is watched has become better."""

from __future__ import annotations

import math
import warnings
from typing import Any

from feasible.arguments import check_choice, check_number

# Metrics of which more is better.
_MORE = ("acc", "auc", "precision", "recall", "f1", "iou", "similarity")


class Monitored:
    """A value of the epochs' logs, and its best so far.

    Args:
        owner: The callback's class, for messages.
        monitor: The value's name, such as ``"val_loss"``.
        mode: ``"min"`` where less is better, ``"max"`` where more is; ``"auto"`` goes by the name.
        min_delta: By how much it must be better.
        best: The best before the first epoch; None for none.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> watched = Monitored("EarlyStopping", "val_loss")
        >>> watched.is_better(1.0), watched.is_better(2.0), watched.is_better(0.5)
        (True, False, True)
    """

    def __init__(
        self,
        owner: str,
        monitor: str,
        mode: str = "auto",
        min_delta: float = 0.0,
        best: float | None = None,
    ) -> None:
        check_choice(owner, "mode", mode, ("auto", "min", "max"))
        self.owner, self.name = owner, monitor
        more = any(part in monitor for part in _MORE)
        self.sign = 1.0 if mode == "min" or (mode == "auto" and not more) else -1.0
        self.min_delta = abs(check_number(owner, "min_delta", min_delta))
        self.best = self.worst if best is None else best

    @property
    def worst(self) -> float:
        """The value that any other is better than."""
        return self.sign * math.inf

    def value_in(self, logs: dict[str, Any] | None) -> float | None:
        """Return the value of an epoch, and warn where there is none.

        Args:
            logs: The epoch's values.

        Returns:
            The value, or None.
        """
        value = (logs or {}).get(self.name)
        if value is None:
            warnings.warn(
                f"{self.owner} watches {self.name!r}, which is not there. There are: "
                f"{', '.join(logs or {}) or 'none'}.",
                stacklevel=2,
            )
            return None
        return float(value)

    def is_better(self, value: float) -> bool:
        """Return whether a value is better than the best, which it then becomes.

        Args:
            value: The value.

        Returns:
            True if so.
        """
        if not self.sign * value < self.sign * self.best - self.min_delta:
            return False
        self.best = value
        return True
