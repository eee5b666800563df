"""Arrays made out of nothing: of NumPy, until they meet an array of another library."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from feasible.ops.dispatch import dtype_in


class MadeArray(np.ndarray[Any, Any]):
    """An array of NumPy that becomes a tensor where a tensor of PyTorch is computed with it.

    Example:
        >>> import torch
        >>> torch.ones(1) - ones(1)
        tensor([0.])
    """

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        del types
        torch = sys.modules["torch"]
        tensors = [one for one in arguments if isinstance(one, torch.Tensor)]
        device = tensors[0].device if tensors else None

        def converted(one: Any) -> Any:
            if not isinstance(one, cls):
                return one
            return torch.asarray(np.array(one), device=device)

        named = {name: converted(one) for name, one in (options or {}).items()}
        return function(*map(converted, arguments), **named)


def _made(array: Any, dtype: str | None) -> MadeArray:
    wanted = array.dtype if dtype is None else dtype_in(np, dtype)
    return np.asarray(array).astype(wanted).view(MadeArray)


def eye(N: int, M: int | None = None, k: int = 0, dtype: str | None = None) -> MadeArray:  # noqa: N803
    """Return a matrix of ones on a diagonal, and zeros elsewhere.

    Args:
        N: How many rows it has.
        M: How many columns; None for as many.
        k: Which diagonal: 0 for the main one.
        dtype: The dtype's name; float32 by default.

    Returns:
        The matrix.

    Example:
        >>> eye(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return _made(np.eye(N, M, k), dtype or "float32")


def zeros(shape: int | Sequence[int], dtype: str | None = None) -> MadeArray:
    """Return zeros.

    Args:
        shape: The sizes.
        dtype: The dtype's name; float32 by default.

    Returns:
        The array.

    Example:
        >>> zeros(2).tolist()
        [0.0, 0.0]
    """
    return _made(np.zeros(shape), dtype or "float32")


def ones(shape: int | Sequence[int], dtype: str | None = None) -> MadeArray:
    """Return ones.

    Args:
        shape: The sizes.
        dtype: The dtype's name; float32 by default.

    Returns:
        The array.

    Example:
        >>> ones(2).tolist()
        [1.0, 1.0]
    """
    return _made(np.ones(shape), dtype or "float32")


def full(shape: int | Sequence[int], fill_value: Any, dtype: str | None = None) -> MadeArray:
    """Return an array of one value.

    Args:
        shape: The sizes.
        fill_value: The value.
        dtype: The dtype's name; float32 by default.

    Returns:
        The array.

    Example:
        >>> full(2, 3).tolist()
        [3.0, 3.0]
    """
    return _made(np.full(shape, fill_value), dtype or "float32")


def arange(
    start: float, stop: float | None = None, step: float | None = None, dtype: str | None = None
) -> MadeArray:
    """Return numbers at equal distances.

    Args:
        start: The first; or, where `stop` is None, where they end, from 0 on.
        stop: Where they end, itself left out.
        step: The distance; 1 by default.
        dtype: The dtype's name; int32 for whole numbers by default, and float32 for others.

    Returns:
        The array.

    Example:
        >>> arange(3).tolist()
        [0, 1, 2]
    """
    ends = (0, start) if stop is None else (start, stop)
    found: Any = np.arange(ends[0], ends[1], 1 if step is None else step)
    return _made(found, dtype or ("int32" if found.dtype.kind == "i" else "float32"))


def linspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: str | None = None,
) -> Any:
    """Return numbers at equal distances.

    Args:
        start: The first.
        stop: The last.
        num: How many there are.
        endpoint: Whether the last is among them.
        retstep: Whether to return the distance, too.
        dtype: The dtype's name; float32 by default.

    Returns:
        The array, or a tuple of it and the distance.

    Example:
        >>> linspace(0, 1, 3).tolist()
        [0.0, 0.5, 1.0]
    """
    found, step = np.linspace(start, stop, num, endpoint, retstep=True)
    made = _made(found, dtype or "float32")
    return (made, float(step)) if retstep else made
