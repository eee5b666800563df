"""A model's weights in a file: of safetensors by the state_dict's names, or as Keras keeps them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from feasible.archives import ArchiveError, WeightSpec
from feasible.archives.weights_file import read_weights, write_weights
from feasible.arguments import InvalidArgumentError
from feasible.layers import Layer
from feasible.layers.tensors import as_tensor
from feasible.layouts import ParameterLayout
from feasible.models.weight_groups import archive_groups
from feasible.replacing import replacing

_OF_KERAS = ".weights.h5"


def save_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Save a model's weights, states included.

    A file that is there is replaced when the new one is whole.

    Args:
        model: The model.
        path: Where to: a path that ends in ``.safetensors``, or in ``.weights.h5`` for the file
            that Keras 3 reads.

    Raises:
        ValueError: If a layer has no weights yet, because no input has been seen.
        InvalidArgumentError: If the path cannot be used.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> model = nn.Linear(3, 2)
        >>> with TemporaryDirectory() as folder:
        ...     save_weights(model, Path(folder, "m.safetensors"))
        ...     load_weights(model, Path(folder, "m.safetensors"))
    """
    _check_suffix("save_weights", path)
    check_built(model, "saved")
    if os.fspath(path).endswith(_OF_KERAS):
        groups = archive_groups(model, {})  # type: ignore[arg-type]
        arrays = {name: [as_array(view) for _, view in one.views] for name, one in groups.items()}
        with replacing(path) as file:
            write_weights(file, arrays, {name: one.name for name, one in groups.items()})
        return
    # The format holds each tensor in one piece, and none twice.
    tensors = {name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}
    content = safetensors.torch.save(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, {"format": "pt"}
    )
    with replacing(path) as file:
        file.write(content)


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load a model's weights from a file, all of them or none.

    Args:
        model: The model, of the architecture that was saved.
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ArchiveError: If it is not a whole safetensors file.
        ValueError: If its names, shapes or kinds of dtype are not the model's; no weight is
            changed then.
        InvalidArgumentError: If the path ends in neither.
    """
    _check_suffix("load_weights", path)
    source = os.fspath(path)
    if Path(path).is_dir():
        raise ArchiveError(source, "it is a folder, and must be a safetensors file.")
    check_built(model, "loaded")
    if source.endswith(_OF_KERAS):
        _load_of_keras(model, source)
        return
    wanted = model.state_dict()
    try:
        with safe_open(source, framework="pt") as file:
            names = file.keys()
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            _check_names_and_shapes(source, wanted, shapes)
            tensors = {name: file.get_tensor(name) for name in wanted}
    except SafetensorError as error:
        raise ArchiveError(
            source, f"it is not a whole safetensors file ({error}). Save the weights again."
        ) from error
    for name, tensor in tensors.items():
        _check_kind(source, name, wanted[name], tensor)
    model.load_state_dict(tensors)


def _load_of_keras(model: nn.Module, source: str) -> None:
    groups = archive_groups(model, {})  # type: ignore[arg-type]
    wanted = {name: [spec_of(*pair) for pair in one.views] for name, one in groups.items()}
    arrays = read_weights(Path(source).read_bytes(), wanted, source)
    for name, one in groups.items():
        for (_, view), array in zip(one.views, arrays[name], strict=True):
            view.copy_(as_tensor(as_weight(array)))


def spec_of(layout: ParameterLayout, view: Tensor) -> WeightSpec:
    """Return what a weight must be in a file of Keras's.

    Args:
        layout: What it is to its layer.
        view: The weight in Keras layout.

    Returns:
        Its role, shape and dtype.
    """
    return WeightSpec(layout.role, tuple(view.shape), str(view.dtype).removeprefix("torch."))


def as_array(view: Tensor) -> NDArray[Any]:
    """Return a weight as an array; the two bytes of bfloat16, which NumPy lacks, as they are.

    Args:
        view: The weight.

    Returns:
        An array, of dtype V2 for bfloat16.
    """
    # PyTorch transposes faster than NumPy, which would have to when the file is written.
    view = view.cpu().contiguous()
    if view.dtype == torch.bfloat16:
        return view.view(torch.int16).numpy().view("V2")
    return view.numpy()


def as_weight(array: NDArray[Any]) -> Tensor | NDArray[Any]:
    """Return what `as_array` made of a weight.

    Args:
        array: The array.

    Returns:
        The weight; a tensor for bfloat16.
    """
    if array.dtype == "V2":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return array


def check_built(model: nn.Module, verb: str) -> None:
    """Raise if a layer's weights are not made yet.

    Args:
        model: The model.
        verb: What is to be done to it, for the message.

    Raises:
        ValueError: If a layer that has weights has seen no input.
    """
    names = [
        layer.name
        for layer in model.modules()
        if isinstance(layer, Layer) and not layer.built and type(layer).build is not Layer.build
    ]
    if names:
        raise ValueError(
            f"Weights cannot be {verb} before they are made, when the first input is seen. Call "
            f"the model on an input first. Not built: {', '.join(names)}."
        )


def _check_suffix(owner: str, path: str | os.PathLike[str]) -> None:
    if not os.fspath(path).endswith((_OF_KERAS, ".safetensors")):
        allowed = "one that ends in .weights.h5 or .safetensors"
        raise InvalidArgumentError(owner, "path", os.fspath(path), allowed)


def _check_names_and_shapes(
    source: str, wanted: dict[str, Tensor], shapes: dict[str, tuple[int, ...]]
) -> None:
    problems = {
        "it lacks": [name for name in wanted if name not in shapes],
        "it has besides": [name for name in shapes if name not in wanted],
        "it has in another shape": [
            f"{name}, {shapes[name]} for {tuple(tensor.shape)}"
            for name, tensor in wanted.items()
            if shapes.get(name, tensor.shape) != tensor.shape
        ],
    }
    found = [f"{what} {', '.join(names)}" for what, names in problems.items() if names]
    if found:
        raise ValueError(
            f"{source}: it does not hold this model's weights, which stay as they are: "
            f"{'; '.join(found)}."
        )


def _check_kind(source: str, name: str, wanted: Tensor, found: Tensor) -> None:
    if wanted.is_floating_point() != found.is_floating_point():
        raise ValueError(
            f"{source}: {name} must be of dtype {wanted.dtype}, and is of {found.dtype}. The "
            "model's weights stay as they are."
        )
