"""What is counted of right and wrong decisions at thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from feasible.arguments import check_choice, check_integer, check_number
from feasible.losses.loss_functions import align_labels, as_tensors, full_precision
from feasible.metrics.metric_base import METRIC_CLASSES, Metric

Thresholds = float | Sequence[float] | None


class _Decisions(Metric):
    """Counts decisions at thresholds, each of which a score must be above."""

    def __init__(self, thresholds: Sequence[float], name: str | None, dtype: Any) -> None:
        super().__init__(dtype, name)
        self._levels = [float(one) for one in thresholds]
        shape = (len(self._levels),)
        self.true_positives = self.add_weight(shape, name="true_positives")
        self.false_positives = self.add_weight(shape, name="false_positives")
        self.true_negatives = self.add_weight(shape, name="true_negatives")
        self.false_negatives = self.add_weight(shape, name="false_negatives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in."""
        y_true, y_pred = as_tensors(y_true, y_pred)
        y_true, y_pred = align_labels(y_true, full_precision(y_pred.detach()))
        weight = torch.ones_like(y_pred)
        if sample_weight is not None:
            given = torch.as_tensor(sample_weight).to(y_pred)
            weight = weight * given.reshape(*given.shape, *(1,) * (y_pred.ndim - given.ndim))
        label, weight = y_true.flatten().bool(), weight.flatten()
        levels = torch.tensor(self._levels, device=y_pred.device)
        said = y_pred.flatten() > levels.unsqueeze(-1)
        for state, which in (
            (self.true_positives, said & label),
            (self.false_positives, said & ~label),
            (self.true_negatives, ~said & ~label),
            (self.false_negatives, ~said & label),
        ):
            state.assign_add((which * weight).sum(-1))


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole == 0, 0.0, part / whole)


class _AtThresholds(_Decisions):
    """What has one value for each threshold: which part of some decisions is right."""

    # The state that counts the others of these decisions.
    _wrong: ClassVar[str]

    def __init__(
        self, thresholds: Thresholds = None, name: str | None = None, dtype: Any = None
    ) -> None:
        given = [thresholds] if isinstance(thresholds, int | float) else thresholds
        levels = [0.5] if given is None else list(given)
        for one in levels:
            check_number(type(self).__name__, "thresholds", one, minimum=0, maximum=1)
        super().__init__(levels, name, dtype)
        self.thresholds = thresholds

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "thresholds": self.thresholds}

    def result(self) -> Tensor:
        """Return one number, or one for each threshold."""
        right = self.true_positives.value
        values = _ratio(right, right + getattr(self, self._wrong))
        return values[0] if len(values) == 1 else values


@METRIC_CLASSES.built_in()
class Precision(_AtThresholds):
    """How many of the positive decisions are right.

    Args:
        thresholds: What scores must be above: one, several, or None for 0.5.
        name: A name.
        dtype: Not used.
    """

    _wrong = "false_positives"


@METRIC_CLASSES.built_in()
class Recall(_AtThresholds):
    """How many of the positive labels are found.

    Args:
        thresholds: What scores must be above: one, several, or None for 0.5.
        name: A name.
        dtype: Not used.
    """

    _wrong = "false_negatives"


@METRIC_CLASSES.built_in()
class AUC(_Decisions):
    """The area under a curve of decisions at thresholds, summed in trapezoids.

    Args:
        num_thresholds: How many thresholds there are between 0 and 1.
        curve: ``"ROC"``; the curve of precision and recall is left to torchmetrics.
        name: A name.
        dtype: Not used.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        check_integer("AUC", "num_thresholds", num_thresholds, minimum=2)
        self_curve = check_choice("AUC", "curve", curve, ("ROC",))
        inner = [one / (num_thresholds - 1) for one in range(1, num_thresholds - 1)]
        super().__init__([-1e-7, *inner, 1 + 1e-7], name, dtype)
        self.num_thresholds, self.curve = num_thresholds, self_curve

    def result(self) -> Tensor:
        """Return the area."""
        right, wrong = self.true_positives.value, self.false_positives.value
        rate = _ratio(right, right + self.false_negatives)
        wrong_rate = _ratio(wrong, wrong + self.true_negatives)
        return ((wrong_rate[:-1] - wrong_rate[1:]) * (rate[:-1] + rate[1:]) / 2).sum()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"num_thresholds": self.num_thresholds, "curve": self.curve}
        return {**super().get_config(), **own}
