"""The loop: epochs, batches, validation, and the callbacks between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from feasible.callbacks.callback_list import CallbackList
from feasible.metrics import Metric
from feasible.models.class_weights import weighted_batch
from feasible.models.compiled_metrics import each_metric
from feasible.models.epochs import Epochs
from feasible.models.random_state import random_state, set_random_state
from feasible.models.running import OneDevice
from feasible.models.steps import numbers_of

if TYPE_CHECKING:
    from feasible.models.model import Model


class Training:
    """A run of `fit`, which can be saved between any two batches, and gone on with.

    Args:
        model: The model, which is built and compiled.
        batches: What it is trained on.
        validation: What it is validated with, or None.
        callbacks: The callbacks.
        runner: What it runs on.
        class_weights: Weights by number of class, or None.

    Attributes:
        epoch: The number of the epoch that goes on or is next.
    """

    def __init__(
        self,
        model: Model,
        batches: Epochs,
        validation: Epochs | None,
        callbacks: CallbackList,
        runner: OneDevice,
        class_weights: Tensor | None = None,
    ) -> None:
        self.model, self.batches, self.validation = model, batches, validation
        self.callbacks, self.runner = callbacks, runner
        self.class_weights = None if class_weights is None else runner.place(class_weights)
        self.epoch = 0
        # What the latest step returned.
        self._logs: dict[str, Any] = {}
        self._restored: dict[str, Any] | None = None
        self._parameter_count = len(list(model.parameters()))

    def run(self, epochs: int, initial_epoch: int, validation_freq: int | Sequence[int]) -> None:
        """Train the model.

        Args:
            epochs: The number of the last epoch, plus one.
            initial_epoch: The number of the first one.
            validation_freq: After how many epochs each there is a validation; or after which.
        """
        model, callbacks = self.model, self.callbacks
        self.epoch = initial_epoch
        values: dict[str, Any] = {}
        callbacks.call("on_train_begin", {})
        self._restore_callbacks()
        while self.epoch < epochs and not model.stop_training:
            epoch = self.epoch
            values = self._train(epoch)
            if not self.batches.taken:
                break  # the data has come to its end
            self._check_parameters()
            if self.validation is not None and _is_due(epoch, validation_freq):
                found = evaluate(model, self.validation, callbacks, self.runner)
                values |= {f"val_{name}": value for name, value in found.items()}
            self.epoch = epoch + 1
            self.batches.next_epoch()
            callbacks.call("on_epoch_end", epoch, values)
        finalize = getattr(model.optimizer, "finalize_variable_values", None)
        if finalize is not None and epochs > 0:
            finalize()
        callbacks.call("on_train_end", values)

    def _train(self, epoch: int) -> dict[str, Any]:
        model, callbacks = self.model, self.callbacks
        model.reset_metrics()
        callbacks.call("on_epoch_begin", epoch, {})
        self._restore_within_epoch()
        model.train()
        for batch in self.batches:
            step = self.batches.taken - 1
            callbacks.call("on_train_batch_begin", step, {})
            batch = self.runner.place(batch)
            if self.class_weights is not None:
                batch = weighted_batch(batch, self.class_weights)
            self._logs = model.train_step(batch)
            callbacks.batch_end("on_train_batch_end", step, lambda: numbers_of(self._logs))
            if model.stop_training:
                break
        model.eval()
        return numbers_of(_gathered(model, self._logs, self.runner))

    def _check_parameters(self) -> None:
        if len(list(self.model.parameters())) != self._parameter_count:
            raise RuntimeError(
                f"{self.model.name}: a layer was first used in training, when the optimizer had "
                "its parameters already, so that those of the layer are not trained. Call the "
                "model once so that it uses all its layers, and then call `fit`."
            )

    def state(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on.

        Returns:
            Tensors, numbers and nests of them, which `torch.load` reads with
            ``weights_only=True``.
        """
        model = self.model
        return {
            "epoch": self.epoch,
            "batches": self.batches.state(),
            "random": random_state(),
            "weights": model.state_dict(),
            "optimizer": None if model.optimizer is None else model.optimizer.state_dict(),
            "logs": numbers_of(self._logs),
            "outputs": model.check_compiled("fit").metrics.names,
            "metrics": [_metric_state(metric) for metric in each_metric(model.metrics)],
            "callbacks": [_state_of(one) for one in self.callbacks.callbacks],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state.

        Args:
            state: What `state` returned, of a run of the same model on the same data.

        Raises:
            ValueError: If it is of another model.
        """
        try:
            self.model.load_state_dict(state["weights"])
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"{self.model.name}: what was saved is of another model: {error}"
            ) from error
        if self.model.optimizer is not None:
            self.model.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.batches.restore(state["batches"])
        set_random_state(state["random"])
        self._restored = state

    def _restore_callbacks(self) -> None:
        """Put callbacks back into their states, when all of them have begun."""
        state = self._restored
        if state is None:
            return
        if not state["batches"]["taken"]:
            self._restored = None
        if len(state["callbacks"]) == len(self.callbacks.callbacks):
            for callback, own in zip(self.callbacks.callbacks, state["callbacks"], strict=True):
                if own and hasattr(callback, "restore"):
                    callback.restore(own)

    def _restore_within_epoch(self) -> None:
        """Put back what the beginning of the epoch, which was before the state, has changed."""
        state, self._restored = self._restored, None
        if state is None:
            return
        self.restore(state)
        self._restored, self._logs = None, state["logs"]
        compiled = self.model.check_compiled("fit")
        if compiled.metrics.names is None and state["outputs"] is not None:
            compiled.metrics.take(state["outputs"])
            if compiled.loss is not None:
                compiled.loss.take(state["outputs"])
        for metric, own in zip(each_metric(self.model.metrics), state["metrics"], strict=False):
            _restore_metric(metric, own)


def evaluate(
    model: Model, batches: Epochs, callbacks: CallbackList, runner: OneDevice
) -> dict[str, Any]:
    """Compute the loss and the metrics of data.

    Args:
        model: The model, which is built and compiled.
        batches: The data.
        callbacks: The callbacks.
        runner: What the model runs on.

    Returns:
        Values by name.
    """
    model.eval()
    model.stop_evaluating = False
    callbacks.call("on_test_begin", {})
    model.reset_metrics()
    batches.next_epoch()
    logs: dict[str, Any] = {}
    with torch.no_grad():
        for batch in batches:
            step = batches.taken - 1
            callbacks.call("on_test_batch_begin", step, {})
            logs = model.test_step(runner.place(batch))
            callbacks.batch_end("on_test_batch_end", step, lambda: numbers_of(logs))  # noqa: B023
            if model.stop_evaluating:
                break
    values = numbers_of(_gathered(model, logs, runner))
    callbacks.call("on_test_end", values)
    return values


def predict(model: Model, batches: Epochs, callbacks: CallbackList, runner: OneDevice) -> list[Any]:
    """Compute a model's output.

    Args:
        model: The model, which is built.
        batches: The data.
        callbacks: The callbacks.
        runner: What the model runs on.

    Returns:
        The output for each batch.
    """
    model.eval()
    model.stop_predicting = False
    callbacks.call("on_predict_begin", {})
    outputs: list[Any] = []
    with torch.no_grad():
        for batch in batches:
            step = batches.taken - 1
            callbacks.call("on_predict_batch_begin", step, {})
            outputs.append(model.predict_step(runner.place(batch)))
            callbacks.batch_end("on_predict_batch_end", step, lambda: {"outputs": outputs[-1]})
            if model.stop_predicting:
                break
    callbacks.call("on_predict_end", {})
    return outputs


def _is_due(epoch: int, validation_freq: int | Sequence[int]) -> bool:
    if isinstance(validation_freq, int):
        return (epoch + 1) % validation_freq == 0
    return epoch + 1 in validation_freq


def _gathered(model: Model, logs: dict[str, Any], runner: OneDevice) -> dict[str, Any]:
    """Return what the metrics have gathered, over all processes; or what the user's step said."""
    if runner.world > 1:
        for metric in each_metric(model.metrics):
            for variable in getattr(metric, "variables", ()):
                torch.distributed.all_reduce(variable.data)
    found = model.get_metrics_result()
    return found if set(found) == set(logs) else logs


def _metric_state(metric: Any) -> Any:
    if not isinstance(metric, Metric):
        return None
    return [one.value.clone() for one in metric.variables], metric.state_dict()


def _restore_metric(metric: Any, state: Any) -> None:
    if state is None:
        return
    for variable, value in zip(metric.variables, state[0], strict=True):
        variable.assign(value)
    metric.load_state_dict(state[1])


def _state_of(callback: Any) -> dict[str, Any]:
    state = getattr(callback, "state", None)
    return state() if callable(state) else {}
