"""Functions that note down what they are asked of the tensors of a model that is being made."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any


class Symbolic(ABC):
    """What stands for an array in a model that is being made, and has no values yet."""

    @abstractmethod
    def record(self, function: Callable[..., Any], arguments: Any, options: Any) -> Any:
        """Note down that a function is called on this.

        Args:
            function: One of `feasible.ops`.
            arguments: All its arguments.
            options: All those given by name.

        Returns:
            What stands for its result.
        """


def symbolic_in(nest: Any) -> Symbolic | None:
    """Return the first thing in tuples, lists and dicts that stands for an array.

    Args:
        nest: Arguments.

    Returns:
        It, or None.
    """
    if isinstance(nest, Symbolic):
        return nest
    if isinstance(nest, dict):
        nest = tuple(nest.values())
    if isinstance(nest, tuple | list):
        for one in nest:
            # Called for what can hold something alone: this runs at each call of a layer.
            if isinstance(one, Symbolic | tuple | list | dict):
                found = symbolic_in(one)
                if found is not None:
                    return found
    return None


def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function noted down where an argument stands for an array.

    Args:
        function: A function of arrays.

    Returns:
        The same for arrays; for what stands for one, the note's result.
    """

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        found = symbolic_in((arguments, options) if options else arguments)
        if found is not None:
            return found.record(called, arguments, options)
        return function(*arguments, **options)

    return called
