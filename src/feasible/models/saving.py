"""Saves models as Keras's own archives, and loads such archives."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError
from feasible.keras import ArchiveError, WeightSpec, open_archive, write_archive
from feasible.layers import Layer
from feasible.layers.configs import snake_case
from feasible.models.layer_config import UNSUITABLE, CustomObjects, custom_object
from feasible.models.sequential import Sequential
from feasible.models.sequential_config import sequential_config, sequential_from_config
from feasible.models.weights import check_built
from feasible.replacing import replacing

# What Keras keeps of `compile` that does not change what is computed.
_WITHOUT_EFFECT = ("run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss")


def save_model(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Save a Sequential as a Keras archive, which Keras 3 opens too.

    Constraints are saved with the layers; ``axis="unit"`` as the axes it stands for. Those that
    Keras lacks, such as `RadialConstraint`, must be passed to its `load_model` as custom objects.
    How the model was compiled is not saved, nor the state of its optimizer. A file that is there is
    replaced when the new one is whole.

    Args:
        model: The model.
        path: Where to: a path that ends in ``.keras``.

    Raises:
        ValueError: If it is not a Sequential of layers, is not built, or holds something that could
            not be loaded back, such as a lambda.
        InvalidArgumentError: If the path cannot be used.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from feasible.layers import Dense
        >>> model = Sequential([Dense(2, kernel_constraint="non_neg", input_shape=(3,))])
        >>> with TemporaryDirectory() as folder:
        ...     save_model(model, Path(folder, "m.keras"))
        ...     load_model(Path(folder, "m.keras")).layers[0].kernel_constraint
        NonNeg()
    """
    if Path(path).suffix != ".keras":
        raise InvalidArgumentError("save", "path", os.fspath(path), "one that ends in .keras")
    check_built(model, "saved")
    config = sequential_config(model)
    groups = {"": model, **dict(_groups(model))}
    weights = {
        group: [_array(view) for _, view in layer.weight_views()]
        if isinstance(layer, Layer)
        else []
        for group, layer in groups.items()
    }
    names = {group: str(layer.name) for group, layer in groups.items()}
    with replacing(path) as file:
        write_archive(file, config, weights, names)


def load_model(
    path: str | os.PathLike[str],
    custom_objects: CustomObjects | None = None,
    compile: bool = True,  # noqa: A002  Keras's name
) -> Sequential:
    """Load a Sequential that `save`, or Keras 3, saved.

    Names are looked up among what is known here, what was registered and the custom objects.
    Nothing that the file names is imported, and nothing in it is run.

    Args:
        path: The file.
        custom_objects: Layers, constraints, initializers, activations, losses and metrics of your
            own, by name. Layers are built twice: first on PyTorch's meta device, to see their
            weights' shapes.
        compile: Whether to compile the model as Keras had. The optimizer begins anew.

    Returns:
        The model, in evaluation mode.

    Raises:
        FileNotFoundError: If there is no such file.
        ArchiveError: If it is not a whole Keras archive of a Sequential of layers that are known
            here.
    """
    known = custom_objects or {}
    with open_archive(path) as archive:
        source = f"{archive.source}: config.json"
        # What takes no memory shows which sizes the config implies, before any is taken.
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sketch = _model(archive.config, known, source)
        weights = archive.read_weights({group: _specs(layer) for group, layer in _groups(sketch)})
    model = _model(archive.config, known, source)
    for group, layer in _groups(model):
        if isinstance(layer, Layer):
            layer.set_weights([_tensor(array) for array in weights[group]])
    if compile and archive.config.get("compile_config"):
        try:
            model.compile(**_compile_arguments(archive.config["compile_config"], known))
        except UNSUITABLE as error:
            raise ArchiveError(
                source,
                f"the model cannot be compiled as it was ({error}). Pass compile=False, and "
                "compile it yourself.",
            ) from error
    return model.eval()


def _model(config: dict[str, Any], custom_objects: CustomObjects, source: str) -> Sequential:
    try:
        return sequential_from_config(config, custom_objects)
    except ValueError as error:
        raise ArchiveError(source, str(error)) from error


def _groups(model: Any, prefix: str = "layers") -> Iterator[tuple[str, Any]]:
    """Return the layers by where Keras keeps their weights: by class, counted, not by name."""
    used: Counter[str] = Counter()
    for layer in model.layers:
        stem = snake_case(type(layer).__name__)
        group = f"{prefix}/{stem}_{used[stem]}" if used[stem] else f"{prefix}/{stem}"
        used[stem] += 1
        yield group, layer
        if isinstance(layer, Sequential):
            yield from _groups(layer, f"{group}/layers")


def _specs(layer: nn.Module) -> list[WeightSpec]:
    views = layer.weight_views() if isinstance(layer, Layer) else ()
    return [
        WeightSpec(layout.role, tuple(view.shape), str(view.dtype).removeprefix("torch."))
        for layout, view in views
    ]


def _array(view: Tensor) -> NDArray[Any]:
    """Return a weight as an array; the two bytes of bfloat16, which NumPy lacks, as they are."""
    # PyTorch transposes faster than NumPy, which would have to when the file is written.
    view = view.cpu().contiguous()
    if view.dtype == torch.bfloat16:
        return view.view(torch.int16).numpy().view("V2")
    return view.numpy()


def _tensor(array: NDArray[Any]) -> Tensor | NDArray[Any]:
    """Return what `_array` made of a weight."""
    if array.dtype == "V2":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return array


def _compile_arguments(config: dict[str, Any], custom_objects: CustomObjects) -> dict[str, Any]:
    """Return what Keras's `compile` was given as arguments of ours."""
    arguments = {}
    for name, value in config.items():
        if name == "metrics" and isinstance(value, list):
            arguments[name] = [_named(custom_object(one, custom_objects)) for one in value]
        elif name in ("optimizer", "loss", "metrics"):
            arguments[name] = _named(custom_object(value, custom_objects))
        elif value is not None and name not in _WITHOUT_EFFECT:
            raise ValueError(f"there is no argument {name!r}, which is {value!r:.80}")
    return arguments


def _named(value: Any) -> Any:
    """Return the name of what Keras describes by no more than that, and anything else as it is."""
    if not isinstance(value, dict):
        return value
    name, config = value.get("class_name"), value.get("config")
    if name == "function":
        return config
    return name if isinstance(config, dict) and set(config) <= {"name", "dtype"} else value
