"""A model as Lightning trains it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from feasible.callbacks.history import History
from feasible.models.class_weights import class_weight_table
from feasible.models.data import unpack
from feasible.models.metrics import EpochMetrics
from feasible.models.model import Model
from feasible.models.progress import Progress
from feasible.models.random_state import random_state, set_random_state

# The key of what we add to Lightning's checkpoints.
_OURS = "feasible"


class Training(LightningModule):
    """What Lightning's Trainer sees of a model: steps, the optimizer, and what checkpoints hold.

    Args:
        model: The model, which is compiled, save for prediction.
        class_weight: Weights of the loss by number of class, or None.
    """

    class_weights: Tensor | None

    def __init__(self, model: Model, class_weight: dict[int, float] | None = None) -> None:
        super().__init__()
        self.model = model
        self.loss = model.loss
        self.training_metrics = EpochMetrics(model.metrics)
        self.validation_metrics = EpochMetrics(model.metrics)
        self.validation_values: dict[str, float] = {}
        self.history = History()
        # Called with an epoch's number and values, to which it may add some.
        self.epoch_ended: Callable[[int, dict[str, float]], Any] | None = None
        table = None if class_weight is None else class_weight_table(class_weight)
        self.register_buffer("class_weights", table, persistent=False)
        self.parameter_count = len(list(model.parameters()))

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the hook that it is in some forty times a step, where nn.Module would each
        # time look whether that is a parameter.
        if isinstance(value, str | None) and name in vars(self):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def configure_optimizers(self) -> Optimizer | None:
        """Return the model's optimizer, with the state it has from earlier training."""
        return self.model.optimizer

    def training_step(self, batch: Any) -> Tensor | None:
        """Compute the loss of a batch.

        Args:
            batch: Inputs, or a tuple of inputs, labels and weights.

        Returns:
            The loss; None where no weight is trained.
        """
        loss = self.model.batch_loss(batch, self.training_metrics, self.class_weights)
        if not loss.requires_grad:
            warnings.warn(
                f"{self.model.name}: nothing of it is trained, as no weight has an effect on the "
                "loss and is trainable. Set `trainable` of the model or of its layers.",
                stacklevel=1,
            )
            return None
        return loss

    def validation_step(self, batch: Any) -> None:
        """Take the loss and the metrics of a batch in.

        Args:
            batch: Inputs, or a tuple of inputs, labels and weights.
        """
        self.model.batch_loss(batch, self.validation_metrics)

    def predict_step(self, batch: Any) -> Any:
        """Return the model's output for a batch.

        Args:
            batch: Inputs, or a tuple that begins with them.

        Returns:
            The output.
        """
        return self.model(unpack(batch)[0])

    def running(self) -> dict[str, float]:
        """Return the loss and the metrics of the epoch so far.

        Returns:
            Values by name; none in a prediction.
        """
        if self.trainer.predicting:
            return {}
        gathered = self.training_metrics if self.trainer.training else self.validation_metrics
        return gathered.running()

    def on_train_batch_end(self, *batch: Any) -> None:
        """Stop if the model was told to."""
        del batch
        self.trainer.should_stop |= self.model.stop_training

    def on_validation_epoch_end(self) -> None:
        """End the epoch, before callbacks save checkpoints and look at the validation loss."""
        self.validation_values = self.validation_metrics.compute()
        self.validation_metrics.reset()
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._end_epoch({f"val_{name}": it for name, it in self.validation_values.items()})

    def on_train_epoch_end(self) -> None:
        """End the epoch, where there was no validation at its end."""
        self._end_epoch({})

    def _end_epoch(self, validation: dict[str, float]) -> None:
        if self._has_ended():
            return
        self._check_parameters()
        values = {**self.training_metrics.compute(), **validation}
        self.training_metrics.reset()
        if self.epoch_ended is not None:
            self.epoch_ended(self.trainer.current_epoch, values)
            self.trainer.should_stop |= self.model.stop_training
        self.history.append(self.trainer.current_epoch, values)
        self.log_dict(values)
        bar = self.trainer.progress_bar_callback
        if isinstance(bar, Progress):
            bar.show_epoch(self.trainer.current_epoch, values)

    def _has_ended(self) -> bool:
        """Say whether there were no batches since the last epoch ended."""
        return bool(self.training_metrics.loss.count == 0)

    def _check_parameters(self) -> None:
        if len(list(self.model.parameters())) != self.parameter_count:
            raise RuntimeError(
                f"{self.model.name}: a layer was first used in training, when the optimizer had "
                "its parameters already, so that those of the layer are not trained. Call the "
                "model once so that it uses all its layers, and then call `fit`."
            )

    def get_extra_state(self) -> dict[str, Any]:
        """Return the history, which goes wherever the weights go: to a file, between processes."""
        return {"history": self.history.history, "epoch": self.history.epoch}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the history.

        Args:
            state: What `get_extra_state` returned.
        """
        self.history.history, self.history.epoch = state["history"], state["epoch"]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of random numbers to a checkpoint.

        Args:
            checkpoint: The checkpoint.
        """
        checkpoint[_OURS] = {
            "random": random_state(),
            "epoch_ended": self._has_ended(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the state of random numbers from a checkpoint.

        Args:
            checkpoint: The checkpoint.

        Raises:
            ValueError: If it is not one of `fit`'s, made at the end of an epoch.
        """
        ours = checkpoint.get(_OURS)
        if ours is None or not ours["epoch_ended"]:
            raise ValueError(
                "`ckpt_path` must be a checkpoint that `fit` made at the end of an epoch, as "
                "ModelCheckpoint() does. Received: one that "
                + ("`fit` did not make." if ours is None else "was made in the middle of an epoch.")
            )
        set_random_state(ours["random"])
