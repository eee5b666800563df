"""The loss that a model is compiled with."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.models.losses import LOSSES, LossFunction, align_labels, full_precision


class Loss(nn.Module):
    """A loss function, and the mean of what it returns, weighted as Keras weights it.

    Losses of PyTorch, modules and functions, are called with the prediction first, as PyTorch
    does; any other function is called with the label first, as Keras does.

    Args:
        function: From labels and predictions to a loss for each sample, or one for all.
    """

    def __init__(self, function: LossFunction) -> None:
        super().__init__()
        self.function = function
        plain = function.func if isinstance(function, functools.partial) else function
        module = getattr(plain, "__module__", None) or ""
        self.prediction_first = isinstance(plain, nn.Module) or module.startswith("torch.nn.")

    def forward(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            y_true: The labels, the batch first.
            y_pred: The predictions, the batch first.
            sample_weight: A weight for each sample, or each of its steps; None for 1.

        Returns:
            One number: the weighted losses' sum over their count.

        Raises:
            ValueError: If weights are given, and the function returns one loss for all samples.
        """
        y_true, y_pred = align_labels(y_true, full_precision(y_pred))
        values = self.function(*((y_pred, y_true) if self.prediction_first else (y_true, y_pred)))
        if sample_weight is None:
            return values.mean()
        if values.ndim == 0:
            raise ValueError(
                f"The loss {self.function!r} must return a loss for each sample to be weighted by "
                "`sample_weight` or `class_weight`; with a loss of torch.nn, pass "
                "reduction='none'. Received: one loss for all samples."
            )
        return (values * _broadcast(sample_weight.to(values.dtype), values)).mean()


def _broadcast(weight: Tensor, values: Tensor) -> Tensor:
    """Return weights with the values' number of axes: samples first, what is missing last."""
    while weight.ndim > values.ndim and weight.shape[-1] == 1:
        weight = weight.squeeze(-1)
    return weight.reshape(*weight.shape, *(1,) * (values.ndim - weight.ndim))


def get(identifier: Any) -> Loss | None:
    """Return the loss that `compile`'s argument stands for.

    Args:
        identifier: One of Keras's names; a dict with a name under "class_name" and options such as
            `from_logits` under "config"; a loss of torch.nn, class or function; any function
            ``(y_true, y_pred)``; or None.

    Returns:
        The loss; None for None.

    Raises:
        ValueError: If there is no loss of that name, or no such option.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> loss = get("mse")
        >>> loss(Tensor([[1.0]]), Tensor([[3.0]]))
        tensor(4.)
        >>> loss = get(nn.CrossEntropyLoss())
        >>> loss(Tensor([[0.0, 1.0]]), Tensor([[2.0, 2.0]])).round(decimals=4)
        tensor(0.6931)
    """
    if identifier is None or isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        return Loss(LOSSES.find(identifier))
    if isinstance(identifier, dict):
        return _configured(identifier)
    if inspect.isclass(identifier):
        return get(identifier())
    if not callable(identifier):
        raise InvalidArgumentError(
            "compile", "loss", identifier, "a name, a loss of torch.nn or a function"
        )
    return Loss(identifier)


# Options that Keras writes into configs, which change nothing at these values.
_SWITCHED_OFF = {"axis": -1, "ignore_class": None}


def _configured(config: dict[str, Any]) -> Loss:
    function = LOSSES.find(str(config.get("class_name")))
    options = {
        name: value
        for name, value in (config.get("config") or {}).items()
        if name not in ("name", "dtype") and _SWITCHED_OFF.get(name, ...) != value
    }
    reduction = options.pop("reduction", "sum_over_batch_size")
    check_choice(function.__name__, "reduction", reduction, ("sum_over_batch_size", "mean"))
    known = list(inspect.signature(function).parameters)[2:]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(
            f"{function.__name__}: the options may be {', '.join(known) or 'none'}. "
            f"Received: {unknown}."
        )
    return Loss(functools.partial(function, **options))
