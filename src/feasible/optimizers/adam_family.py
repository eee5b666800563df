"""Adam, and what was made of it, as Keras computes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.optim.adam import adam

from feasible.optimizers.named_optimizers import OPTIMIZERS
from feasible.optimizers.optimizer import Optimizer, Options, Rate


class _Moments(Optimizer):
    """What has a running mean of gradients, and one of their squares or sizes."""

    beta_1: float
    beta_2: float
    epsilon: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(beta_1=beta_1, beta_2=beta_2, maximum=1)
        self._bounded(epsilon=epsilon)

    def _means(self, gradient: Tensor, variable: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.slot(variable, "exp_avg").lerp_(gradient, 1 - self.beta_1)
        squares = self.slot(variable, "exp_avg_sq").mul_(self.beta_2)
        return mean, squares.addcmul_(gradient, gradient, value=1 - self.beta_2)


@OPTIMIZERS.built_in()
class Adam(_Moments):
    """Adam: Kingma and Ba, 2014.

    It is PyTorch's own, save that epsilon is added to the root of the second moment before that is
    corrected for its bias, as in Keras, and not after. Where gradients are a thousand times
    epsilon, that changes the first steps by some percent.

    Args:
        learning_rate: The learning rate.
        beta_1: How much of the running mean is kept at each step.
        beta_2: How much of the running mean of squares is kept at each step.
        epsilon: What is added to the root mean square.
        amsgrad: Whether to divide by the largest root mean square so far.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> weight = torch.ones(1, requires_grad=True)
        >>> weight.square().backward()
        >>> Adam(0.25).bind([weight]).step()
        >>> round(weight.item(), 4)
        0.75
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.amsgrad = bool(amsgrad)

    def update_group(self, variables: Sequence[Tensor], learning_rate: float) -> None:
        """Change parameters that have gradients."""
        gradients = [one.grad for one in variables if one.grad is not None]
        moments, squares, steps = [], [], []
        for one in variables:
            moments.append(self.slot(one, "exp_avg"))
            squares.append(self.slot(one, "exp_avg_sq"))
            state = self.state[one]
            state.setdefault("step", torch.zeros((), dtype=torch.float32, device="cpu"))
            steps.append(state["step"].fill_(self.iterations))
        correction = 1 - self.beta_2 ** (self.iterations + 1)
        adam(
            list(variables),
            gradients,
            moments,
            squares,
            [self.slot(one, "max_exp_avg_sq") for one in variables] if self.amsgrad else [],
            steps,
            amsgrad=self.amsgrad,
            beta1=self.beta_1,
            beta2=self.beta_2,
            lr=learning_rate,
            weight_decay=0.0,
            # The root is divided by that of the correction: so is, then, all that it is added to.
            eps=self.epsilon / math.sqrt(correction),
            maximize=False,
            fused=True if _can_be_fused(*variables, *gradients, *moments, *squares) else None,
        )


def _can_be_fused(*tensors: Tensor) -> bool:
    """Say whether PyTorch's fused kernel for the CPU computes what the others do.

    It goes through memory in order, whatever the strides. On a GPU, a fused optimizer takes the
    gradient scaler's part, so that Lightning cannot clip gradients before it.
    """
    return all(one.is_cpu and one.is_floating_point() and one.is_contiguous() for one in tensors)


@OPTIMIZERS.built_in()
class AdamW(Adam):
    """Adam with a weight decay of 0.004, unless told otherwise: Loshchilov and Hutter, 2017.

    Args:
        learning_rate: The learning rate.
        weight_decay: What part of a weight, times the learning rate, is taken off at each step.
        beta_1: How much of the running mean is kept at each step.
        beta_2: How much of the running mean of squares is kept at each step.
        epsilon: What is added to the root mean square.
        amsgrad: Whether to divide by the largest root mean square so far.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        options["weight_decay"] = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **options)


@OPTIMIZERS.built_in()
class Adamax(_Moments):
    """Adam with the largest gradient in place of the second moment: Kingma and Ba, 2014.

    Args:
        learning_rate: The learning rate.
        beta_1: How much of the running mean is kept at each step.
        beta_2: How much of the largest gradient is kept at each step.
        epsilon: What is added to it.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        mean = self.slot(variable, "exp_avg").lerp_(gradient, 1 - self.beta_1)
        largest = self.slot(variable, "exp_inf").mul_(self.beta_2)
        torch.maximum(largest, gradient.abs(), out=largest)
        rate = learning_rate / (1 - self.beta_1 ** (self.iterations + 1))
        variable.addcdiv_(mean, largest + self.epsilon, value=-rate)


@OPTIMIZERS.built_in()
class Nadam(_Moments):
    """Adam with Nesterov's momentum: Dozat, 2016.

    Args:
        learning_rate: The learning rate.
        beta_1: How much of the running mean is kept at each step, at most.
        beta_2: How much of the running mean of squares is kept at each step.
        epsilon: What is added to the root mean square.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        count = self.iterations + 1
        now, following = (self.beta_1 * (1 - 0.5 * 0.96**one) for one in (count, count + 1))
        state = self.state[variable]
        product = state["momentum_product"] = state.get("momentum_product", 1.0) * now
        mean, squares = self._means(gradient, variable)
        ahead = mean * (following / (1 - product * following))
        ahead.add_(gradient, alpha=(1 - now) / (1 - product))
        root = squares.div(1 - self.beta_2**count).sqrt_().add_(self.epsilon)
        variable.addcdiv_(ahead, root, value=-learning_rate)


@OPTIMIZERS.built_in()
class Lamb(_Moments):
    """Adam whose change of each parameter is as large as the parameter: You and others, 2019.

    Args:
        learning_rate: The learning rate.
        beta_1: How much of the running mean is kept at each step.
        beta_2: How much of the running mean of squares is kept at each step.
        epsilon: What is added to the root mean square.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        count = self.iterations + 1
        mean, squares = self._means(gradient, variable)
        root = squares.div(1 - self.beta_2**count).sqrt_().add_(self.epsilon)
        change = mean.div(1 - self.beta_1**count).div_(root)
        sizes = [torch.linalg.vector_norm(one) for one in (variable, change)]
        ratio = torch.where((sizes[0] > 0) & (sizes[1] > 0), sizes[0] / sizes[1], 1.0)
        variable.sub_(change.mul_(ratio), alpha=learning_rate)
