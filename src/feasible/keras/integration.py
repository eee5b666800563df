"""Makes Keras know our constraints: their names in its files, and the units of its layers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from feasible.binding import resolve_constraint
from feasible.constraints import Constraint
from feasible.constraints.names import CONSTRAINTS
from feasible.known_layouts import layouts_of
from feasible.layouts import ParameterLayout


def integrate(keras: ModuleType) -> None:
    """Register our constraints with Keras, and resolve ``axis="unit"`` in its layers.

    What users register with `feasible.constraints.register`, before or after, is registered with
    Keras under the same name. Keras tells a constraint nothing of the layer, so that its
    `Layer.add_weight` is wrapped: a constraint of ours is fitted to the weight that was made. For
    all other constraints it does what it did.

    Args:
        keras: The package, imported.
    """
    CONSTRAINTS.when_added(
        lambda package, name, thing: keras.saving.register_keras_serializable(package, name)(thing)
    )
    layer_type = keras.layers.Layer
    layer_type.add_weight = _fitting(keras, layer_type.add_weight)


def _fitting(keras: ModuleType, add_weight: Callable[..., Any]) -> Callable[..., Any]:
    """Return `Layer.add_weight` with constraints of ours fitted to the weight."""

    @functools.wraps(add_weight)
    def fitting(layer: Any, *args: Any, **kwargs: Any) -> Any:
        variable = add_weight(layer, *args, **kwargs)
        if isinstance(variable.constraint, Constraint):
            variable.constraint = _fitted(layer, variable)
            if keras.backend.backend() == "torch":
                _declare(variable)
        return variable

    return fitting


def _declare(variable: Any) -> None:
    """Hold the optimizers of PyTorch to a constraint, too, as Keras's variables are parameters."""
    from torch import nn

    from feasible.torch.bound_weights import declare

    if isinstance(variable.value, nn.Parameter):
        holder = nn.Module()
        holder.register_parameter("value", variable.value)
        declare(holder, ParameterLayout("value", variable.name), variable.constraint)
        # What is declared lives as long as the variable.
        variable.feasible_holder = holder


def _fitted(layer: Any, variable: Any) -> Any:
    """Return the constraint as it acts on the weight."""
    kind, shape = type(layer).__name__, tuple(variable.shape)
    known = [row for row in layouts_of(layer) if row.parameter == variable.name]
    return resolve_constraint(
        f"{kind}.{variable.name}",
        variable.constraint,
        shape,
        known[0].unit_axes(len(shape)) if known else None,
        f"Derive {kind} from the layer of Keras that has such a weight",
    )
