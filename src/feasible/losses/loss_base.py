"""What all losses share: a value for each sample, and the number that it is reduced to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from feasible.arguments import check_choice
from feasible.losses.loss_functions import LOSSES, align_labels, as_tensors, full_precision
from feasible.registry import snake_case

_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(nn.Module):
    """Base class of losses; subclasses give `call`.

    Args:
        name: A name; by default, that of the class.
        reduction: ``"sum_over_batch_size"`` or ``"mean"`` for the weighted losses' sum over their
            count; ``"mean_with_sample_weight"`` for their sum over that of the weights; ``"sum"``;
            ``"none"`` or None for a loss for each sample.
        dtype: Not used: losses are computed in the predictions' dtype, or float32 for one of 16
            bits.

    Raises:
        InvalidArgumentError: If there is no such reduction.

    Example:
        >>> class Cubed(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return (y_true - y_pred).abs() ** 3
        >>> Cubed(reduction="sum")([1, 1], [3.0, 0.0])
        tensor(9.)
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__()
        del dtype
        self.name = name or snake_case(type(self).__name__)
        self.reduction = check_choice(type(self).__name__, "reduction", reduction, _REDUCTIONS)

    def forward(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            y_true: The labels, the batch first.
            y_pred: The predictions, the batch first.
            sample_weight: A weight for each sample, or each of its steps; None for 1.
            mask: Which samples, or steps, count; None for all.

        Returns:
            One number; with the reduction ``"none"``, one for each sample.

        Raises:
            ValueError: If weights are given, and there is one loss for all samples.
        """
        if not isinstance(y_pred, dict | tuple):
            y_true, y_pred = as_tensors(y_true, y_pred)
            y_true, y_pred = align_labels(y_true, full_precision(y_pred))
        values = self._values(y_true, y_pred)
        weight = _as_weight(sample_weight, values)
        if (known := self._mask(y_true)) is not None:
            mask = known if mask is None else known & mask
        if mask is not None:
            weight = self._masked(weight, mask, values)
        if weight is None:
            return self._reduced(values, None)
        if values.ndim == 0:
            raise ValueError(
                f"The loss {self.name!r} must return a loss for each sample to be weighted by "
                "`sample_weight` or `class_weight`; with a loss of torch.nn, pass "
                "reduction='none'. Received: one loss for all samples."
            )
        weight = _broadcast(weight, values)
        return self._reduced(values * weight, weight)

    def _values(self, y_true: Any, y_pred: Any) -> Tensor:
        if isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
            y_true = y_true.to(y_pred.dtype)
        return self.call(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return a loss for each sample; subclasses give this.

        Args:
            y_true: The labels, of the predictions' dtype.
            y_pred: The predictions.

        Returns:
            The losses.

        Raises:
            NotImplementedError: If the subclass does not give it.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `call(y_true, y_pred)`.")

    def _mask(self, y_true: Tensor) -> Tensor | None:
        """Return which labels count, or None for all."""
        del y_true
        return None

    def _masked(self, weight: Tensor | None, mask: Tensor, values: Tensor) -> Tensor:
        counted = mask.to(values.dtype)
        if self.reduction in ("sum_over_batch_size", "mean"):
            # The mean is over what counts.
            counted = counted * (counted.numel() / counted.sum().clamp(min=1))
        return counted if weight is None else _broadcast(weight, counted) * counted

    def _reduced(self, values: Tensor, weight: Tensor | None) -> Tensor:
        if self.reduction in (None, "none"):
            return values
        if self.reduction == "sum":
            return values.sum()
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            total = weight.sum()
            return values.sum() / torch.where(total == 0, 1, total)
        return values.mean()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            Arguments by name.
        """
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a loss from what `get_config` returned.

        Args:
            config: Arguments by name.

        Returns:
            A loss of this class.
        """
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss of a function, and the mean of what it returns, weighted as Keras weights it.

    Losses of PyTorch, modules and functions, are called with the prediction first, as PyTorch
    does; any other function is called with the label first, as Keras does.

    Args:
        fn: From labels and predictions to a loss for each sample, or one for all.
        reduction: How losses become one number: see `Loss`.
        name: A name; by default, the function's.
        dtype: Not used.
        **options: What the function is also given.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        plain = fn.func if isinstance(fn, functools.partial) else fn
        super().__init__(name or getattr(plain, "__name__", None), reduction, dtype)
        self.function = fn
        self.options = options
        module = getattr(plain, "__module__", None) or ""
        self.prediction_first = isinstance(plain, nn.Module) or module.startswith("torch.nn.")
        self.built_in = plain in LOSSES.things if not isinstance(plain, nn.Module) else False

    def _values(self, y_true: Any, y_pred: Any) -> Tensor:
        if self.prediction_first:
            return self.function(y_pred, y_true)  # type: ignore[no-any-return]
        if self.built_in:
            return self.call(y_true, y_pred)
        return super()._values(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """Return what the function returns."""
        options = dict(self.options)
        if "axis" in options and "axis" not in inspect.signature(self.function).parameters:
            axis = options.pop("axis")
            if y_true.ndim == y_pred.ndim:
                y_true = y_true.movedim(axis, -1)
            y_pred = y_pred.movedim(axis, -1)
        return self.function(y_true, y_pred, **options)  # type: ignore[no-any-return]

    def _mask(self, y_true: Tensor) -> Tensor | None:
        ignored = self.options.get("ignore_class")
        return None if ignored is None else y_true != ignored

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, save the function of a subclass that has one.

        Returns:
            Arguments by name.
        """
        return {**super().get_config(), **self.options}


def _as_weight(weight: Any, values: Tensor) -> Tensor | None:
    if weight is None:
        return None
    if not isinstance(weight, Tensor):
        weight = torch.tensor(np.asarray(weight))
    return weight.to(values)  # type: ignore[no-any-return]


def _broadcast(weight: Tensor, values: Tensor) -> Tensor:
    """Return weights with the values' number of axes: samples first, what is missing last."""
    while weight.ndim > values.ndim and weight.shape[-1] == 1:
        weight = weight.squeeze(-1)
    return weight.reshape(*weight.shape, *(1,) * (values.ndim - weight.ndim))
