"""What `compile` takes as a loss: Keras's, PyTorch's, or a function."""

from __future__ import annotations

import inspect
from typing import Any

from feasible import losses
from feasible.arguments import InvalidArgumentError
from feasible.losses import Loss, LossFunctionWrapper

__all__ = ["Loss", "get"]


def get(identifier: Any) -> Loss | None:
    """Return the loss that `compile`'s argument stands for.

    Args:
        identifier: One of Keras's names; a dict with a name under "class_name" and options such as
            `from_logits` under "config"; a loss of feasible.losses; a loss of torch.nn, class or
            function; any function ``(y_true, y_pred)``; or None.

    Returns:
        The loss; None for None.

    Raises:
        ValueError: If there is no loss of that name, or no such option.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> from torch import Tensor, nn
        >>> loss = get("mse")
        >>> loss(Tensor([[1.0]]), Tensor([[3.0]]))
        tensor(4.)
        >>> loss = get(nn.CrossEntropyLoss())
        >>> loss(Tensor([[0.0, 1.0]]), Tensor([[2.0, 2.0]])).round(decimals=4)
        tensor(0.6931)
    """
    if isinstance(identifier, str | dict):
        identifier = losses.get(identifier)
    if inspect.isclass(identifier):
        identifier = identifier()
    if identifier is None or isinstance(identifier, Loss):
        return identifier
    if not callable(identifier):
        raise InvalidArgumentError(
            "compile", "loss", identifier, "a name, a loss of torch.nn or a function"
        )
    return LossFunctionWrapper(identifier)
