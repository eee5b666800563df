"""Initializers by name and as JSON, in the form that Keras writes and reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.layers.initializers import constant, random
from feasible.layers.registration import Registry

Initialize = Callable[..., Any]

REGISTRY = Registry(
    "initializer",
    "keras.initializers",
    {
        "Constant": constant.Constant,
        "GlorotNormal": random.GlorotNormal,
        "GlorotUniform": random.GlorotUniform,
        "HeNormal": random.HeNormal,
        "HeUniform": random.HeUniform,
        "Identity": constant.Identity,
        "IdentityInitializer": constant.Identity,
        "LecunNormal": random.LecunNormal,
        "LecunUniform": random.LecunUniform,
        "Ones": constant.Ones,
        "Orthogonal": random.Orthogonal,
        "OrthogonalInitializer": random.Orthogonal,
        "RandomNormal": random.RandomNormal,
        "RandomUniform": random.RandomUniform,
        "TruncatedNormal": random.TruncatedNormal,
        "VarianceScaling": random.VarianceScaling,
        "Zeros": constant.Zeros,
        "constant": constant.Constant,
        "glorot_normal": random.GlorotNormal,
        "glorot_uniform": random.GlorotUniform,
        "he_normal": random.HeNormal,
        "he_uniform": random.HeUniform,
        "identity": constant.Identity,
        "lecun_normal": random.LecunNormal,
        "lecun_uniform": random.LecunUniform,
        "normal": random.RandomNormal,
        "one": constant.Ones,
        "ones": constant.Ones,
        "orthogonal": random.Orthogonal,
        "random_normal": random.RandomNormal,
        "random_uniform": random.RandomUniform,
        "truncated_normal": random.TruncatedNormal,
        "uniform": random.RandomUniform,
        "variance_scaling": random.VarianceScaling,
        "zero": constant.Zeros,
        "zeros": constant.Zeros,
    },
)
register = REGISTRY.register


def get(identifier: Any) -> Initialize:
    """Return the initializer that an argument such as `kernel_initializer` stands for.

    Args:
        identifier: A name of Keras's, such as ``"he_normal"`` or ``"HeNormal"``, or one that was
            registered; what `serialize` returned; a class; an initializer; an array of the
            values; or any function from a shape in Keras layout and a dtype to an array.

    Returns:
        The initializer.

    Raises:
        ValueError: If the name is unknown.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("he_normal")
        HeNormal(seed=None, input_axes=None, output_axes=None)
        >>> get({"class_name": "Constant", "config": {"value": 0.5}})
        Constant(value=0.5)
    """
    if isinstance(identifier, np.ndarray | np.generic | Tensor):
        return constant.Constant(identifier)
    found = REGISTRY.find(identifier)
    if inspect.isclass(found):
        found = found()
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise InvalidArgumentError(
        "get", "initializer", identifier, "a name, a function, an array or a dict of Keras's"
    )


def serialize(initializer: Initialize) -> dict[str, Any]:
    """Return an initializer as Keras writes it.

    Args:
        initializer: An initializer, or a registered function.

    Returns:
        The module, the name, the config and the registered name.

    Raises:
        InvalidArgumentError: If it could not be loaded back, as it is not registered.

    Example:
        >>> serialize(constant.Constant(0.5))["config"]
        {'value': 0.5}
    """
    return REGISTRY.config_of(initializer)
