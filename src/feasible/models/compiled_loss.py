"""The loss of all outputs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.layers.masks import mask_of
from feasible.models.loss import Loss
from feasible.models.loss import get as get_loss
from feasible.models.metrics import LossMean
from feasible.models.outputs import by_output, flat_outputs, for_each_output, names_of_outputs


class CompiledLoss:
    """The weighted sum of the losses of a model's outputs.

    Args:
        loss: What stands for a loss: for all outputs, or in a list or a dict by output.
        loss_weights: What each is multiplied by in the sum, in the same form; None for 1.
        output_names: The outputs' names, as far as the model knows them.

    Raises:
        ValueError: If there is no loss of some name.
        InvalidArgumentError: If something is no loss.
    """

    def __init__(self, loss: Any, loss_weights: Any, output_names: Sequence[str]) -> None:
        self.given, self.given_weights = loss, loss_weights
        self.output_names = output_names
        for one in flat_outputs(loss, ()) if not _is_one(loss) else [loss]:
            get_loss(one)  # what is wrong is found at once
        self.losses: list[Loss | None] = []
        self.weights: list[float | None] = []
        self.names: list[str | None] = []
        self.metrics: list[LossMean] = []

    def take(self, names: Sequence[str | None]) -> None:
        """Make the losses of a model's outputs.

        Args:
            names: The outputs' names.
        """
        given = for_each_output("loss", self.given, names, shared=True)
        self.losses = [get_loss(one) for one in given]
        self.weights = for_each_output("loss_weights", self.given_weights, names)
        self.names = list(names)
        labels = [name if name is not None else str(place) for place, name in enumerate(names)]
        trained = [one for one, loss in zip(labels, self.losses, strict=True) if loss is not None]
        self.metrics = [LossMean(f"{name}_loss") for name in trained] if len(trained) > 1 else []

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor | None:
        """Compute the loss of a batch.

        Args:
            y_true: The labels: one for each output that has a loss.
            y_pred: What the model returned.
            sample_weight: A weight for each sample, for all outputs, or a list or a dict of these.

        Returns:
            One number; None where no output has a loss.

        Raises:
            InvalidArgumentError: If there are not as many labels as outputs.
        """
        if not self.losses:
            self.take(names_of_outputs(y_pred, self.output_names))
            for part in (*self.metrics, *self.losses):
                if part is not None:
                    part.to(flat_outputs(y_pred, self.output_names)[0].device)
        predictions = flat_outputs(y_pred, self.names)
        labels = self._labels(y_true)
        weights = self._sample_weights(sample_weight)
        total: Tensor | None = None
        trackers = iter(self.metrics)
        for loss, factor, label, prediction, weight in zip(
            self.losses, self.weights, labels, predictions, weights, strict=True
        ):
            if loss is None:
                continue
            value = loss(label, prediction, weight, mask_of(prediction))
            if self.metrics:
                next(trackers).update_state(value, len(prediction))
            if factor is not None:
                value = value * factor
            total = value if total is None else total + value
        return total

    def _labels(self, y_true: Any) -> list[Any]:
        found = by_output(y_true, self.names)
        if len(found) == len(self.losses):
            return found
        trained = [place for place, loss in enumerate(self.losses) if loss is not None]
        if len(found) == len(trained):
            by_place = dict(zip(trained, found, strict=True))
            return [by_place.get(place) for place in range(len(self.losses))]
        allowed = f"a label for each of the outputs {', '.join(map(str, self.names))}"
        raise InvalidArgumentError("fit", "y", f"{len(found)} arrays", allowed)

    def _sample_weights(self, sample_weight: Any) -> list[Any]:
        if not isinstance(sample_weight, dict | list | tuple):
            return [sample_weight] * len(self.losses)
        found = by_output(sample_weight, self.names)
        return found if len(found) == len(self.losses) else found[:1] * len(self.losses)


def _is_one(loss: Any) -> bool:
    return not isinstance(loss, list | tuple | dict) or (
        isinstance(loss, dict) and "class_name" in loss
    )
