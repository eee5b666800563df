"""Adam as Keras computes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam(torch.optim.Adam):
    """Adam and AdamW: Kingma and Ba, 2014; Loshchilov and Hutter, 2017.

    It is `torch.optim.Adam`, save that epsilon is added to the root of the second moment before
    that is corrected for its bias, as in Keras, and not after. Where gradients are a thousand
    times epsilon, that changes the first steps by some percent.

    Example:
        >>> weight = torch.ones(1, requires_grad=True)
        >>> weight.square().backward()
        >>> Adam([weight], lr=0.1).step()
        >>> weight.item() < 1
        True
    """

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
            parameters = [one for one in group["params"] if one.grad is not None]
            if parameters:
                self._step_group(parameters, group)
        return loss

    def _step_group(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        amsgrad = group["amsgrad"]
        states = [self._state_of(parameter, amsgrad) for parameter in parameters]
        gradients = [one.grad for one in parameters if one.grad is not None]
        moments = [state["exp_avg"] for state in states]
        squares = [state["exp_avg_sq"] for state in states]
        beta_1, beta_2 = group["betas"]
        correction = 1 - beta_2 ** (float(states[0]["step"]) + 1)
        adam(
            parameters,
            gradients,
            moments,
            squares,
            [state["max_exp_avg_sq"] for state in states] if amsgrad else [],
            [state["step"] for state in states],
            amsgrad=amsgrad,
            beta1=beta_1,
            beta2=beta_2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
            # The root is divided by that of the correction: so is, then, all that it is added to.
            eps=group["eps"] / math.sqrt(correction),
            maximize=group["maximize"],
            fused=True if _can_be_fused(*parameters, *gradients, *moments, *squares) else None,
        )

    def _state_of(self, parameter: Tensor, amsgrad: bool) -> dict[str, Tensor]:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device="cpu")
            names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
            for name in names if amsgrad else names[:2]:
                state[name] = torch.zeros_like(parameter)
        return state  # type: ignore[no-any-return]


def _can_be_fused(*tensors: Tensor) -> bool:
    """Say whether PyTorch's fused kernel for the CPU computes what the others do.

    It goes through memory in order, whatever the strides. On a GPU, a fused optimizer takes the
    gradient scaler's part, so that Lightning cannot clip gradients before it.
    """
    return all(one.is_cpu and one.is_floating_point() and one.is_contiguous() for one in tensors)
