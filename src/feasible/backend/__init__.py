"""What Keras's `backend` tells of numbers and names, as it is here."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

from feasible.arguments import check_choice

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]

_uids: Counter[str] = Counter()


def backend() -> str:
    """Return the library that models compute with.

    Returns:
        ``"torch"``.

    Example:
        >>> backend(), floatx(), epsilon()
        ('torch', 'float32', 1e-07)
    """
    return "torch"


def epsilon() -> float:
    """Return what keeps numbers away from zero.

    Returns:
        1e-7.
    """
    return 1e-7


def set_epsilon(value: float) -> None:
    """Take Keras's default.

    Args:
        value: 1e-7.

    Raises:
        InvalidArgumentError: If it is another number; losses and layers take one as an argument.
    """
    check_choice("set_epsilon", "value", value, (1e-7,))


def floatx() -> str:
    """Return the dtype of numbers that are given none.

    Returns:
        ``"float32"``.
    """
    return "float32"


def set_floatx(value: str) -> None:
    """Take Keras's default.

    Args:
        value: ``"float32"``.

    Raises:
        InvalidArgumentError: If it is another; a model is given one by `model.to(torch.float64)`.
    """
    check_choice("set_floatx", "value", value, ("float32",))


def image_data_format() -> str:
    """Return where images have their channels, unless a layer is told otherwise.

    Returns:
        ``"channels_last"``.
    """
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Take Keras's default.

    Args:
        data_format: ``"channels_last"``.

    Raises:
        InvalidArgumentError: If it is another; layers take it as an argument.
    """
    check_choice("set_image_data_format", "data_format", data_format, ("channels_last",))


def clear_session(free_memory: bool = True) -> None:
    """Forget the names that were given, and free what nothing refers to.

    Args:
        free_memory: Whether to look for what can be freed.
    """
    _uids.clear()
    if free_memory:
        gc.collect()


def get_uid(prefix: str = "") -> int:
    """Return how often a name was asked for.

    Args:
        prefix: The name.

    Returns:
        1 the first time.
    """
    _uids[prefix] += 1
    return _uids[prefix]


def standardize_dtype(dtype: Any) -> str:
    """Return the name of a dtype of any library.

    Args:
        dtype: A dtype, a name, or None for that of `floatx`.

    Returns:
        A name such as ``"float32"``.

    Example:
        >>> import numpy as np
        >>> standardize_dtype(np.float16), standardize_dtype("int")
        ('float16', 'int32')
    """
    if dtype is None:
        return floatx()
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    name = name.removeprefix("torch.")
    return {"int": "int32", "float": "float32", "half": "float16"}.get(name, name)


def is_float_dtype(dtype: Any) -> bool:
    """Return whether a dtype is one of floating numbers.

    Args:
        dtype: A dtype or a name.

    Returns:
        Whether it is.
    """
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """Return whether a dtype is one of integers.

    Args:
        dtype: A dtype or a name.

    Returns:
        Whether it is.
    """
    return standardize_dtype(dtype).startswith(("int", "uint"))
