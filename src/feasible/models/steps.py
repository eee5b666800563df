"""A model that can take a step on a batch: to be trained, to be evaluated, to predict."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from feasible.layers.symbolic import leaves
from feasible.models.class_weights import class_weight_table, weighted_batch
from feasible.models.compiled import CompiledModel
from feasible.models.compiled_metrics import each_metric
from feasible.models.data import check_arrays, concatenate_outputs, unpack
from feasible.models.running import OneDevice

# The loss; with metrics, a list of the loss and the metrics; or a dict of them.
Values = Any


class SteppedModel(CompiledModel):
    """A model with Keras's steps, which a model of your own may override.

    Args:
        *arguments: What every model takes.
        **named: The same, by name.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Set while `fit` and the like run; not a module of the model, though it holds it.
        vars(self)["_runner"] = None
        vars(self)["_wrapped"] = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Compute the output: within `fit` on several devices, by what gathers their gradients.

        Args:
            *arguments: What `call` or `forward` takes.
            **named: The same by name; and `training`, the mode of this call alone.

        Returns:
            The output.
        """
        wrapped = vars(self)["_wrapped"]
        if wrapped is None:
            return super().__call__(*arguments, **named)
        vars(self)["_wrapped"] = None
        try:
            return wrapped(*arguments, **named)
        finally:
            vars(self)["_wrapped"] = wrapped

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_runner": None, "_wrapped": None}

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one training step; override it for a step of your own.

        Args:
            data: A batch: inputs, or a tuple of inputs, labels and weights.

        Returns:
            The loss and the metrics so far, by name.
        """
        x, y, sample_weight = unpack(data)
        y_pred = self(x)
        loss = self.loss_of(x, y, y_pred, sample_weight, training=True)
        self._track(loss, x)
        if loss.requires_grad and self.optimizer is not None:
            runner: OneDevice = vars(self)["_runner"] or OneDevice()
            for group in self.optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None  # what `zero_grad` does, in a tenth of the time
            runner.backward(loss)
            runner.step(self.optimizer)
        else:
            warnings.warn(
                f"{self.name}: nothing of it is trained, as no weight has an effect on the loss "
                "and is trainable. Set `trainable` of the model or of its layers.",
                stacklevel=2,
            )
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluate a batch; override it for a step of your own.

        Args:
            data: A batch: inputs, or a tuple of inputs, labels and weights.

        Returns:
            The loss and the metrics so far, by name.
        """
        x, y, sample_weight = unpack(data)
        y_pred = self(x)
        self._track(self.loss_of(x, y, y_pred, sample_weight, training=False), x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Compute the output for a batch; override it for a step of your own.

        Args:
            data: A batch: inputs, or a tuple that begins with them.

        Returns:
            The output.
        """
        return self(unpack(data)[0])

    def _track(self, loss: Tensor, x: Any) -> None:
        vars(self)["_loss_tracker"].update_state(loss, len(next(leaves(x))))

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Values:
        """Take one training step, on the device where the model is.

        Args:
            x: Inputs: an array, a tensor, or a tuple or dict of them.
            y: Labels.
            sample_weight: Weights of the loss, one a sample.
            class_weight: Weights of the loss by number of class.
            return_dict: Whether to return values by name.

        Returns:
            The batch's own loss; with metrics, a list of the loss and the metrics; or a dict.

        Raises:
            ValueError: If the model is not compiled, or an argument cannot be used.
        """
        self.check_compiled("train_on_batch")
        if class_weight is not None and sample_weight is not None:
            raise ValueError("train_on_batch: pass `class_weight` or `sample_weight`, not both.")
        batch = self._batch(x, y, sample_weight)
        if class_weight is not None:
            table = self.placed(class_weight_table(class_weight))
            batch = weighted_batch(batch, table)
        self.build_on([batch])
        self.prepare()
        self._begin()
        self.train()
        try:
            logs = self.train_step(batch)
        finally:
            self.eval()
        return self.as_return_value(numbers_of(logs), return_dict)

    @torch.no_grad()
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Values:
        """Compute the loss and the metrics of one batch.

        Args:
            x: Inputs, as `train_on_batch` takes them.
            y: Labels.
            sample_weight: Weights of the loss, one a sample.
            return_dict: Whether to return values by name.

        Returns:
            The loss; with metrics, a list of the loss and the metrics; or a dict of them.

        Raises:
            ValueError: If the model is not compiled, or an argument cannot be used.
        """
        self.check_compiled("test_on_batch")
        batch = self._batch(x, y, sample_weight)
        self.build_on([batch])
        self._begin()
        self.eval()
        return self.as_return_value(numbers_of(self.test_step(batch)), return_dict)

    @torch.no_grad()
    def predict_on_batch(self, x: Any) -> Any:
        """Compute the model's output for one batch.

        Args:
            x: Inputs, as `train_on_batch` takes them.

        Returns:
            NumPy arrays, in the nest that `forward` returns.
        """
        batch = self._batch(x)
        self.build_on([batch])
        self.eval()
        return concatenate_outputs([self.predict_step(batch)])

    def as_return_value(self, values: dict[str, Any], return_dict: bool) -> Values:
        """Return values as Keras's methods do.

        Args:
            values: The loss and the metrics by name.
            return_dict: Whether they are wanted by name.

        Returns:
            The dict; or a list of its values, the loss first; or the loss, where there is nothing
            else.
        """
        if return_dict:
            return values
        order = [metric.name for metric in each_metric(self.metrics)]
        known = [name for name in dict.fromkeys(order) if name in values]
        listed = [values[name] for name in (*known, *sorted(set(values) - set(known)))]
        return listed[0] if len(listed) == 1 else listed

    def _begin(self) -> None:
        """Have metrics begin anew, on the device of the model."""
        self.reset_metrics()
        self.place_metrics()

    def place_metrics(self) -> None:
        """Bring the metrics and the losses to the device of the model."""
        device, compiled = self.device(), self._compiled
        parts: list[Any] = [one for one in self.metrics if isinstance(one, torch.nn.Module)]
        if compiled is not None:
            parts += compiled.metrics.metrics
            parts += [] if compiled.loss is None else [one for one in compiled.loss.losses if one]
        for part in parts:
            part.to(device)

    def _batch(self, *arrays: Any) -> Any:
        return self.placed(check_arrays(*arrays))


def numbers_of(logs: Any) -> dict[str, Any]:
    """Return the values of a step as numbers, sorted by name, as Keras has them.

    Args:
        logs: Values by name, those of several in dicts of their own.

    Returns:
        Numbers by name; what is no number stays.
    """
    found: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            found.update(numbers_of(value))
            continue
        try:
            found[name] = float(value)
        except (TypeError, ValueError, RuntimeError):
            found[name] = value
    return found
