"""Watches what projections do to a model's weights, in `fit` and under Lightning's Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from feasible.arguments import check_integer
from feasible.callbacks.callback import Logs
from feasible.torch.monitor import Monitor


class MonitorCallback(Callback):
    """A `feasible.torch.Monitor` for `fit`, and for any model under Lightning's Trainer.

    At the end of each epoch it logs what it recorded to the loggers that it was given, and to the
    Trainer's. Afterwards `monitor` prints as a table and draws a picture.

    Args:
        every: How many steps of a weight there are from one sample to the next.
        loggers: What has `log_metrics`, as Lightning's loggers do, or `add_scalar`, as
            TensorBoard's `SummaryWriter` does.

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

    def __init__(self, every: int = 10, loggers: Sequence[Any] = ()) -> None:
        self.every = check_integer("MonitorCallback", "every", every, minimum=1)
        self.loggers = list(loggers)
        self.monitor: Monitor | None = None
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what is known of a run of `fit`.

        Args:
            params: The number of epochs and of batches, and what is shown.
        """
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model of `fit`.

        Args:
            model: The model.
        """
        self.model = model

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin to watch.

        Args:
            logs: Nothing yet.
        """
        del logs
        self.monitor = Monitor(self.model, every=self.every).start()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Log what was recorded.

        Args:
            epoch: The epoch's number.
            logs: Its values.
        """
        del epoch, logs
        if self.monitor is not None:
            self.monitor.log_to(*self.loggers)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to watch; steps count on from a checkpoint's.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
        """
        step = trainer.global_step
        self.monitor = Monitor(pl_module, every=self.every, initial_step=step).start()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what was recorded.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
        """
        del pl_module
        if self.monitor is not None:
            self.monitor.log_to(*trainer.loggers, *self.loggers)

    def on_train_end(self, *others: Any) -> None:
        """Watch no more."""
        del others
        self._stop()
        for logger in self.loggers:
            if hasattr(logger, "save"):
                logger.save()

    def on_exception(self, *others: Any) -> None:
        """Watch no more."""
        del others
        self._stop()

    def _stop(self) -> None:
        if self.monitor is not None:
            self.monitor.stop()
