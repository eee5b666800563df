"""Optimizers by Keras's names and with its arguments and defaults, as PyTorch's own.

Each function here takes Keras's arguments, and returns one from parameters to an optimizer.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from feasible.arguments import InvalidArgumentError, check_number
from feasible.models.adam import Adam
from feasible.models.rmsprop import RMSprop
from feasible.registry import Registry

OPTIMIZERS = Registry("optimizer", "keras.optimizers", any_case=True)

# From a model's parameters to an optimizer over them.
OptimizerFactory = Callable[[Iterable[Tensor]], Optimizer]


@OPTIMIZERS.built_in()
def sgd(
    learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False
) -> OptimizerFactory:
    """Gradient descent, with momentum."""
    return functools.partial(
        torch.optim.SGD, lr=learning_rate, momentum=momentum, nesterov=nesterov
    )


@OPTIMIZERS.built_in()
def rmsprop(
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> OptimizerFactory:
    """Gradients over their running root mean square."""
    return functools.partial(
        RMSprop, lr=learning_rate, alpha=rho, eps=epsilon, momentum=momentum, centered=centered
    )


@OPTIMIZERS.built_in()
def adam(
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> OptimizerFactory:
    """Adam: Kingma and Ba, 2014."""
    return functools.partial(
        Adam, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon, amsgrad=amsgrad
    )


@OPTIMIZERS.built_in()
def adamw(
    learning_rate: float = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> OptimizerFactory:
    """Adam with decoupled weight decay: Loshchilov and Hutter, 2017."""
    return functools.partial(
        Adam,
        lr=learning_rate,
        betas=(beta_1, beta_2),
        eps=epsilon,
        weight_decay=weight_decay,
        amsgrad=amsgrad,
        decoupled_weight_decay=True,
    )


@OPTIMIZERS.built_in()
def adagrad(
    learning_rate: float = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7
) -> OptimizerFactory:
    """Gradients over the root of the sum of their squares: Duchi and others, 2011."""
    # Keras adds epsilon under the root: the same as a sum that begins with it.
    return functools.partial(
        torch.optim.Adagrad,
        lr=learning_rate,
        initial_accumulator_value=initial_accumulator_value + epsilon,
        eps=0.0,
    )


@OPTIMIZERS.built_in()
def adadelta(
    learning_rate: float = 0.001, rho: float = 0.95, epsilon: float = 1e-7
) -> OptimizerFactory:
    """Adadelta: Zeiler, 2012."""
    return functools.partial(torch.optim.Adadelta, lr=learning_rate, rho=rho, eps=epsilon)


@OPTIMIZERS.built_in()
def adamax(
    learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> OptimizerFactory:
    """Adam with the largest gradient in place of the second moment: Kingma and Ba, 2014."""
    return functools.partial(
        torch.optim.Adamax, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon
    )


@OPTIMIZERS.built_in()
def nadam(
    learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> OptimizerFactory:
    """Adam with Nesterov's momentum: Dozat, 2016."""
    # PyTorch scales the step number in the momentum's schedule, by 0.004 unless told otherwise.
    return functools.partial(
        torch.optim.NAdam,
        lr=learning_rate,
        betas=(beta_1, beta_2),
        eps=epsilon,
        momentum_decay=1.0,
    )


# Arguments of every optimizer of Keras that change nothing at these values, and what to use else.
_OF_KERAS: dict[str, tuple[tuple[Any, ...], str]] = {
    "weight_decay": ((None, False, 0), "the optimizer 'adamw'"),
    "clipnorm": ((None,), "fit(gradient_clip_val=...)"),
    "global_clipnorm": ((None,), "fit(gradient_clip_val=...)"),
    "clipvalue": ((None,), "fit(gradient_clip_val=..., gradient_clip_algorithm='value')"),
    "use_ema": ((False,), "Lightning's callback WeightAveraging"),
    "loss_scale_factor": ((None,), "fit(precision='16-mixed')"),
    "gradient_accumulation_steps": ((None,), "fit(accumulate_grad_batches=...)"),
}
_WITHOUT_EFFECT = ("name", "ema_momentum", "ema_overwrite_frequency")


def get(identifier: Any, **arguments: Any) -> OptimizerFactory | Optimizer:
    """Return what makes an optimizer of a model's parameters.

    Args:
        identifier: One of Keras's names; a dict with a name under "class_name" and arguments under
            "config", as Keras writes it; a class of torch.optim or any function from parameters to
            an optimizer, such as ``functools.partial(torch.optim.Adam, lr=0.01)``; or an optimizer.
        **arguments: Keras's arguments, such as `learning_rate`, for a name.

    Returns:
        A function from parameters to an optimizer; an optimizer as it is.

    Raises:
        ValueError: If there is no optimizer of that name, or no such argument.
        InvalidArgumentError: If it is none of these, or an argument cannot be used.

    Example:
        >>> get("adam", learning_rate=0.1)([torch.ones(1)]).param_groups[0]["lr"]
        0.1
    """
    if isinstance(identifier, str):
        return _made(identifier, arguments)
    if isinstance(identifier, dict):
        return _made(str(identifier.get("class_name")), identifier.get("config") or {})
    if not isinstance(identifier, Optimizer) and not callable(identifier):
        raise InvalidArgumentError(
            "compile",
            "optimizer",
            identifier,
            "a name, a dict, a class of torch.optim, a function from parameters to an optimizer, "
            "or an optimizer",
        )
    return identifier  # type: ignore[no-any-return]


def _made(name: str, config: Mapping[str, Any]) -> OptimizerFactory:
    factory: Callable[..., OptimizerFactory] = OPTIMIZERS.find(name)
    known = inspect.signature(factory).parameters
    arguments = {}
    for argument, value in config.items():
        if argument in known:
            arguments[argument] = _checked(name, argument, value)
        elif argument in _OF_KERAS:
            allowed, instead = _OF_KERAS[argument]
            if value not in allowed:
                raise InvalidArgumentError(
                    name, argument, value, f"{allowed[0]}. For its effect, use {instead}"
                )
        elif argument not in _WITHOUT_EFFECT:
            raise ValueError(f"{name}: unknown argument {argument!r}. Allowed: {', '.join(known)}.")
    return factory(**arguments)


def _checked(name: str, argument: str, value: Any) -> Any:
    if argument in ("amsgrad", "centered", "nesterov"):
        return bool(value)
    return check_number(name, argument, value, minimum=0)
