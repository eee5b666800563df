"""The base class of callbacks."""

from __future__ import annotations

from typing import Any

Logs = dict[str, Any] | None


class Callback:
    """What `fit`, `evaluate` and `predict` call as they go: override the hooks that you need.

    Attributes:
        model: The model.
        params: ``"epochs"``, ``"steps"`` (batches an epoch; None where not known), ``"verbose"``.

    Example:
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(f"epoch {epoch} is over")
        >>> Shout().on_epoch_end(0)
        epoch 0 is over
    """

    model: Any = None

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what is known of the run.

        Args:
            params: The number of epochs and of batches, and what is shown.
        """
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model.

        Args:
            model: The model.
        """
        self.model = model

    def state(self) -> dict[str, Any]:
        """Return what `BackupAndRestore` saves of the callback.

        Returns:
            Numbers, text and tensors by name.
        """
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what was saved, after `on_train_begin`.

        Args:
            state: What `state` returned.
        """

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called when fit begins.

        Args:
            logs: The loss and the metrics so far, by name.
        """

    def on_train_end(self, logs: Logs = None) -> None:
        """Called when fit ends.

        Args:
            logs: The loss and the metrics so far, by name.
        """

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called when an evaluation begins, in `fit` too.

        Args:
            logs: The loss and the metrics so far, by name.
        """

    def on_test_end(self, logs: Logs = None) -> None:
        """Called when an evaluation ends.

        Args:
            logs: The loss and the metrics so far, by name.
        """

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called when a prediction begins.

        Args:
            logs: The loss and the metrics so far, by name.
        """

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called when a prediction ends.

        Args:
            logs: The loss and the metrics so far, by name.
        """

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called when an epoch begins.

        Args:
            epoch: Its number, from 0.
            logs: The loss and the metrics of the epoch, by name.
        """

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called when an epoch and its validation end.

        Args:
            epoch: Its number, from 0.
            logs: The loss and the metrics of the epoch, by name.
        """

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called when a training batch begins.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called when a training batch ends.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called when a training batch begins.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called when a training batch ends.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called when a batch of an evaluation begins.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called when a batch of an evaluation ends.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called when a batch of a prediction begins.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called when a batch of a prediction ends.

        Args:
            batch: Its number in the epoch, from 0.
            logs: The loss and the metrics so far, by name.
        """
