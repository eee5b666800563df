"""A callback that has averaged weights evaluated and saved."""

from __future__ import annotations

from typing import Any

import torch

from feasible.callbacks.callback import Callback, Logs


class SwapEMAWeights(Callback):
    """Puts the optimizer's averages in the place of weights while they are evaluated.

    The optimizer must be one of feasible.optimizers with ``use_ema=True``. Averages are projected,
    as weights are: an average of feasible weights need not be feasible.

    Args:
        swap_on_epoch: Whether the averages are there at an epoch's end, too, for callbacks that
            save the model and stand after this one.

    Example:
        >>> SwapEMAWeights().swap_on_epoch
        False
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = bool(swap_on_epoch)
        self._weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Check the optimizer.

        Args:
            logs: Nothing yet.

        Raises:
            ValueError: If it keeps no averages.
        """
        if not getattr(self.model.optimizer, "use_ema", False):
            raise ValueError(
                "SwapEMAWeights needs an optimizer that keeps averages: compile the model with one "
                "of feasible.optimizers and use_ema=True. Received: "
                f"{type(self.model.optimizer).__name__}."
            )

    @torch.no_grad()
    def _swap(self) -> None:
        optimizer = self.model.optimizer
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        if self._weights is None:
            self._weights = [one.detach().clone() for one in parameters]
            optimizer.finalize_variable_values()
            return
        for one, weight in zip(parameters, self._weights, strict=True):
            one.copy_(weight)
        self._weights = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Put the weights back.

        Args:
            epoch: The epoch's number.
            logs: Nothing yet.
        """
        if self._weights is not None:
            self._swap()

    def on_test_begin(self, logs: Logs = None) -> None:
        """Put the averages in place.

        Args:
            logs: Nothing yet.
        """
        if self._weights is None:
            self._swap()

    def on_test_end(self, logs: Logs = None) -> None:
        """Put the weights back.

        Args:
            logs: The values of the evaluation.
        """
        if self._weights is not None:
            self._swap()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Put the averages in place for callbacks after this one.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        if self.swap_on_epoch and self._weights is None:
            self._swap()

    def on_train_end(self, logs: Logs = None) -> None:
        """Put the weights back: `fit` itself ends with the averages.

        Args:
            logs: The values of the last epoch.
        """
        if self._weights is not None:
            self._swap()
