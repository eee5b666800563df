"""The outputs of a model, each under its name, and what goes with each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from feasible.arguments import InvalidArgumentError


def flat_outputs(nest: Any, names: Sequence[str | None]) -> list[Any]:
    """Return what belongs to each output, in order.

    Args:
        nest: Tensors: one, a list of them, or a dict by the outputs' names; nests of these.
        names: The outputs' names, in order.

    Returns:
        A tensor, or None, for each output; fewer or more where the nest has those.
    """
    if isinstance(nest, dict):
        ordered = [*nest] if set(nest) != set(names) else [name for name in names if name]
        return [one for name in ordered for one in flat_outputs(nest[name], names)]
    if isinstance(nest, list | tuple):
        return [one for part in nest for one in flat_outputs(part, names)]
    return [nest]


def by_output(nest: Any, names: Sequence[str | None]) -> list[Any]:
    """Return what was given for each output: by names of outputs, or in their order.

    Args:
        nest: What `flat_outputs` takes; a dict may lack outputs.
        names: The outputs' names, in order.

    Returns:
        A tensor, or None, for each output; fewer or more where the nest has those.

    Example:
        >>> by_output({"b": 1}, ["a", "b"])
        [None, 1]
    """
    if isinstance(nest, dict) and set(nest) <= set(names):
        return [nest.get(name) for name in names]
    return flat_outputs(nest, names)


def names_of_outputs(y_pred: Any, known: Sequence[str]) -> list[str | None]:
    """Return the names of a model's outputs.

    Args:
        y_pred: What the model returned.
        known: The names that the model knows of: those of the layers that they come from.

    Returns:
        A name for each output: a dict's keys, or those of the layers; None where there is none.
    """
    if isinstance(y_pred, dict) and all(isinstance(one, Tensor) for one in y_pred.values()):
        return list(known) if set(known) == set(y_pred) else list(y_pred)
    count = len(flat_outputs(y_pred, known))
    return list(known) if len(known) == count else [None] * count


def for_each_output(
    argument: str, given: Any, names: Sequence[str | None], *, shared: bool = False
) -> list[Any]:
    """Return what one of `compile`'s arguments has for each output.

    Args:
        argument: The argument's name.
        given: A list with an entry for each output, a dict by the outputs' names, or one for all.
        names: The outputs' names.
        shared: Whether one that is given is for all outputs.

    Returns:
        An entry for each output; None where there is none.

    Raises:
        InvalidArgumentError: If it does not fit the outputs.

    Example:
        >>> for_each_output("loss", {"b": "mse"}, ["a", "b"])
        [None, 'mse']
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, dict) and not _is_config(given):
        if unknown := [key for key in given if key not in names]:
            allowed = f"a dict with keys among the outputs' names: {', '.join(map(str, names))}"
            raise InvalidArgumentError("compile", argument, unknown[0], allowed)
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple) and (len(names) > 1 or len(given) == 1):
        if len(given) != len(names):
            allowed = f"a list with an entry for each of the {len(names)} outputs"
            raise InvalidArgumentError("compile", argument, given, allowed)
        return list(given)
    if shared or len(names) == 1:
        return [given] * len(names)
    allowed = f"a list or a dict with entries for the outputs: {', '.join(map(str, names))}"
    raise InvalidArgumentError("compile", argument, given, allowed)


def _is_config(given: dict[Any, Any]) -> bool:
    """Say whether a dict is what Keras writes of an object, rather than one of outputs."""
    return "class_name" in given
