"""A model that knows its optimizer, its loss and its metrics."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.layers.added_losses import losses_of
from feasible.layers.modes import in_mode
from feasible.metrics import Metric
from feasible.models import data, optimizers
from feasible.models.compiled_loss import CompiledLoss
from feasible.models.compiled_metrics import CompiledMetrics, Metrics
from feasible.models.layered import LayeredModule
from feasible.models.metrics import LossMean
from feasible.models.optimizers import OptimizerFactory
from feasible.models.random_state import random_state, set_random_state
from feasible.torch.declarations import Tangent, choose_tangents


@dataclass
class CompileArguments:
    """What `compile` was given.

    Attributes:
        optimizer: What makes an optimizer of parameters, or an optimizer.
        loss: The loss, or None where there is none.
        metrics: The metrics.
        given: The arguments as they were given, by name.
        tangent: Whether gradients are projected, too, before each step.
    """

    optimizer: OptimizerFactory | Optimizer
    loss: CompiledLoss | None
    metrics: CompiledMetrics
    given: dict[str, Any]
    tangent: Tangent = "auto"


class CompiledModel(LayeredModule):
    """A model with Keras's `compile`, a loss and metrics.

    Args:
        *arguments: What every model takes.
        **named: The same, by name.

    Attributes:
        optimizer: The optimizer; None before `compile`, or before the first training.
    """

    _takes_training = True
    _own_metrics: dict[str, Metric]
    _loss_tracker: LossMean

    def __init__(self, *arguments: Any, **named: Any) -> None:
        vars(self)["_own_metrics"] = {}
        super().__init__(*arguments, **named)
        self.optimizer: Optimizer | None = None
        self._compiled: CompileArguments | None = None
        vars(self)["_loss_tracker"] = LossMean("loss")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._takes_training = "training" in inspect.signature(cls.compute_loss).parameters

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Metric) and "_own_metrics" in vars(self):
            # Not among the modules: a metric is no layer.
            vars(self)["_own_metrics"][name] = value
            object.__setattr__(self, name, value)
            return
        super().__setattr__(name, value)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Metrics | None = None,
        weighted_metrics: Metrics | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        *,
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
                called as Keras does, ``(label, prediction)``. For several outputs, a list of
                these, or a dict by the outputs' names; one is for all. None where layers add
                losses, or `compute_loss` is overridden.
            loss_weights: What each output's loss is multiplied by in the sum.
            metrics: A list of Keras's names, metrics of feasible.metrics or torchmetrics, and
                functions ``(label, prediction)``; a dict gives them names of your own. For several
                outputs, a list with one of these for each, or a dict by the outputs' names.
            weighted_metrics: The same, of metrics that `sample_weight` weights.
            run_eagerly: Not used: every step is.
            steps_per_execution: 1.
            jit_compile: Not used: `torch.compile(model)` compiles a model.
            auto_scale_loss: Not used: `precision` of `fit` scales losses.
            tangent: Whether gradients of constrained weights are projected, too, before each step:
                onto the directions along which they stay feasible, so that optimizers such as Adam
                end at the optimum. ``"auto"`` does so for the sets whose class asks for it, which
                Keras's own do not.

        Raises:
            ValueError: If there is nothing of some name.
            InvalidArgumentError: If an argument is none of these.
        """
        del run_eagerly, jit_compile, auto_scale_loss
        if steps_per_execution != 1:
            allowed = "1: a step of PyTorch has no cost that doing several at once would save"
            raise InvalidArgumentError(
                "compile", "steps_per_execution", steps_per_execution, allowed
            )
        check_choice("compile", "tangent", tangent, ("auto", True, False))
        names = self.output_names
        taken = CompileArguments(
            optimizers.get(optimizer),
            None if loss is None else CompiledLoss(loss, loss_weights, names),
            CompiledMetrics(metrics, weighted_metrics, names),
            {
                "optimizer": optimizer,
                "loss": loss,
                "loss_weights": loss_weights,
                "metrics": metrics,
                "weighted_metrics": weighted_metrics,
            },
            tangent,
        )
        if self._compiled is not None and self._compiled.tangent != "auto":
            choose_tangents(self, "auto")
        self._compiled = taken
        # Keras's are there at once, and get their parameters when there are any.
        source: Any = getattr(taken.optimizer, "__self__", None) or taken.optimizer
        self.optimizer = source if isinstance(source, Optimizer) else None

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._compiled is not None

    @property
    def loss(self) -> Any:
        """The loss, as `compile` was given it."""
        return self._compiled.given["loss"] if self._compiled else None

    @property
    def metrics(self) -> list[Any]:
        """What is gathered over batches: the loss, what `compile` was given, and metrics of yours.

        What is assigned to an attribute of a model is yours. A model of your own may override this.
        """
        found: list[Any] = []
        if self._compiled is not None:
            found = [vars(self)["_loss_tracker"], self._compiled.metrics]
            if self._compiled.loss is not None:
                found += self._compiled.loss.metrics
        return [*found, *vars(self)["_own_metrics"].values()]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Have all metrics begin anew."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return what the metrics have gathered.

        Returns:
            Values by name: those of several in one, each.
        """
        found: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            found.update(result if isinstance(result, dict) else {metric.name: result})
        return found

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Compute the loss of a batch; override it for a loss of your own.

        Args:
            x: The inputs.
            y: The labels, or None where the data has none.
            y_pred: The model's output.
            sample_weight: A weight for each sample, or None.
            training: Whether the model is trained, or evaluated.

        Returns:
            One number, to be made small: the loss of the outputs, and what layers add.

        Raises:
            ValueError: If the model was compiled without a loss, or there are no labels.
        """
        del x, training
        total: Tensor | None = None
        loss = self._compiled.loss if self._compiled else None
        if loss is not None and y is not None:
            total = loss(y, y_pred, sample_weight)
        added = losses_of(self)
        if (loss is not None and y is None) or (total is None and not added):
            missing = "compile(loss=...)" if loss is None else "labels: fit(x, y)"
            raise ValueError(f"{self.name}: the loss needs {missing}, or override `compute_loss`.")
        for one in added:
            one = one.sum()
            total = one if total is None else total + one
        assert total is not None
        return total

    def loss_of(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, *, training: bool) -> Tensor:
        """Return the loss of a batch, by `compute_loss`, which may be the user's own.

        Args:
            x: The inputs.
            y: The labels, or None.
            y_pred: The model's output.
            sample_weight: A weight for each sample, or None.
            training: Whether the model is trained.

        Returns:
            One number.
        """
        if self._takes_training:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Take a batch into the metrics; override it for values of your own.

        Args:
            x: The inputs.
            y: The labels, or None where the data has none.
            y_pred: The model's output.
            sample_weight: A weight for each sample, or None.

        Returns:
            The loss and the metrics so far, by name.
        """
        del x
        if self._compiled is not None:
            self._compiled.metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def build_on(self, batches: Iterable[Any]) -> None:
        """Build what is not built yet on the first of some batches.

        Args:
            batches: The batches. Drawing the first leaves random numbers as they were, and a
                generator as it was.

        Raises:
            ValueError: If there are none.
        """
        if self.built:
            return
        state = random_state()
        peek = getattr(batches, "peek", None)
        batch = next(iter(batches), None) if peek is None else peek()
        set_random_state(state)
        if batch is None:
            raise ValueError(f"{self.name}: there are no batches to build the model on.")
        x = self.placed(data.unpack(batch)[0])
        with in_mode(self, training=False), torch.no_grad():
            self(x)

    def prepare(self) -> Optimizer | None:
        """Give the optimizer the parameters, if it has others.

        Returns:
            The optimizer, over all parameters.

        Raises:
            ValueError: If the model is not compiled.
        """
        compiled = self.check_compiled("fit")
        source = compiled.optimizer
        if compiled.tangent != "auto":
            choose_tangents(self, compiled.tangent)
        if isinstance(source, Optimizer):
            self.optimizer = source
        elif self.optimizer is None or _parameters_of(self.optimizer) != set(self.parameters()):
            parameters = list(self.parameters())
            if parameters:
                self.optimizer = source(parameters)
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

    def device(self) -> torch.device:
        """Return the device of the model.

        Returns:
            That of its first parameter; the CPU where there is none.
        """
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    def placed(self, nest: Any) -> Any:
        """Return tensors on the model's device.

        Args:
            nest: Tensors, or a nest of them.

        Returns:
            The same nest.
        """
        device = self.device()
        return data.map_tensors(lambda tensor: tensor.to(device), nest)


def _parameters_of(optimizer: Optimizer) -> set[Tensor]:
    return {parameter for group in optimizer.param_groups for parameter in group["params"]}
