"""Optimizers that follow the gradient, or its sign."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from feasible.optimizers.named_optimizers import OPTIMIZERS
from feasible.optimizers.optimizer import Optimizer, Options, Rate


@OPTIMIZERS.built_in()
class SGD(Optimizer):
    """Gradient descent, with momentum.

    Args:
        learning_rate: The learning rate.
        momentum: How much of the last change is added to each, between 0 and 1.
        nesterov: Whether to look ahead along the momentum.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> SGD(0.1, momentum=0.9).get_config()["momentum"]
        0.9
    """

    momentum: float

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(momentum=momentum, maximum=1)
        self.nesterov = bool(nesterov)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        if not self.momentum:
            variable.sub_(gradient, alpha=learning_rate)
            return
        change = self.slot(variable, "momentum").mul_(self.momentum)
        change.sub_(gradient, alpha=learning_rate)
        if self.nesterov:
            variable.add_(change, alpha=self.momentum).sub_(gradient, alpha=learning_rate)
        else:
            variable.add_(change)


@OPTIMIZERS.built_in()
class Lion(Optimizer):
    """Steps along the sign of a running mean: Chen and others, 2023.

    Args:
        learning_rate: The learning rate.
        beta_1: How much of the running mean the step follows, above 0 and at most 1.
        beta_2: How much of the running mean is kept at each step.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    beta_1: float
    beta_2: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(beta_1=beta_1, minimum=1e-30, maximum=1)
        self._bounded(beta_2=beta_2, maximum=1)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        mean = self.slot(variable, "momentum")
        variable.sub_(mean.lerp(gradient, 1 - self.beta_1).sign_(), alpha=learning_rate)
        mean.lerp_(gradient, 1 - self.beta_2)


@OPTIMIZERS.built_in()
class Ftrl(Optimizer):
    """Follows the regularized leader: McMahan and others, 2013.

    Args:
        learning_rate: The learning rate.
        learning_rate_power: How fast the learning rate falls, at most 0; 0 for not at all.
        initial_accumulator_value: What the sum of squared gradients begins with.
        l1_regularization_strength: The weight of absolute values.
        l2_regularization_strength: The weight of squares.
        l2_shrinkage_regularization_strength: The weight of squares that is in the gradient alone.
        beta: What is added to the inverse of the learning rates.
        **options: What every optimizer takes: see `Optimizer`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    learning_rate_power: float
    initial_accumulator_value: float
    l1_regularization_strength: float
    l2_regularization_strength: float
    l2_shrinkage_regularization_strength: float
    beta: float

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self._bounded(learning_rate_power=learning_rate_power, minimum=float("-inf"), maximum=0.0)
        self._bounded(
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            beta=beta,
        )

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place."""
        squares = self.slot(variable, "accumulator", self.initial_accumulator_value)
        linear = self.slot(variable, "linear")
        before = squares.pow(-self.learning_rate_power)
        after = squares.add_(gradient.square()).pow(-self.learning_rate_power)
        shrunk = gradient.add(variable, alpha=2 * self.l2_shrinkage_regularization_strength)
        linear.add_(shrunk).sub_((after - before) / learning_rate * variable)
        l2 = self.l2_regularization_strength + self.beta / (2 * learning_rate)
        clipped = linear.clamp(-self.l1_regularization_strength, self.l1_regularization_strength)
        variable.copy_((clipped - linear) / (after / learning_rate + 2 * l2))
