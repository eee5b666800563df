"""Inputs, labels and weights: arrays in nests, and what a batch is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from feasible.arguments import InvalidArgumentError, check_number
from feasible.layers.symbolic import leaves
from feasible.layers.tensors import as_tensor

# A batch's inputs, labels and weights; the latter may be None.
LabelledBatch = tuple[Any, Any, Tensor | None]

ALLOWED = (
    "an array, a tensor, a list or dict of these, a Dataset or DataLoader of torch.utils.data, a "
    "PyDataset, a generator, or something else that yields batches"
)


def map_tensors(function: Callable[[Any], Any], data: Any) -> Any:
    """Apply a function to each array in tuples, lists and dicts.

    Args:
        function: From an array to what takes its place.
        data: An array, or a nest of them; None stays.

    Returns:
        The same nest, with tuples for lists.

    Example:
        >>> map_tensors(len, {"a": "xy", "b": ["z", None]})
        {'a': 2, 'b': (1, None)}
    """
    if data is None:
        return None
    if isinstance(data, dict):
        return {name: map_tensors(function, item) for name, item in data.items()}
    if isinstance(data, list | tuple):
        return tuple(map_tensors(function, item) for item in data)
    return function(data)


def arrays_in(data: Any) -> list[Any]:
    """Return the arrays in tuples, lists and dicts.

    Args:
        data: An array, or a nest of them.

    Returns:
        The arrays, in order.
    """
    return [one for one in leaves(data) if one is not None]


def to_tensors(argument: str, data: Any) -> Any:
    """Return data with tensors for arrays; NumPy's float64 becomes PyTorch's default dtype.

    Args:
        argument: The data's name, for the message.
        data: An array, or a nest of them.

    Returns:
        The same nest, with tensors in it.

    Raises:
        InvalidArgumentError: If there is something in it that is not an array with a batch axis.
    """

    def convert(value: Any) -> Tensor:
        if isinstance(value, Tensor):
            return value
        array = np.asarray(value)
        if array.ndim == 0 or array.dtype.kind not in "biufc":
            raise InvalidArgumentError("data", argument, value, ALLOWED)
        tensor = as_tensor(array)
        return tensor.to(torch.get_default_dtype()) if tensor.dtype == torch.float64 else tensor

    return map_tensors(convert, data)


def check_arrays(x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, ...]:
    """Return inputs, labels and weights in memory as tensors, those at the end that are None off.

    Args:
        x: The inputs.
        y: The labels, or None.
        sample_weight: A weight for each sample, or None.

    Returns:
        One to three tensors, or nests of them, of one length.

    Raises:
        InvalidArgumentError: If they are not arrays of one length, or there are no samples.
    """
    data = {"x": _only(x), "y": _only(y), "sample_weight": _only(sample_weight)}
    arrays = {name: to_tensors(name, value) for name, value in data.items()}
    lengths = {
        name: sorted({len(array) for array in arrays_in(value)}) for name, value in arrays.items()
    }
    if not lengths["x"]:
        raise InvalidArgumentError("data", "x", x, ALLOWED)
    if len({length for found in lengths.values() for length in found}) != 1 or not lengths["x"][0]:
        shown = ", ".join(f"{name} of {found}" for name, found in lengths.items() if found)
        raise ValueError(f"All arrays must have one length, of at least 1. Received: {shown}.")
    used = 3 if sample_weight is not None else 2 if y is not None else 1
    return tuple(arrays.values())[:used]


def _only(data: Any) -> Any:
    """Return the only array of a list; anything else as it is."""
    while isinstance(data, list | tuple) and len(data) == 1 and not _is_number(data[0]):
        data = data[0]
    return data


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0 and not isinstance(value, dict) and value is not None


def split_off_validation(
    x: Any, y: Any, sample_weight: Any, validation_split: float
) -> tuple[LabelledBatch, LabelledBatch]:
    """Set the last samples aside, before any shuffling.

    Args:
        x: The inputs, in memory.
        y: The labels, or None.
        sample_weight: A weight for each sample, or None.
        validation_split: The fraction to set aside, above 0 and below 1.

    Returns:
        Inputs, labels and weights of what stays, and of what is set aside.

    Raises:
        InvalidArgumentError: If the fraction cannot be used, or the data is not in memory.
        ValueError: If one of the parts would be empty.
    """
    fraction = check_number("fit", "validation_split", validation_split, minimum=0, maximum=1)
    if isinstance(x, Dataset | DataLoader):
        raise InvalidArgumentError(
            "fit",
            "validation_split",
            validation_split,
            f"0: a {type(x).__name__} cannot be split. Pass validation_data",
        )
    arrays = check_arrays(x, y, sample_weight)
    count = len(arrays_in(arrays)[0])
    kept = math.floor(count * (1 - fraction))
    if not 0 < kept < count:
        raise ValueError(
            f"`validation_split` must leave a sample on either side. Received: {validation_split} "
            f"of {count} samples."
        )
    first = map_tensors(lambda array: array[:kept], arrays)
    last = map_tensors(lambda array: array[kept:], arrays)
    return unpack(first), unpack(last)


def unpack(batch: Any) -> LabelledBatch:
    """Return a batch's inputs, labels and weights.

    Args:
        batch: Inputs, or a tuple or list of inputs, labels and weights, the latter optional.

    Returns:
        The three, None where there is none.

    Raises:
        ValueError: If the tuple has more than three parts.

    Example:
        >>> unpack([1, 2])
        (1, 2, None)
    """
    if not isinstance(batch, tuple | list):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            "A batch must be inputs, or a tuple of inputs, labels and weights, the latter two "
            f"optional. Received: a tuple of {len(batch)}."
        )
    return (*batch, *(None,) * (3 - len(batch)))


def concatenate_outputs(outputs: list[Any]) -> Any:
    """Return the outputs for several batches as one.

    Args:
        outputs: Tensors, or nests of them, each with its batch first.

    Returns:
        NumPy arrays, in the same nest.
    """
    first = outputs[0]
    if isinstance(first, dict):
        return {name: concatenate_outputs([output[name] for output in outputs]) for name in first}
    if isinstance(first, list | tuple):
        parts = [concatenate_outputs(list(part)) for part in zip(*outputs, strict=True)]
        return parts if isinstance(first, list) else tuple(parts)
    whole = (torch.cat(outputs) if len(outputs) > 1 else first).detach().cpu()
    if whole.grad_fn is None and len(outputs) == 1:
        whole = whole.clone()  # an array of its own, whatever the model gives back
    # NumPy has no bfloat16.
    return (whole.float() if whole.dtype == torch.bfloat16 else whole).numpy()
