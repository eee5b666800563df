"""Watches, under Lightning's Trainer, what projections do to a model's weights."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from feasible.arguments import check_integer
from feasible.models.training import Training
from feasible.torch.monitor import Monitor


class MonitorCallback(Callback):
    """A `feasible.torch.Monitor` for `fit`, and for any model under Lightning's Trainer.

    At the end of each epoch it logs what it recorded to the trainer's loggers, if there are any.
    Afterwards `monitor` prints as a table and draws a picture.

    Args:
        every: How many steps of a weight there are from one sample to the next.

    Raises:
        InvalidArgumentError: If it is not an integer of at least 1.

    Attributes:
        monitor: The monitor of the latest training; None before the first.

    Example:
        >>> import numpy as np
        >>> import feasible
        >>> from feasible.layers import Dense
        >>> model = feasible.Sequential([Dense(2, kernel_constraint="unit_norm")])
        >>> model.compile("sgd", "mse")
        >>> callback = MonitorCallback(every=2)
        >>> x, y = np.ones((32, 3)), np.zeros((32, 2))
        >>> history = model.fit(x, y, batch_size=4, verbose=0, callbacks=callback)
        >>> [sample.step for sample in callback.monitor.records()]
        [2, 4, 6, 8]
    """

    def __init__(self, every: int = 10) -> None:
        self.every = check_integer("MonitorCallback", "every", every, minimum=1)
        self.monitor: Monitor | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to watch; steps count on from a checkpoint's.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
        """
        model = pl_module.model if isinstance(pl_module, Training) else pl_module
        self.monitor = Monitor(model, every=self.every, initial_step=trainer.global_step).start()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what was recorded.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
        """
        del pl_module
        if self.monitor is not None:
            self.monitor.log_to(*trainer.loggers)

    def on_train_end(self, *others: Any) -> None:
        """Watch no more."""
        del others
        self._stop()

    def on_exception(self, *others: Any) -> None:
        """Watch no more."""
        del others
        self._stop()

    def _stop(self) -> None:
        if self.monitor is not None:
            self.monitor.stop()
