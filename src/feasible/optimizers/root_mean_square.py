"""Optimizers that divide gradients by a root mean square of those before."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from feasible.optimizers.named_optimizers import OPTIMIZERS
from feasible.optimizers.optimizer import Optimizer, Options, Rate


@OPTIMIZERS.built_in()
class RMSprop(Optimizer):
    """Divides gradients by a running root mean square: Tieleman and Hinton, lecture 6.5, 2012.

    Epsilon is added under the root, as in Keras, where `torch.optim.RMSprop` adds it to the root.

    Args:
        learning_rate: The learning rate.
        rho: How much of the running mean is kept at each step.
        momentum: How much of the last change is added to each.
        epsilon: What is added to the mean square.
        centered: Whether gradients are divided by their standard deviation.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    rho: float
    momentum: float
    epsilon: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(rho=rho, momentum=momentum, epsilon=epsilon)
        self.centered = bool(centered)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        square = self.slot(variable, "square_mean").mul_(self.rho)
        square.addcmul_(gradient, gradient, value=1 - self.rho)
        if self.centered:
            mean = self.slot(variable, "mean").lerp_(gradient, 1 - self.rho)
            square = square.addcmul(mean, mean, value=-1)
        change = gradient / square.add(self.epsilon).sqrt_()
        if self.momentum:
            last = self.slot(variable, "change").mul_(self.momentum)
            change = last.add_(change, alpha=learning_rate)
            variable.sub_(change)
        else:
            variable.sub_(change, alpha=learning_rate)


@OPTIMIZERS.built_in()
class Adagrad(Optimizer):
    """Divides gradients by the root of the sum of their squares: Duchi and others, 2011.

    Args:
        learning_rate: The learning rate.
        initial_accumulator_value: What the sum begins with.
        epsilon: What is added to the sum.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    initial_accumulator_value: float
    epsilon: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(initial_accumulator_value=initial_accumulator_value, epsilon=epsilon)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        squares = self.slot(variable, "accumulator", self.initial_accumulator_value)
        root = squares.addcmul_(gradient, gradient).add(self.epsilon).sqrt_()
        variable.addcdiv_(gradient, root, value=-learning_rate)


@OPTIMIZERS.built_in()
class Adadelta(Optimizer):
    """Scales gradients by the running sizes of changes and gradients: Zeiler, 2012.

    Args:
        learning_rate: The learning rate.
        rho: How much of the running means is kept at each step.
        epsilon: What is added to the mean squares.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    rho: float
    epsilon: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(rho=rho, epsilon=epsilon)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        squares = self.slot(variable, "square_mean").mul_(self.rho)
        squares.addcmul_(gradient, gradient, value=1 - self.rho)
        changes = self.slot(variable, "change_mean")
        ratio = (changes + self.epsilon).div_(squares + self.epsilon).sqrt_()
        change = ratio.mul_(gradient)
        changes.mul_(self.rho).addcmul_(change, change, value=1 - self.rho)
        variable.sub_(change, alpha=learning_rate)


@OPTIMIZERS.built_in()
class Adafactor(Optimizer):
    """Keeps mean squares of a matrix by row and by column: Shazeer and Stern, 2018.

    Args:
        learning_rate: The learning rate.
        beta_2_decay: The power of the step's number that the running means forget by.
        epsilon_1: What is added to squared gradients.
        epsilon_2: The least size that a parameter counts as having.
        clip_threshold: The largest root mean square of a change.
        relative_step: Whether the learning rate also falls with the root of the step's number.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    beta_2_decay: float
    epsilon_1: float
    epsilon_2: float
    clip_threshold: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(beta_2_decay=beta_2_decay, minimum=float("-inf"))
        self._bounded(epsilon_1=epsilon_1, epsilon_2=epsilon_2, clip_threshold=clip_threshold)
        self.relative_step = bool(relative_step)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        count = self.iterations + 1
        rate = min(learning_rate, count**-0.5)
        forgotten = count**self.beta_2_decay
        squares = gradient.square().add_(self.epsilon_1)
        state = self.state[variable]
        if variable.ndim < 2:
            mean = self.slot(variable, "square_mean").lerp_(squares, forgotten)
        else:
            parts = []
            for name, axis in (("row_mean", -1), ("column_mean", -2)):
                part = squares.mean(axis)
                state[name] = state.get(name, torch.zeros_like(part)).lerp_(part, forgotten)
                parts.append(state[name])
            rows, columns = parts
            rows = rows / rows.mean(-1, keepdim=True)
            mean = rows.unsqueeze(-1) * columns.unsqueeze(-2)
        change = gradient / mean.sqrt()
        change /= (_size(change) / self.clip_threshold).clamp(min=1)
        variable.sub_(change * _size(variable).clamp(min=self.epsilon_2), alpha=rate)


def _size(tensor: Tensor) -> Tensor:
    """Return the root mean square of a tensor."""
    return tensor.square().mean().sqrt()
