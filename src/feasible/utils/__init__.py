"""Small things of Keras's `utils`: labels, seeds, pictures of models."""

from __future__ import annotations

import os
import random
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feasible.utils.py_dataset import PyDataset

Sequence = PyDataset

__all__ = [
    "PyDataset",
    "Sequence",
    "normalize",
    "plot_model",
    "register_keras_serializable",
    "set_random_seed",
    "to_categorical",
]


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch when it is first asked for."""
    if name == "register_keras_serializable":
        from feasible.saving import register_keras_serializable

        return register_keras_serializable
    raise AttributeError(f"module 'feasible.utils' has no attribute {name!r}")


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float64]:
    """Return numbers of classes as one-hot rows.

    Args:
        x: The numbers, from 0; a last axis of size 1 is left out.
        num_classes: How many classes there are; None for one more than the largest number.

    Returns:
        An array with one more axis, of `num_classes`.

    Raises:
        ValueError: If a number is negative or not below `num_classes`.

    Example:
        >>> to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    numbers = np.asarray(x).astype(np.int64)
    if numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    count = num_classes or int(numbers.max(initial=-1)) + 1
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < count:
        raise ValueError(
            f"to_categorical: numbers of classes must be from 0 to num_classes - 1 = {count - 1}. "
            f"Received: numbers from {numbers.min()} to {numbers.max()}."
        )
    return np.eye(count)[numbers]


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> NDArray[Any]:
    """Return an array whose vectors along an axis have norm 1; zeros stay zeros.

    Args:
        x: The array.
        axis: The axis.
        order: The order of the norm.

    Returns:
        An array of the same shape.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    array = np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(array, order, axis, keepdims=True))
    return array / np.where(norms == 0, 1, norms)


def set_random_seed(seed: int) -> None:
    """Seed the random numbers of Python, NumPy and PyTorch.

    Args:
        seed: A number.
    """
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    dpi: int = 200,
) -> None:
    """Draw a model's layers, one after the other, with graphviz.

    Args:
        model: A model with `layers`.
        to_file: Where to: a path whose ending says the format.
        show_shapes: Whether to write the shape of what each layer takes, where it is known.
        show_layer_names: Whether to write layers' names.
        rankdir: The direction: ``"TB"`` down, ``"LR"`` to the right.
        dpi: Dots per inch.

    Raises:
        ImportError: If the package graphviz is not installed.
    """
    from feasible.requirements import require

    require("feasible.utils.plot_model", "plot", "graphviz")
    import graphviz

    graph = graphviz.Digraph(graph_attr={"rankdir": rankdir, "dpi": str(dpi)})
    for number, layer in enumerate(model.layers):
        words = [type(layer).__name__]
        words += [str(getattr(layer, "name", ""))] if show_layer_names else []
        words += [str(getattr(layer, "input_shape", ""))] if show_shapes else []
        graph.node(str(number), "\\n".join(words), shape="box")
        if number:
            graph.edge(str(number - 1), str(number))
    name, _, form = os.fspath(to_file).rpartition(".")
    graph.render(outfile=f"{name}.{form}", cleanup=True)
