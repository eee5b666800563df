"""RMSprop as Keras computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class RMSprop(Optimizer):
    """Divides gradients by a running root mean square: Tieleman and Hinton, lecture 6.5, 2012.

    It is `torch.optim.RMSprop`, save that epsilon is added under the root, as in Keras, and not
    to it. Where gradients are below a thousandth, that changes the steps' size.

    Args:
        params: The parameters.
        lr: The learning rate.
        alpha: How much of the running mean is kept at each step.
        eps: What is added to the mean square.
        momentum: How much of the last change is added to each.
        centered: Whether gradients are divided by their standard deviation.

    Example:
        >>> weight = torch.ones(1, requires_grad=True)
        >>> weight.square().backward()
        >>> RMSprop([weight], lr=0.1).step()
        >>> weight.item() < 1
        True
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        alpha: float = 0.9,
        eps: float = 1e-7,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "momentum": momentum,
            "centered": centered,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients.

        Args:
            closure: Computes the loss and the gradients first, where it is given.

        Returns:
            What the closure returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step_one(parameter, parameter.grad, group)
        return loss

    def _step_one(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rest = 1 - group["alpha"]
        square = self._running(parameter, "square_mean").mul_(group["alpha"])
        square.addcmul_(gradient, gradient, value=rest)
        if group["centered"]:
            mean = self._running(parameter, "mean").lerp_(gradient, rest)
            square = square.addcmul(mean, mean, value=-1)
        change = gradient / square.add(group["eps"]).sqrt_()
        if group["momentum"]:
            change = self._running(parameter, "change").mul_(group["momentum"]).add_(change)
        parameter.add_(change, alpha=-group["lr"])

    def _running(self, parameter: Tensor, name: str) -> Tensor:
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        return state[name]  # type: ignore[no-any-return]
