"""Activation functions, by name and as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from feasible.arguments import InvalidArgumentError
from feasible.object_json import find_object, to_json
from feasible.registry import CustomObjects, Registry

ActivationFunction = Callable[[Tensor], Tensor]


def linear(x: Tensor) -> Tensor:
    """Return the input as it is.

    Args:
        x: A tensor.

    Returns:
        The same tensor.
    """
    return x


def relu(
    x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """Return the positive part of a tensor.

    Args:
        x: A tensor.
        negative_slope: What ``x - threshold`` is multiplied by where it is negative.
        max_value: The largest value returned; None for no limit.
        threshold: The value up to which an entry counts as negative.

    Returns:
        A tensor of the same shape.

    Example:
        >>> relu(torch.tensor([-2.0, 3.0, 9.0]), negative_slope=0.5, max_value=6.0)
        tensor([-1.,  3.,  6.])
    """
    if threshold == 0:
        positive = (
            functional.leaky_relu(x, negative_slope) if negative_slope else functional.relu(x)
        )
    else:
        # Zero times infinity would be NaN.
        negative = negative_slope * (x - threshold) if negative_slope else torch.zeros_like(x)
        positive = torch.where(x > threshold, x, negative)
    return positive if max_value is None else positive.clamp(max=max_value)


def leaky_relu(x: Tensor) -> Tensor:
    """Return a tensor with its negative entries multiplied by 0.2.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape.
    """
    return functional.leaky_relu(x, 0.2)


def softmax(x: Tensor) -> Tensor:
    """Return the softmax over the last axis.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape, whose last axis sums to 1.
    """
    return functional.softmax(x, -1)


def log_softmax(x: Tensor) -> Tensor:
    """Return the logarithm of the softmax over the last axis.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape.
    """
    return functional.log_softmax(x, -1)


def sparsemax(x: Tensor) -> Tensor:
    """Return the nearest point of the probability simplex, over the last axis.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape, whose last axis is not negative and sums to 1.

    Source:
        Martins, Astudillo: From Softmax to Sparsemax, 2016, algorithm 1.
    """
    descending = x.sort(-1, descending=True).values
    excess = descending.cumsum(-1) - 1
    counts = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
    support = (counts * descending > excess).sum(-1, keepdim=True)
    return (x - excess.gather(-1, support - 1) / support).clamp(min=0)


def sparse_plus(x: Tensor) -> Tensor:
    """Return the integral of `sparse_sigmoid`: 0 up to -1, then a parabola, and x from 1 on.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape.
    """
    return torch.where(x >= 1, x, (x.clamp(-1, 1) + 1).square() / 4)


def sparse_sigmoid(x: Tensor) -> Tensor:
    """Return ``(x + 1) / 2``, clipped to between 0 and 1.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape.
    """
    return (functional.hardtanh(x) + 1) / 2


def squareplus(x: Tensor) -> Tensor:
    """Return ``(x + sqrt(x**2 + 4)) / 2``, a smooth positive part.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape.

    Source:
        Barron: Squareplus: A Softplus-Like Algebraic Rectifier, 2021.
    """
    return (x + (x.square() + 4).sqrt()) / 2


ACTIVATIONS = Registry(
    "activation",
    "keras.layers",
    base="Layer",
    decorator="feasible.layers.activations.register",
)
register = ACTIVATIONS.register

# PyTorch has some under more than one name; the last is written.
_FUNCTIONS: dict[str, tuple[ActivationFunction, ...]] = {
    "celu": (functional.celu,),
    "elu": (functional.elu,),
    "exponential": (torch.exp,),
    "gelu": (functional.gelu,),
    "glu": (functional.glu,),
    "hard_shrink": (functional.hardshrink,),
    "hard_sigmoid": (functional.hardsigmoid,),
    "hard_silu": (functional.hardswish,),
    "hard_tanh": (functional.hardtanh,),
    "leaky_relu": (leaky_relu,),
    "linear": (linear,),
    "log_sigmoid": (functional.logsigmoid,),
    "log_softmax": (log_softmax,),
    "mish": (functional.mish,),
    "relu": (functional.relu, torch.relu, relu),
    "relu6": (functional.relu6,),
    "selu": (functional.selu,),
    "sigmoid": (functional.sigmoid, torch.sigmoid),
    "silu": (functional.silu,),
    "soft_shrink": (functional.softshrink,),
    "softmax": (softmax,),
    "softplus": (functional.softplus,),
    "softsign": (functional.softsign,),
    "sparse_plus": (sparse_plus,),
    "sparse_sigmoid": (sparse_sigmoid,),
    "sparsemax": (sparsemax,),
    "squareplus": (squareplus,),
    "tanh": (functional.tanh, torch.tanh),
    "tanh_shrink": (functional.tanhshrink,),
}
_ALIASES = {"hard_silu": ("hard_swish",), "silu": ("swish",)}
for _name, _functions in _FUNCTIONS.items():
    for _function in _functions:
        ACTIVATIONS.add(_function, _name, *_ALIASES.get(_name, ()))


def get(identifier: Any, custom_objects: CustomObjects | None = None) -> ActivationFunction:
    """Return the function that an argument such as `activation` stands for.

    Args:
        identifier: None for none; a name of Keras's, such as ``"relu"``, or one that was
            registered; what `serialize` returned; or any function from a tensor to a tensor, a
            module or a layer among them.
        custom_objects: Functions and classes by name, for those that are not registered.

    Returns:
        The function.

    Raises:
        ValueError: If the name is unknown.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("hard_swish") is functional.hardswish
        True
    """
    found = linear if identifier is None else find_object(ACTIVATIONS, identifier, custom_objects)
    if callable(found) and not inspect.isclass(found):
        return found
    raise InvalidArgumentError(
        "get", "activation", identifier, "None, a name, a function, a module or a dict of Keras's"
    )


def serialize(activation: ActivationFunction) -> str | dict[str, Any]:
    """Return an activation as Keras writes it.

    Args:
        activation: A function or a layer.

    Returns:
        The name of a function that Keras has; a dict for a layer or a registered function.

    Raises:
        InvalidArgumentError: If it could not be loaded back, as it is not registered.

    Example:
        >>> serialize(torch.relu)
        'relu'
    """
    config = to_json(ACTIVATIONS, activation)
    built_in = config["class_name"] == "function" and ">" not in config["config"]
    return config["config"] if built_in else config
