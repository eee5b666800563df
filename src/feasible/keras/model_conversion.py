"""Models go to Keras and come from Keras in memory, with their weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feasible.arguments import InvalidArgumentError
from feasible.layers.input import InputLayer
from feasible.layers.symbolic import Operation
from feasible.models.model import Model
from feasible.models.model_config import model_config, model_from_config
from feasible.models.sequential import Sequential
from feasible.models.weight_files import check_built
from feasible.registry import CustomObjects
from feasible.requirements import require


def to_keras(model: Model, custom_objects: CustomObjects | None = None) -> Any:
    """Return a model of Keras's own, on its active backend, with the weights of one of ours.

    It is what Keras would load from the model's archive: constraints that Keras has become its own,
    with the axes that ``"unit"`` stands for, and others stay ours.

    Args:
        model: The model, built.
        custom_objects: Keras's classes for layers of your own, by name.

    Returns:
        A `keras.Sequential` or functional model, not compiled.

    Raises:
        ValueError: If it is no built Sequential or functional model of layers that Keras has.

    Example:
        >>> from feasible.layers import Dense
        >>> model = to_keras(Sequential([Dense(2, kernel_constraint="non_neg", input_shape=(3,))]))
        >>> model.output_shape
        (None, 2)
    """
    require("to_keras", "keras", "keras")
    import keras

    check_built(model, "taken to Keras")
    config = model_config(model)
    result = keras.saving.deserialize_keras_object(config, custom_objects=custom_objects)
    for ours, theirs in _pairs(model, result):
        theirs.set_weights(ours.get_weights())
    return result


def from_keras(model: Any, custom_objects: CustomObjects | None = None) -> Model:
    """Return a model of ours with the weights of one of Keras's, from whichever backend.

    Args:
        model: A `keras.Sequential` or a functional model; built.
        custom_objects: Layers, constraints, initializers and activations of your own, by name.

    Returns:
        The model, in evaluation mode and not compiled.

    Raises:
        InvalidArgumentError: If it is not a built model of Keras's.
        ValueError: If a layer is not known here; it names the layer.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> from_keras(model).output_shape
        (None, 2)
    """
    require("from_keras", "keras", "keras")
    import keras

    if not isinstance(model, keras.Model) or not model.built:
        raise InvalidArgumentError("from_keras", "model", model, "a keras.Model that is built")
    # As JSON has it, so that what is written to files is all there is to it.
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    result = model_from_config(config, custom_objects or {})
    for ours, theirs in _pairs(result, model):
        ours.set_weights([*map(_in_numpy, theirs.get_weights())])
    return result.eval()


def _in_numpy(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of a dtype that is NumPy's own, as PyTorch takes no other."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _pairs(ours: Model, theirs: Any) -> Iterator[tuple[Any, Any]]:
    """Return the layers of both models side by side, those of models within them instead."""
    of_ours = [one for one in ours.layers if not isinstance(one, InputLayer | Operation)]
    of_theirs = [one for one in theirs.layers if type(one).__name__ != "InputLayer"]
    by_name = {one.name: one for one in of_theirs}
    is_named = not isinstance(ours, Sequential)
    for place, own in enumerate(of_ours):
        other = by_name[own.name] if is_named else of_theirs[place]
        if isinstance(own, Model):
            yield from _pairs(own, other)
        else:
            yield own, other
