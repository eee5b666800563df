"""What `compile` takes as an optimizer: Keras's, PyTorch's, or what makes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from feasible import optimizers
from feasible.arguments import InvalidArgumentError

# From a model's parameters to an optimizer over them.
OptimizerFactory = Callable[[Iterable[Tensor]], torch.optim.Optimizer]


def get(identifier: Any) -> OptimizerFactory | torch.optim.Optimizer:
    """Return what makes an optimizer of a model's parameters.

    Args:
        identifier: One of Keras's names; a dict with a name under "class_name" and arguments under
            "config", as Keras writes it; an optimizer of feasible.optimizers; a class of
            torch.optim or any function from parameters to an optimizer, such as
            ``functools.partial(torch.optim.Adam, lr=0.01)``; or an optimizer of PyTorch.

    Returns:
        A function from parameters to an optimizer; an optimizer of PyTorch as it is.

    Raises:
        ValueError: If there is no optimizer of that name, or no such argument.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("adam")([torch.ones(1)]).param_groups[0]["lr"]
        0.001
    """
    named = isinstance(identifier, str | dict) or identifier in optimizers.OPTIMIZERS.things
    found = optimizers.get(identifier) if named else identifier
    if isinstance(found, optimizers.Optimizer):
        return found.bind
    if not isinstance(found, torch.optim.Optimizer) and not callable(found):
        raise InvalidArgumentError(
            "compile",
            "optimizer",
            identifier,
            "a name, a dict, an optimizer, a class of torch.optim, or a function from parameters "
            "to an optimizer",
        )
    return found  # type: ignore[no-any-return]
