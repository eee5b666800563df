"""Saves models as Keras's own archives, and loads what Keras saved."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from feasible.archives import (
    Archive,
    ArchiveError,
    LegacyFile,
    open_archive,
    write_archive,
)
from feasible.arguments import InvalidArgumentError
from feasible.layers.symbolic import Operation
from feasible.layers.tensors import as_tensor
from feasible.models.layer_config import UNSUITABLE
from feasible.models.model import Model
from feasible.models.model_config import model_config, model_from_config
from feasible.models.operation_config import is_operation
from feasible.models.sequential import Sequential
from feasible.models.weight_files import as_array, as_weight, check_built, spec_of
from feasible.models.weight_groups import Group, archive_groups, legacy_groups
from feasible.object_json import FUNCTION, object_entry
from feasible.registry import CustomObjects
from feasible.replacing import replacing

# What Keras keeps of `compile` that does not change what is computed.
_WITHOUT_EFFECT = ("run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss")


def save_model(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Save a model as a Keras archive, which Keras 3 opens too.

    Constraints are saved with the layers; ``axis="unit"`` as the axes it stands for. Those that
    Keras lacks, such as `RadialConstraint`, it loads where `feasible.keras` is imported.
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
    config = model_config(model)
    groups = archive_groups(model, {})  # type: ignore[arg-type]
    weights = {path: [as_array(view) for _, view in group.views] for path, group in groups.items()}
    names = {path: group.name for path, group in groups.items()}
    with replacing(path) as file:
        write_archive(file, config, weights, names)


def load_model(
    path: str | os.PathLike[str],
    custom_objects: CustomObjects | None = None,
    compile: bool = True,  # noqa: A002  Keras's name
) -> Model:
    """Load a model that `save`, or Keras, saved.

    It must be a Sequential or a functional model. Of Keras 3 it may be an archive, of Keras 2 an
    HDF5 file.

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
        ArchiveError: If it is not such a file, whole, of layers that are known here.
    """
    known = custom_objects or {}
    with open_archive(path) as archive:
        source = archive.config_source
        if isinstance(archive, LegacyFile) and archive.keras_version < "3":
            _check_activations(archive.config, source)
        # What takes no memory shows which sizes the config implies, before any is taken.
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sketch = _model(archive.config, known, source)
        wanted = {
            name: [spec_of(*pair) for pair in group.views]
            for name, group in _groups(archive, sketch).items()
        }
        weights = archive.read_weights(wanted)
    model = _model(archive.config, known, source)
    for name, group in _groups(archive, model).items():
        for (_, view), array in zip(group.views, weights[name], strict=True):
            view.copy_(as_tensor(as_weight(array)))
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


def _model(config: dict[str, Any], custom_objects: CustomObjects, source: str) -> Model:
    try:
        return model_from_config(config, custom_objects)
    except ValueError as error:
        raise ArchiveError(source, str(error)) from error


def _check_activations(config: Any, source: str) -> None:
    """Raise if a config of Keras 2 names a function that is another one in Keras 3."""
    parts = [config]
    while parts:
        part = parts.pop()
        named = part.items() if isinstance(part, dict) else ()
        if any(key.endswith("activation") and one == "hard_sigmoid" for key, one in named):
            raise ArchiveError(
                source,
                f"the layer {part.get('name')!r} uses Keras 2's 'hard_sigmoid', clip(0.2 * x + 0.5,"
                " 0, 1), which is not Keras 3's. Save the model with that as a function of your "
                "own, under another name, and pass it as a custom object.",
            )
        parts.extend(part.values() if isinstance(part, dict) else part)
        parts = [one for one in parts if isinstance(one, dict | list)]


def _groups(archive: Archive | LegacyFile, model: Model) -> dict[str, Group]:
    """Return the weights of a model by where the file has them."""
    if isinstance(archive, LegacyFile):
        return legacy_groups(model)
    return archive_groups(model, dict(_class_names(model, archive.config)))


def _class_names(model: Model, entry: dict[str, Any]) -> Iterator[tuple[nn.Module, str]]:
    """Return what the layers' classes are called in a config, as a custom object may be."""
    entries = [one for one in entry["config"]["layers"] if not is_operation(one)]
    if isinstance(model, Sequential):
        entries = [one for one in entries if one["class_name"] != "InputLayer"]
    layers = [layer for layer in model.layers if not isinstance(layer, Operation)]
    by_name = dict(zip(model.layer_names, model.layers, strict=True))
    for place, one in enumerate(entries):
        layer = by_name.get(str(one.get("name")), layers[place])
        yield layer, one["class_name"]
        if isinstance(layer, Model):
            yield from _class_names(layer, one)


def _compile_arguments(config: dict[str, Any], custom_objects: CustomObjects) -> dict[str, Any]:
    """Return what Keras's `compile` was given as arguments of ours."""
    arguments = {}
    for name, value in config.items():
        if name == "metrics" and isinstance(value, list):
            arguments[name] = [_named(one, custom_objects) for one in value]
        elif name in ("optimizer", "loss", "metrics"):
            arguments[name] = _named(value, custom_objects)
        elif value is not None and name not in _WITHOUT_EFFECT:
            raise ValueError(f"there is no argument {name!r}, which is {value!r:.80}")
    return arguments


def _named(value: Any, custom_objects: CustomObjects) -> Any:
    """Return a custom object, or the name of what Keras describes by no more than that."""
    if isinstance(value, str):
        return custom_objects.get(value, value)
    if not isinstance(value, dict):
        return value
    one = object_entry("argument", value)
    found = next((custom_objects[name] for name in one.names if name in custom_objects), None)
    if one.class_name == FUNCTION:
        return found or one.config
    if found is not None and hasattr(found, "from_config"):
        return found.from_config(one.config)
    return one.class_name if set(one.config) <= {"name", "dtype"} else value
