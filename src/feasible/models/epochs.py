"""Which batches an epoch has: with `steps_per_epoch`, it goes on where the last one ended."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from feasible.models.data_sources import Batches
from feasible.models.random_state import random_state, set_random_state


class Epochs:
    """Epochs of batches.

    Args:
        batches: The batches.
        steps: How many an epoch has; None for all.

    Attributes:
        taken: How many the current epoch has taken.

    Example:
        >>> import numpy as np
        >>> from feasible.models.data_sources import batches_of
        >>> epochs = Epochs(batches_of(np.arange(6), batch_size=2), steps=2)
        >>> [[batch[0].tolist() for batch in epochs] for _ in range(1)]
        [[[0, 1], [2, 3]]]
    """

    def __init__(self, batches: Batches, steps: int | None = None) -> None:
        self.batches, self.steps = batches, steps
        self.taken = 0
        self._iterator: Iterator[Any] | None = None
        # Of the current pass: the random numbers before it, and how many batches it has given.
        self._before: dict[str, Any] | None = None
        self._drawn = 0

    @property
    def num_batches(self) -> int | None:
        """How many batches an epoch has; None where that is not known."""
        return self.steps or self.batches.num_batches

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of the next epoch, or of what is left of a restored one."""
        if not self.taken:
            self.batches.on_epoch_begin()
        known = self.num_batches
        while known is None or self.taken < known:
            if self._iterator is None:
                self._begin_pass()
            assert self._iterator is not None
            batch = next(self._iterator, None)
            if batch is None:
                self._iterator = None
                if self.steps or not self.taken:
                    warnings.warn(
                        "The data ran out before the epoch had as many batches as it should. "
                        "Pass data that yields at least steps_per_epoch * epochs batches, or a "
                        "smaller steps_per_epoch.",
                        stacklevel=3,
                    )
                break
            self._drawn += 1
            self.taken += 1
            yield batch
        if not self.steps or self._drawn == self.batches.num_batches:
            self._iterator = None
        self.batches.on_epoch_end()

    def _begin_pass(self) -> None:
        self._before = random_state()
        self._drawn = 0
        self._iterator = iter(self.batches)

    def next_epoch(self) -> None:
        """Begin to count an epoch's batches."""
        self.taken = 0

    def state(self) -> dict[str, Any]:
        """Return where in the data this is.

        Returns:
            What `restore` takes.
        """
        within = self._iterator is not None
        return {
            "taken": self.taken,
            "drawn": self._drawn if within else 0,
            "before": self._before if within else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a place in the data, by going through the batches before it.

        Args:
            state: What `state` returned. Random numbers are other ones afterwards.
        """
        self.taken, self._iterator = state["taken"], None
        if state["before"] is None:
            return
        set_random_state(state["before"])
        self._begin_pass()
        assert self._iterator is not None
        for _ in range(state["drawn"]):
            next(self._iterator, None)
            self._drawn += 1
