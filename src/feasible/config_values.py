"""Values of a constructor's arguments, in the form in which Keras's JSON holds them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError

# The dtypes of arrays that a config may hold: one of texts can ask for any amount of memory.
_KINDS = "fiub"


def encode_value(
    owner: str, argument: str, value: Any, nested: Callable[[Any], Any] | None = None
) -> Any:
    """Return an argument's value in a form that JSON can hold.

    Args:
        owner: Whose argument it is, for the message.
        argument: Its name.
        value: None, a string, a number, an array, or a list, tuple or dict of such.
        nested: What to write for a function or an object that can be called, if there may be one.

    Returns:
        Lists for tuples, and for an array what Keras writes for one.

    Raises:
        InvalidArgumentError: If it is of another type, or an array of complex numbers or objects.

    Example:
        >>> encode_value("Box", "upper", np.ones(2, np.float32))["config"]
        {'value': [1.0, 1.0], 'dtype': 'float32'}
    """
    if isinstance(value, np.generic):
        value = value.item() if value.dtype.kind in _KINDS else np.asarray(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [encode_value(owner, argument, item, nested) for item in value]
    if isinstance(value, dict):
        return {key: encode_value(owner, argument, item, nested) for key, item in value.items()}
    if isinstance(value, np.ndarray) and _is_numeric(value.dtype):
        return {
            "class_name": "__numpy__",
            "config": {"value": _numbers(value.tolist()), "dtype": value.dtype.name},
        }
    if nested is not None and callable(value):
        return nested(value)
    raise InvalidArgumentError(
        owner, argument, value, "what JSON can hold: numbers, strings, and lists or arrays of them"
    )


def decode_value(value: Any) -> Any:
    """Return an argument's value from the form in which JSON holds it.

    Args:
        value: What `encode_value` returned, or Keras wrote.

    Returns:
        Arrays and tuples for what Keras marks as such, also within lists and dicts.

    Raises:
        ValueError: If what is marked as an array is none of numbers.

    Example:
        >>> decode_value({"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "int8"}})
        array([1, 2], dtype=int8)
    """
    if isinstance(value, list):
        return [*map(decode_value, value)]
    if not isinstance(value, dict):
        return value
    name, config = value.get("class_name"), value.get("config")
    if name in ("__numpy__", "__tensor__") and isinstance(config, dict):
        return _array(config)
    if name == "__tuple__":  # of Keras 2, as a list: constructors take either
        return decode_value(value.get("items"))
    return {key: decode_value(item) for key, item in value.items()}


def _array(config: dict[str, Any]) -> np.ndarray[Any, Any]:
    name = config.get("dtype")
    try:
        # Each number of bfloat16, which NumPy has only where it is added, is one of float32.
        dtype = np.dtype("float32" if name == "bfloat16" else str(name))
        if dtype.kind not in _KINDS:
            raise TypeError("it is none of numbers")
        return np.array(config.get("value"), dtype=dtype)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"What is marked as an array of {name!r:.80} is none: {error}") from error


def _numbers(values: Any) -> Any:
    """Return numbers; texts for infinities and NaN, which JSON does not have, but NumPy reads."""
    if isinstance(values, list):
        return [*map(_numbers, values)]
    return values if math.isfinite(values) else str(values)


def _is_numeric(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in _KINDS or dtype.name == "bfloat16"
