"""The penalties that Keras has."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from feasible.arguments import check_choice, check_number
from feasible.regularizers.named_regularizers import REGULARIZERS


class Regularizer:
    """Base class of regularizers: from a weight, or an output, to one number.

    Example:
        >>> class Largest(Regularizer):
        ...     def __call__(self, x):
        ...         return x.abs().max()
        >>> Largest()(torch.tensor([1.0, -3.0]))
        tensor(3.)
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty; subclasses give this.

        Args:
            x: A weight in Keras layout, or an output.

        Returns:
            One number, with a gradient.

        Raises:
            NotImplementedError: If the subclass does not give it.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `__call__(x)`.")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            Arguments by name.
        """
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a regularizer from what `get_config` returned.

        Args:
            config: Arguments by name.

        Returns:
            A regularizer of this class.
        """
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={it!r}" for name, it in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def _number(self, name: str, value: float | None) -> float:
        value = 0.0 if value is None else value
        return float(check_number(type(self).__name__, name, value, minimum=0))


@REGULARIZERS.built_in("l1_l2")
class L1L2(Regularizer):
    """The sum of absolute values and the sum of squares, each times a number.

    Args:
        l1: What absolute values are multiplied by.
        l2: What squares are multiplied by.

    Raises:
        InvalidArgumentError: If a number is negative or none.

    Example:
        >>> L1L2(l1=1.0, l2=0.5)(torch.tensor([1.0, -2.0]))
        tensor(5.5000)
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1, self.l2 = self._number("l1", l1), self._number("l2", l2)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty."""
        penalty = torch.zeros((), dtype=x.dtype, device=x.device)
        if self.l1:
            penalty = penalty + self.l1 * x.abs().sum()
        if self.l2:
            penalty = penalty + self.l2 * x.square().sum()
        return penalty


@REGULARIZERS.built_in()
class L1(Regularizer):
    """The sum of absolute values, times a number.

    Args:
        l1: The number.

    Raises:
        InvalidArgumentError: If it is negative or none.

    Example:
        >>> L1(0.5)(torch.tensor([1.0, -2.0]))
        tensor(1.5000)
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = self._number("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty."""
        return self.l1 * x.abs().sum()


@REGULARIZERS.built_in()
class L2(Regularizer):
    """The sum of squares, times a number.

    Args:
        l2: The number.

    Raises:
        InvalidArgumentError: If it is negative or none.

    Example:
        >>> L2(0.5)(torch.tensor([1.0, -2.0]))
        tensor(2.5000)
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = self._number("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty."""
        return self.l2 * x.square().sum()


@REGULARIZERS.built_in("orthogonal")
class OrthogonalRegularizer(Regularizer):
    """How far rows or columns of a matrix are from being at right angles, whatever their norms.

    It is the sum of the absolute cosines of pairs, over their number, times a factor.

    Args:
        factor: The factor.
        mode: ``"rows"`` or ``"columns"``.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> OrthogonalRegularizer(1.0)(torch.eye(3))
        tensor(0.)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = self._number("factor", factor)
        self.mode = check_choice(type(self).__name__, "mode", mode, ("rows", "columns"))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty.

        Args:
            x: A weight of two axes, in Keras layout.

        Returns:
            One number.

        Raises:
            ValueError: If there are not two axes.
        """
        if x.ndim != 2:
            raise ValueError(
                "OrthogonalRegularizer: a weight must have 2 axes. Received: shape "
                f"{tuple(x.shape)}."
            )
        vectors = functional.normalize(x if self.mode == "rows" else x.t(), dim=1, eps=1e-6)
        count = len(vectors)
        cosines = (vectors @ vectors.t()).abs().triu(1).sum()
        return self.factor * cosines / max(1.0, count * (count - 1) / 2)
