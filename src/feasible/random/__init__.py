"""Random tensors, by Keras's names and arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feasible.requirements import require

require("feasible.random", "fit", "torch")

# ruff: noqa: E402
import torch
from torch import Tensor

from feasible.backend import standardize_dtype

__all__ = ["SeedGenerator", "normal", "randint", "shuffle", "truncated_normal", "uniform"]


class SeedGenerator:
    """Draws other numbers at each call, and the same from the same seed.

    Args:
        seed: The seed; None for PyTorch's generator.

    Example:
        >>> bool((normal((2,), seed=SeedGenerator(1)) == normal((2,), seed=SeedGenerator(1))).all())
        True
    """

    def __init__(self, seed: int | None = None) -> None:
        self.generator = None if seed is None else torch.Generator("cpu").manual_seed(seed)
        self.seed = seed


def _generator(seed: Any) -> torch.Generator | None:
    if seed is None:
        return None
    return (seed if isinstance(seed, SeedGenerator) else SeedGenerator(int(seed))).generator


def _empty(shape: Sequence[int], dtype: Any) -> Tensor:
    return torch.empty(tuple(shape), dtype=getattr(torch, standardize_dtype(dtype)))


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
) -> Tensor:
    """Return values of a normal distribution.

    Args:
        shape: The shape.
        mean: The mean.
        stddev: The standard deviation.
        dtype: The dtype; None for float32.
        seed: A number, for the same values each time; a `SeedGenerator`; or None.

    Returns:
        A tensor.
    """
    return _empty(shape, dtype).normal_(mean, stddev, generator=_generator(seed))


def uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
) -> Tensor:
    """Return values of a uniform distribution.

    Args:
        shape: The shape.
        minval: The smallest value.
        maxval: What all values are below.
        dtype: The dtype; None for float32.
        seed: A number, for the same values each time; a `SeedGenerator`; or None.

    Returns:
        A tensor.
    """
    return _empty(shape, dtype).uniform_(minval, maxval, generator=_generator(seed))


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
) -> Tensor:
    """Return values of a normal distribution, those beyond two deviations left out.

    Args:
        shape: The shape.
        mean: The mean.
        stddev: The standard deviation.
        dtype: The dtype; None for float32.
        seed: A number, for the same values each time; a `SeedGenerator`; or None.

    Returns:
        A tensor.
    """
    empty = _empty(shape, dtype)
    drawn = torch.nn.init.trunc_normal_(empty, 0.0, 1.0, -2.0, 2.0, generator=_generator(seed))
    return drawn.mul_(stddev).add_(mean)


def randint(
    shape: Sequence[int], minval: int, maxval: int, dtype: Any = "int32", seed: Any = None
) -> Tensor:
    """Return whole numbers.

    Args:
        shape: The shape.
        minval: The smallest.
        maxval: What all are below.
        dtype: The dtype.
        seed: A number, for the same values each time; a `SeedGenerator`; or None.

    Returns:
        A tensor.
    """
    kind = getattr(torch, standardize_dtype(dtype))
    return torch.randint(minval, maxval, tuple(shape), dtype=kind, generator=_generator(seed))


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """Return an array in another order.

    Args:
        x: The array.
        axis: The axis along which it is reordered.
        seed: A number, for the same order each time; a `SeedGenerator`; or None.

    Returns:
        A tensor.
    """
    given: Tensor = torch.as_tensor(x)
    order = torch.randperm(given.shape[axis], generator=_generator(seed))
    return given.index_select(axis, order.to(given.device))
