"""A model that knows its optimizer, its loss and its metrics, and can take a step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from feasible.arguments import check_choice
from feasible.layers.modes import in_mode
from feasible.models import data, optimizers
from feasible.models.class_weights import class_weight_table, weights_of_classes
from feasible.models.layered import LayeredModule
from feasible.models.loss import Loss
from feasible.models.loss import get as get_loss
from feasible.models.optimizers import OptimizerFactory
from feasible.models.random_state import random_state, set_random_state
from feasible.torch.declarations import Tangent, choose_tangents

if TYPE_CHECKING:
    from feasible.models.metrics import EpochMetrics, Metrics

# The loss; with metrics, a list of the loss and the metrics; or a dict of them.
Values = float | list[float] | dict[str, float]


@dataclass
class CompileArguments:
    """What `compile` was given.

    Attributes:
        optimizer: What makes an optimizer of parameters, or an optimizer.
        loss: The loss, or None where the model has its own `compute_loss`.
        metrics: The metrics, as they were given.
        tangent: Whether gradients are projected, too, before each step.
        gathered: The loss and the metrics of single batches, made when they are first needed.
    """

    optimizer: OptimizerFactory | Optimizer
    loss: Loss | None
    metrics: Metrics | None
    tangent: Tangent = "auto"
    gathered: EpochMetrics | None = None


class CompiledModel(LayeredModule):
    """A model with Keras's `compile`, and steps on single batches.

    Args:
        *arguments: What every model takes.
        **named: The same, by name.

    Attributes:
        optimizer: The optimizer; None before the first training.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.optimizer: Optimizer | None = None
        self._compiled: CompileArguments | None = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        *,
        metrics: Metrics | None = None,
        tangent: Tangent = "auto",
    ) -> None:
        """Choose how the model is trained.

        This is Keras's `compile`. For `torch.nn.Module.compile`, call `torch.compile(model)`.

        Args:
            optimizer: One of Keras's names, with Keras's default arguments: ``"adadelta"``,
                ``"adagrad"``, ``"adam"``, ``"adamax"``, ``"adamw"``, ``"nadam"``, ``"rmsprop"``,
                ``"sgd"``; a dict such as ``{"class_name": "adam", "config": {"learning_rate":
                0.01}}``; a class of torch.optim, or any function from parameters to an optimizer,
                such as ``functools.partial(torch.optim.SGD, lr=0.1)``; or an optimizer.
            loss: One of Keras's names, which mean Keras's values, of probabilities; a loss of
                torch.nn, called as PyTorch does, ``(prediction, label)``; or any other function,
                called as Keras does, ``(label, prediction)``. None where `compute_loss` is
                overridden.
            metrics: A list of Keras's names, metrics of torchmetrics, and functions ``(label,
                prediction)``; a dict gives them names of your own.
            tangent: Whether gradients of constrained weights are projected, too, before each step:
                onto the directions along which they stay feasible, so that optimizers such as Adam
                end at the optimum. ``"auto"`` does so for the sets whose class asks for it, which
                Keras's own do not.

        Raises:
            ValueError: If there is nothing of some name.
            InvalidArgumentError: If an argument is none of these.
        """
        if metrics is not None:
            from feasible.models import metrics as known  # torchmetrics takes a second to import

            known.get(metrics)
        check_choice("compile", "tangent", tangent, ("auto", True, False))
        if self._compiled is not None and self._compiled.tangent != "auto":
            choose_tangents(self, "auto")
        self._compiled = CompileArguments(
            optimizers.get(optimizer), get_loss(loss), metrics, tangent
        )
        # Keras's are there at once, and get their parameters when there are any.
        source: Any = getattr(self._compiled.optimizer, "__self__", None)
        self.optimizer = source if isinstance(source, Optimizer) else None

    @property
    def loss(self) -> Loss | None:
        """The loss that the model was compiled with."""
        return self._compiled.loss if self._compiled else None

    @property
    def metrics(self) -> Metrics | None:
        """The metrics that the model was compiled with."""
        return self._compiled.metrics if self._compiled else None

    def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Tensor | None) -> Tensor:
        """Compute the loss of a batch; override it for a loss of your own.

        Args:
            x: The inputs.
            y: The labels, or None where the data has none.
            y_pred: The model's output.
            sample_weight: A weight for each sample, or None.

        Returns:
            One number, to be made small.

        Raises:
            ValueError: If the model was compiled without a loss, or there are no labels.
        """
        del x
        if self.loss is None or y is None:
            missing = "compile(loss=...)" if self.loss is None else "labels: fit(x, y)"
            raise ValueError(f"{self.name}: the loss needs {missing}, or override `compute_loss`.")
        return self.loss(y, y_pred, sample_weight)  # type: ignore[no-any-return]

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
        gathered = self._gathered("train_on_batch")
        batch = self._batch(x, y, sample_weight)
        optimizer = self.prepare([batch])
        table = None if class_weight is None else class_weight_table(class_weight)
        self.train()
        loss = self.batch_loss(batch, gathered, self._placed(table))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        self.eval()
        return as_return_value(gathered.compute(), return_dict)

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
        gathered = self._gathered("test_on_batch")
        batch = self._batch(x, y, sample_weight)
        self.build_on([batch])
        self.eval()
        self.batch_loss(batch, gathered)
        return as_return_value(gathered.compute(), return_dict)

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
        return data.concatenate_outputs([self(*batch)])

    def build_on(self, batches: Iterable[Any]) -> None:
        """Build what is not built yet on the first of some batches.

        Args:
            batches: The batches. Drawing the first leaves random numbers as they were.

        Raises:
            ValueError: If there are none.
        """
        if self.built:
            return
        state = random_state()
        batch = next(iter(batches), None)
        set_random_state(state)
        if batch is None:
            raise ValueError(f"{self.name}: there are no batches to build the model on.")
        x = self._placed(data.unpack(batch)[0])
        with in_mode(self, training=False), torch.no_grad():
            self(x)

    def prepare(self, batches: Iterable[Any]) -> Optimizer:
        """Build what is not built yet, and make the optimizer if there is none.

        Args:
            batches: What the model will be trained on.

        Returns:
            The optimizer, over all parameters.

        Raises:
            ValueError: If the model is not compiled.
        """
        compiled = self.check_compiled("fit")
        source = compiled.optimizer
        self.build_on(batches)
        if compiled.tangent != "auto":
            choose_tangents(self, compiled.tangent)
        if isinstance(source, Optimizer):
            self.optimizer = source
        elif self.optimizer is None or _parameters_of(self.optimizer) != set(self.parameters()):
            self.optimizer = source(list(self.parameters()))
        return self.optimizer

    def check_compiled(self, method: str) -> CompileArguments:
        """Raise if the model is not compiled.

        Args:
            method: What is to be called, for the message.

        Returns:
            What it was compiled with.

        Raises:
            ValueError: If it is not.
        """
        if self._compiled is None:
            raise ValueError(f"{self.name}: call `compile` before `{method}`.")
        return self._compiled

    def batch_loss(
        self, batch: Any, gathered: EpochMetrics, class_weights: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of a batch, and take it and the metrics in.

        Args:
            batch: Inputs, or a tuple of inputs, labels and weights.
            gathered: What takes them in.
            class_weights: Weights by number of class, the last for all further; or None.

        Returns:
            The loss.
        """
        x, y, sample_weight = data.unpack(batch)
        if class_weights is not None:
            of_classes = weights_of_classes(y, class_weights)
            sample_weight = of_classes if sample_weight is None else sample_weight * of_classes
        y_pred = self(x)
        loss = self.compute_loss(x, y, y_pred, sample_weight)
        for added in self.losses:
            loss = loss + added
        gathered.update(loss, len(data.arrays_in(x)[0]), y, y_pred)
        return loss

    def _gathered(self, method: str) -> EpochMetrics:
        compiled, device = self.check_compiled(method), self._device()
        if compiled.gathered is None:
            from feasible.models.metrics import EpochMetrics

            compiled.gathered = EpochMetrics(compiled.metrics)
        if compiled.loss is not None:
            compiled.loss.to(device)
        compiled.gathered.reset()
        return compiled.gathered.to(device)

    def _device(self) -> torch.device:
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    def _placed(self, nest: Any) -> Any:
        device = self._device()
        return data.map_tensors(lambda tensor: tensor.to(device), nest)

    def _batch(self, *arrays: Any) -> Any:
        return self._placed(data.check_arrays(*arrays))


def _parameters_of(optimizer: Optimizer) -> set[Tensor]:
    return {parameter for group in optimizer.param_groups for parameter in group["params"]}


def as_return_value(values: dict[str, float], return_dict: bool) -> Values:
    """Return values as Keras's methods do.

    Args:
        values: The loss and the metrics by name.
        return_dict: Whether they are wanted by name.

    Returns:
        The dict; or a list of its values; or the loss, where there is nothing else.
    """
    if return_dict:
        return values
    return list(values.values()) if len(values) > 1 else values["loss"]
