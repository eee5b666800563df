"""The learning rate of an optimizer, which is read as a number and assigned as a variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class LearningRate(float):
    """A number that can also be given to the optimizer that it comes from.

    Example:
        >>> from feasible.optimizers import SGD
        >>> optimizer = SGD(0.5)
        >>> optimizer.learning_rate.assign(0.25)
        >>> optimizer.learning_rate
        0.25
    """

    _assign: Callable[[Any], None]

    def __new__(cls, value: float, assign: Callable[[Any], None]) -> LearningRate:
        """Return the number.

        Args:
            value: The learning rate.
            assign: Takes another one.

        Returns:
            The number.
        """
        rate = super().__new__(cls, value)
        rate._assign = assign
        return rate

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)

    def assign(self, value: Any) -> None:
        """Give the optimizer another learning rate.

        Args:
            value: A number.
        """
        self._assign(value)

    def numpy(self) -> np.float32:
        """Return the number as NumPy's.

        Returns:
            The learning rate.
        """
        return np.float32(self)
