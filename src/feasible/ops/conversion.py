"""Making arrays, and asking what they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError
from feasible.backends import Array, Namespace, astype, dtype_name
from feasible.ops.dispatch import DTYPES, ArrayLike, dtype_in, together

# What Python's own types stand for, as in Keras.
_SHORTHANDS = {"float": "float32", "int": "int32"}


def _named(owner: str, xp: Namespace, dtype: Any) -> Any:
    """Return the library's dtype for a name, or for any library's dtype."""
    name = dtype.__name__ if isinstance(dtype, type) else str(dtype).rpartition(".")[2]
    name = _SHORTHANDS.get(name, name)
    allowed = [known for known in DTYPES if xp is np or hasattr(xp, known)]
    if name not in allowed:
        names = ", ".join(map(repr, allowed))
        raise InvalidArgumentError(
            owner, "dtype", dtype, f"the dtype of an array, or one of {names}"
        )
    return dtype_in(xp, name)


def convert_to_tensor(x: ArrayLike, dtype: Any = None) -> Array:
    """Return numbers as a NumPy array, and an array of any library as it is.

    Args:
        x: A number, a nested sequence of numbers, or an array. A sequence of arrays is stacked.
        dtype: The dtype of the result: a name such as ``"float32"``, or any library's dtype. By
            default arrays keep theirs, and Python's numbers become float32, int32 or bool.

    Returns:
        An array; the same object if `x` is one of that dtype.

    Raises:
        InvalidArgumentError: If there is no such dtype.

    Example:
        >>> convert_to_tensor((-1.0, 1.0))
        array([-1.,  1.], dtype=float32)
    """
    xp, (array,) = together(x)
    return array if dtype is None else astype(array, _named("convert_to_tensor", xp, dtype))


def convert_to_numpy(x: ArrayLike) -> np.ndarray[Any, Any]:
    """Return the values of any library's array, or numbers, as a NumPy array.

    Args:
        x: An array on any device, a number, or a nested sequence of numbers.

    Returns:
        An array that may share its memory with `x`. PyTorch's bfloat16, which NumPy does not have,
        becomes float32.

    Example:
        >>> convert_to_numpy([1.0, 2.0])
        array([1., 2.], dtype=float32)
    """
    _, (array,) = together(x)
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.float() if dtype_name(array) == "bfloat16" else array
    return np.asarray(array)


def cast(x: ArrayLike, dtype: Any) -> Array:
    """Return an array in another dtype.

    Args:
        x: An array, a number, or a nested sequence of numbers.
        dtype: A name such as ``"float32"``, or a dtype of any library.

    Returns:
        An array of that dtype; the same object if `x` has it already.

    Raises:
        InvalidArgumentError: If the library has no such dtype.

    Example:
        >>> cast([True, False], "float32")
        array([1., 0.], dtype=float32)
    """
    xp, (array,) = together(x)
    return astype(array, _named("cast", xp, dtype))


def dtype(x: ArrayLike) -> str:
    """Return the name of an array's dtype, the same in every library.

    Args:
        x: An array, a number, or a nested sequence of numbers.

    Returns:
        A name such as ``"float32"`` or ``"bfloat16"``.

    Example:
        >>> dtype([1.0, 2.0])
        'float32'
    """
    return dtype_name(convert_to_tensor(x))


def shape(x: ArrayLike) -> tuple[int, ...]:
    """Return the size of each axis.

    Args:
        x: An array, a number, or a nested sequence of numbers.

    Returns:
        One int an axis.

    Example:
        >>> shape([[1.0, 2.0, 3.0]])
        (1, 3)
    """
    return tuple(convert_to_tensor(x).shape)


def ndim(x: ArrayLike) -> int:
    """Return how many axes there are.

    Args:
        x: An array, a number, or a nested sequence of numbers.

    Returns:
        The number of axes.

    Example:
        >>> ndim([[1.0, 2.0, 3.0]])
        2
    """
    return len(shape(x))


def size(x: ArrayLike) -> int:
    """Return how many elements there are.

    Args:
        x: An array, a number, or a nested sequence of numbers.

    Returns:
        The number of elements, as an int.

    Example:
        >>> size([[1.0, 2.0, 3.0]])
        3
    """
    return math.prod(shape(x))


def zeros_like(x: ArrayLike, dtype: Any = None) -> Array:
    """Return zeros, in the shape and on the device of another array.

    Args:
        x: The array to be like.
        dtype: The dtype of the result, by default that of `x`.

    Returns:
        An array of the library of `x`.

    Raises:
        InvalidArgumentError: If the library has no such dtype.

    Example:
        >>> zeros_like([1.0, 2.0])
        array([0., 0.], dtype=float32)
    """
    return full_like(x, 0, dtype)


def ones_like(x: ArrayLike, dtype: Any = None) -> Array:
    """Return ones, in the shape and on the device of another array.

    Args:
        x: The array to be like.
        dtype: The dtype of the result, by default that of `x`.

    Returns:
        An array of the library of `x`.

    Raises:
        InvalidArgumentError: If the library has no such dtype.

    Example:
        >>> ones_like([[1, 2]], dtype="float64")
        array([[1., 1.]])
    """
    return full_like(x, 1, dtype)


def full_like(x: ArrayLike, fill_value: float, dtype: Any = None) -> Array:
    """Return one value everywhere, in the shape and on the device of another array.

    Args:
        x: The array to be like.
        fill_value: The value, a number.
        dtype: The dtype of the result, by default that of `x`.

    Returns:
        An array of the library of `x`.

    Raises:
        InvalidArgumentError: If the library has no such dtype.

    Example:
        >>> full_like([1.0, 2.0], 0.5)
        array([0.5, 0.5], dtype=float32)
    """
    xp, (array,) = together(x)
    made = array.dtype if dtype is None else _named("full_like", xp, dtype)
    return xp.full_like(array, fill_value, dtype=made)
