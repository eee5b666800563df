"""Penalties on weights and outputs, by Keras's names and with Keras's values."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_choice, check_number
from feasible.object_json import find_object, to_json
from feasible.registry import CustomObjects, Registry

REGULARIZERS = Registry(
    "regularizer",
    "keras.regularizers",
    base="Regularizer",
    decorator="feasible.regularizers.register",
)
register = REGULARIZERS.register


class Regularizer(ABC):
    """Base class of penalties: from a weight, or an output, to one number.

    Example:
        >>> class Mean(Regularizer):
        ...     def __call__(self, x):
        ...         return x.mean()
        >>> Mean()(torch.ones(3))
        tensor(1.)
    """

    @abstractmethod
    def __call__(self, x: Any) -> Any:
        """Compute the penalty.

        Args:
            x: The weight in Keras layout, or the output.

        Returns:
            One number.
        """

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            Arguments by name, as values that JSON can hold.
        """
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a penalty from what `get_config` returned.

        Args:
            config: Arguments by name.

        Returns:
            The penalty.
        """
        return cls(**config)


def _factor(owner: str, argument: str, value: Any) -> float:
    return check_number(owner, argument, value, minimum=0)


@REGULARIZERS.built_in("l1_l2")
class L1L2(Regularizer):
    """``l1`` times the sum of absolute values, and ``l2`` times the sum of squares.

    Args:
        l1: The first factor, at least 0.
        l2: The second factor, at least 0.

    Raises:
        InvalidArgumentError: If a factor is no such number.

    Example:
        >>> L1L2(l1=1.0, l2=2.0)(torch.tensor([-1.0, 2.0]))
        tensor(13.)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor("L1L2", "l1", 0.0 if l1 is None else l1)
        self.l2 = _factor("L1L2", "l2", 0.0 if l2 is None else l2)

    def __call__(self, x: Tensor) -> Tensor:
        """Compute the penalty.

        Args:
            x: The weight.

        Returns:
            One number.
        """
        penalty = torch.zeros((), dtype=x.dtype, device=x.device)
        if self.l1:
            penalty = penalty + self.l1 * x.abs().sum()
        if self.l2:
            penalty = penalty + self.l2 * x.square().sum()
        return penalty


@REGULARIZERS.built_in("l1")
class L1(Regularizer):
    """A factor times the sum of absolute values.

    Args:
        l1: The factor, at least 0.

    Raises:
        InvalidArgumentError: If it is no such number.

    Example:
        >>> L1(0.5)(torch.tensor([-1.0, 2.0]))
        tensor(1.5000)
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("L1", "l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Tensor) -> Tensor:
        """Compute the penalty.

        Args:
            x: The weight.

        Returns:
            One number.
        """
        return self.l1 * x.abs().sum()


@REGULARIZERS.built_in("l2")
class L2(Regularizer):
    """A factor times the sum of squares.

    Args:
        l2: The factor, at least 0.

    Raises:
        InvalidArgumentError: If it is no such number.

    Example:
        >>> L2(0.5)(torch.tensor([-1.0, 2.0]))
        tensor(2.5000)
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("L2", "l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Tensor) -> Tensor:
        """Compute the penalty.

        Args:
            x: The weight.

        Returns:
            One number.
        """
        return self.l2 * x.square().sum()


@REGULARIZERS.built_in("orthogonal_regularizer")
class OrthogonalRegularizer(Regularizer):
    """A factor times the mean absolute cosine between different rows, or columns.

    Args:
        factor: The factor, at least 0.
        mode: Whether ``"rows"`` or ``"columns"`` are to be orthogonal.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> OrthogonalRegularizer(1.0)(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        tensor(1.)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("OrthogonalRegularizer", "factor", factor)
        self.mode = check_choice("OrthogonalRegularizer", "mode", mode, ("rows", "columns"))

    def __call__(self, x: Tensor) -> Tensor:
        """Compute the penalty.

        Args:
            x: The weight, a matrix.

        Returns:
            One number.

        Raises:
            ValueError: If it is not a matrix.
        """
        if x.ndim != 2:
            raise ValueError(
                f"OrthogonalRegularizer: the weight must be a matrix. Received: shape "
                f"{tuple(x.shape)}."
            )
        rows = torch.nn.functional.normalize(x if self.mode == "rows" else x.t(), dim=1)
        cosines = (rows @ rows.t()).triu(1)
        pairs = max(len(rows) * (len(rows) - 1) // 2, 1)
        return self.factor * cosines.abs().sum() / pairs


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer


def get(identifier: Any, custom_objects: CustomObjects | None = None) -> Callable[..., Any] | None:
    """Return the penalty that an argument such as `kernel_regularizer` stands for.

    Args:
        identifier: A name of Keras's, such as ``"l2"``, or one that was registered; what
            `serialize` returned; a penalty; any function from a weight to one number; or None.
        custom_objects: Functions and classes by name, for those that are not registered.

    Returns:
        The penalty, or None.

    Raises:
        ValueError: If the name is unknown.
        InvalidArgumentError: If it is none of these.

    Example:
        >>> get("l1").l1
        0.01
    """
    if identifier is None:
        return None
    found = find_object(REGULARIZERS, identifier, custom_objects)
    if inspect.isclass(found):
        found = found()
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise InvalidArgumentError(
        "get", "regularizer", identifier, "a name, a function or a dict of Keras's"
    )


def serialize(regularizer: Any) -> dict[str, Any] | None:
    """Return a penalty as Keras writes it.

    Args:
        regularizer: A penalty, a registered function, or None.

    Returns:
        The module, the name, the config and the registered name.

    Raises:
        InvalidArgumentError: If it could not be loaded back, as it is not registered.

    Example:
        >>> serialize(L2(0.5))["config"]
        {'l2': 0.5}
    """
    return None if regularizer is None else to_json(REGULARIZERS, regularizer)


def deserialize(config: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return the penalty that a config describes.

    Args:
        config: What `serialize` returned.
        custom_objects: Functions and classes by name, for those that are not registered.

    Returns:
        The penalty, or None.
    """
    return get(config, custom_objects)
