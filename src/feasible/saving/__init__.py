"""Saving and loading, and names for classes and functions of your own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from feasible.requirements import require

require("feasible.saving", "fit", "torch", "lightning", "torchmetrics", "h5py", "safetensors")

# ruff: noqa: E402
from feasible import constraints
from feasible.layers import Layer, activations, initializers
from feasible.layers.nested import LAYERS
from feasible.losses import Loss
from feasible.losses import register as register_loss
from feasible.metrics import Metric
from feasible.metrics import register as register_metric
from feasible.models.saving import load_model, save_model
from feasible.optimizers import Optimizer, schedules
from feasible.optimizers import register as register_optimizer
from feasible.regularizers import Regularizer
from feasible.regularizers import register as register_regularizer

Named = TypeVar("Named", bound=Callable[..., Any])

__all__ = ["load_model", "register_keras_serializable", "save_model"]

# What a class of some base is registered as; a function may be any of these but the first four.
_REGISTERS: tuple[tuple[type | None, Callable[..., Any]], ...] = (
    (Layer, LAYERS.register),
    (Optimizer, register_optimizer),
    (schedules.LearningRateSchedule, schedules.SCHEDULES.register),
    (Metric, register_metric),
    (constraints.Constraint, constraints.register),
    (initializers.Initializer, initializers.register),
    (Regularizer, register_regularizer),
    (Loss, register_loss),
    (None, activations.register),
)


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Named], Named]:
    """Register a class or a function of your own, so that it can be saved and loaded by name.

    Args:
        package: What it belongs to; the registered name is ``package>name``.
        name: Its name in the package; by default, that of the class or function.

    Returns:
        A decorator for a layer, an optimizer, a schedule, a metric, a constraint, an initializer,
        a regularizer, a loss, or a function.

    Example:
        >>> from feasible import regularizers
        >>> @register_keras_serializable(package="docs")
        ... class Largest(regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return x.abs().max()
        >>> regularizers.get("docs>Largest")
        Largest()
    """

    def decorate(thing: Named) -> Named:
        for base, register in _REGISTERS:
            if isinstance(thing, type) and base is not None and issubclass(thing, base):
                register(package, name)(thing)
                return thing
        for _, register in _REGISTERS[4:]:
            register(package, name)(thing)
        return thing

    return decorate
