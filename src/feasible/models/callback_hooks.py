"""Calls Keras's callbacks as Lightning's Trainer goes on."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback as LightningCallback
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from feasible.callbacks.callback import CallbackList
from feasible.models.training import Training


class CallbackHooks(LightningCallback):
    """One of Lightning's callbacks that calls Keras's.

    Args:
        callbacks: Keras's callbacks: ours, or of Keras itself.
        verbose: What is shown, which callbacks are told.
    """

    def __init__(self, callbacks: list[Any], verbose: Any) -> None:
        self.callbacks = callbacks
        self.verbose = verbose
        self.list = CallbackList([], None, {})

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Tell the callbacks of the model and of the run.

        Args:
            trainer: The trainer.
            pl_module: What it runs.
            stage: What it does.
        """
        del stage
        assert isinstance(pl_module, Training)
        params = {"verbose": self.verbose, "epochs": trainer.max_epochs, "steps": None}
        self.list = CallbackList(self.callbacks, pl_module.model, params)
        pl_module.epoch_ended = self._on_epoch_end
        pl_module.history.model, pl_module.history.params = pl_module.model, params

    def _on_epoch_end(self, epoch: int, values: dict[str, float]) -> None:
        self.list.call("on_epoch_end", epoch, values)

    def _logs(self, pl_module: LightningModule) -> dict[str, float]:
        assert isinstance(pl_module, Training)
        return pl_module.running()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training begins.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
        """
        del pl_module
        batches = trainer.num_training_batches
        for callback in self.callbacks:
            callback.params["steps"] = None if batches == float("inf") else int(batches)
        self.list.call("on_train_begin", {})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training ends.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
        """
        del trainer
        assert isinstance(pl_module, Training)
        history = pl_module.history.history
        self.list.call("on_train_end", {name: values[-1] for name, values in history.items()})

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch begins.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
        """
        del pl_module
        self.list.call("on_epoch_begin", trainer.current_epoch, {})

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """A training batch begins.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
            batch: The batch.
            batch_idx: Its number.
        """
        del trainer, pl_module, batch
        self.list.call("on_train_batch_begin", batch_idx, {})

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A training batch ends.

        Args:
            trainer: The trainer.
            pl_module: What it trains.
            outputs: What the step returned.
            batch: The batch.
            batch_idx: Its number.
        """
        del outputs, batch
        assert isinstance(pl_module, Training)
        self.list.call("on_train_batch_end", batch_idx, self._logs(pl_module))
        trainer.should_stop |= pl_module.model.stop_training

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An evaluation begins.

        Args:
            trainer: The trainer.
            pl_module: What it evaluates.
        """
        del trainer, pl_module
        self.list.call("on_test_begin", {})

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """A batch of an evaluation begins.

        Args:
            trainer: The trainer.
            pl_module: What it evaluates.
            batch: The batch.
            batch_idx: Its number.
        """
        del trainer, pl_module, batch
        self.list.call("on_test_batch_begin", batch_idx, {})

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *_: Any,
    ) -> None:
        """A batch of an evaluation ends.

        Args:
            trainer: The trainer.
            pl_module: What it evaluates.
            outputs: What the step returned.
            batch: The batch.
            batch_idx: Its number.
        """
        del trainer, outputs, batch
        self.list.call("on_test_batch_end", batch_idx, self._logs(pl_module))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An evaluation ends.

        Args:
            trainer: The trainer.
            pl_module: What it evaluates.
        """
        assert isinstance(pl_module, Training)
        if trainer.state.fn != TrainerFn.FITTING:
            self.list.call("on_test_end", pl_module.validation_values)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A prediction begins.

        Args:
            trainer: The trainer.
            pl_module: What predicts.
        """
        del trainer, pl_module
        self.list.call("on_predict_begin", {})

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """A batch of a prediction begins.

        Args:
            trainer: The trainer.
            pl_module: What predicts.
            batch: The batch.
            batch_idx: Its number.
        """
        del trainer, pl_module, batch
        self.list.call("on_predict_batch_begin", batch_idx, {})

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *_: Any,
    ) -> None:
        """A batch of a prediction ends.

        Args:
            trainer: The trainer.
            pl_module: What predicts.
            outputs: The outputs.
            batch: The batch.
            batch_idx: Its number.
        """
        del trainer, pl_module, batch
        self.list.call("on_predict_batch_end", batch_idx, {"outputs": outputs})

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A prediction ends.

        Args:
            trainer: The trainer.
            pl_module: What predicts.
        """
        del trainer, pl_module
        self.list.call("on_predict_end", {})
