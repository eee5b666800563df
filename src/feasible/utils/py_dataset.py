"""Data that is asked for batch by batch, by number."""

from __future__ import annotations

from typing import Any

from feasible.arguments import check_integer


class PyDataset:
    """Base class of data that gives a batch for each number; subclasses give it and their count.

    Args:
        workers: How many threads prepare batches ahead; 1 for none but the one that trains.
        use_multiprocessing: Not used: batches are prepared by threads.
        max_queue_size: How many batches are prepared ahead at most.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...     def __getitem__(self, index):
        ...         x = np.arange(4.0) + 4 * index
        ...         return x, x**2
        >>> import numpy as np
        >>> Squares().num_batches
        2
    """

    # For subclasses that do not call `super().__init__()`.
    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = check_integer("PyDataset", "workers", workers, minimum=0)
        self.use_multiprocessing = bool(use_multiprocessing)
        self.max_queue_size = check_integer("PyDataset", "max_queue_size", max_queue_size)

    def __getitem__(self, index: int) -> Any:
        """Return a batch; subclasses give this."""
        raise NotImplementedError(f"{type(self).__name__} must have `__getitem__(index)`.")

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; None where there is no end."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            f"{type(self).__name__} must have `__len__`, or a property `num_batches`."
        )

    def on_epoch_begin(self) -> None:
        """Called when an epoch begins."""

    def on_epoch_end(self) -> None:
        """Called when an epoch ends, to draw another order, say."""
