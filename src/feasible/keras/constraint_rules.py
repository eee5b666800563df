"""Reads the constraints of a Keras model, as rules for a network of any framework."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from feasible.archives.archive import open_archive
from feasible.archives.errors import ArchiveError
from feasible.arguments import InvalidArgumentError
from feasible.constraints import deserialize
from feasible.constraints.base import is_whole_call

# What a layer's argument for a constraint is for, where it is not named as the weight's role is.
_ROLES = {name: f"{name}_kernel" for name in ("recurrent", "depthwise", "pointwise")}
# How many spatial axes there are in the kernel of a layer that has only a depthwise one.
_DEPTHWISE = {"DepthwiseConv1D": 1, "DepthwiseConv2D": 2}
_SUFFIX = "_constraint"


def rules_from(
    path: str | os.PathLike[str],
    names: Mapping[str, str] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> dict[tuple[str, str], Callable[[Any], Any]]:
    """Read the constraints of a model that Keras saved, whatever its layers are.

    Only the config is read, so that layers may be of any class, and of any graph. The rules go to
    `feasible.torch.constrain` with a network built anew: each selects a weight by the name of its
    module and by its role. Axes stay as they are, because they are counted in Keras's layout
    there. The layers of a model within the model are named as ``"inner.dense"``, and constraints of
    a layer that wraps another, such as `Bidirectional`, go by the wrapping layer's name.

    Args:
        path: An archive of Keras 3, or an HDF5 file of Keras 2.
        names: By the names of layers, those of the modules in the network built anew, where they
            differ.
        custom_objects: Constraints of your own by name, where they are not registered.

    Returns:
        Constraints by pairs of a module's name and a role, such as ``("dense", "kernel")``.

    Raises:
        FileNotFoundError: If there is no such file.
        ArchiveError: If it is not a model that Keras saved, the model's config does not list its
            layers, or a constraint is unknown.
        InvalidArgumentError: If a name in `names` is that of no layer with constraints.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import feasible
        >>> from feasible.layers import Dense
        >>> model = feasible.Sequential([Dense(2, kernel_constraint="non_neg", input_shape=(3,))])
        >>> with TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/m.keras")
        ...     rules_from(f"{folder}/m.keras", names={"dense": "fc1"})
        {('fc1', 'kernel'): NonNeg()}
    """
    names = names or {}
    with open_archive(path) as archive:
        config, source = archive.config, archive.config_source
    try:
        found = _rules(_of_model(config), custom_objects)
    except ValueError as error:
        raise ArchiveError(source, str(error)) from error
    layers = dict.fromkeys(layer for layer, _ in found)
    if unknown := [name for name in names if name not in layers]:
        raise InvalidArgumentError(
            "rules_from",
            "names",
            unknown[0],
            f"of layers that have constraints: {', '.join(layers) or 'there are none'}",
        )
    return {
        (names.get(layer, glob.escape(layer)), role): constraint
        for (layer, role), constraint in found.items()
    }


class _Argument(NamedTuple):
    """An argument of a layer that is a constraint: the layer's name and class, and its config."""

    layer: str
    kind: str
    weight: str
    config: Any


def _of_model(entry: Any, prefix: str = "") -> Iterator[_Argument]:
    """Return the constraints of a model's layers, those of models in it under its name."""
    config = entry.get("config") if isinstance(entry, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    if not isinstance(layers, list):
        raise ValueError(
            f"the model is a {entry.get('class_name')!r:.80}, whose config does not list its "
            "layers. Save the models that it is made of, one by one."
        )
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(inner := layer.get("config"), dict | list):
            raise ValueError(f"each layer must have a config. Received: {layer!r:.200}")
        name = inner.get("name") if isinstance(inner, dict) else None
        name = f"{prefix}{name or layer.get('name')}"
        if isinstance(inner, list) or isinstance(inner.get("layers"), list):
            yield from _of_model(layer, f"{name}.")
        else:
            yield from _of_layer(layer, name)


def _of_layer(entry: dict[str, Any], name: str) -> Iterator[_Argument]:
    """Return the constraints of a layer, and of layers and cells that are arguments of it."""
    for argument, value in entry["config"].items():
        if argument.endswith(_SUFFIX):
            weight = argument.removesuffix(_SUFFIX)
            yield _Argument(name, str(entry.get("class_name")), weight, value)
        else:
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict) and isinstance(part.get("config"), dict):
                    yield from _of_layer(part, name)


def _rules(
    arguments: Iterator[_Argument], custom_objects: Mapping[str, Any] | None
) -> dict[tuple[str, str], Callable[[Any], Any]]:
    found: dict[tuple[str, str], Callable[[Any], Any]] = {}
    for one in arguments:
        try:
            constraint = deserialize(one.config, custom_objects)
        except ValueError as error:
            raise ValueError(f"the {one.kind} {one.layer!r}, {one.weight}: {error}") from error
        if constraint is None:
            continue
        key = one.layer, _role(one, constraint)
        if found.setdefault(key, constraint) != constraint:
            raise ValueError(
                f"the layers in {one.layer!r} have several constraints on their {key[1]}: "
                f"{found[key]!r} and {constraint!r}. Write the rules by hand."
            )
    return found


def _role(argument: _Argument, constraint: Any) -> str:
    """Return the role of the weight, as a glob over roles."""
    spatial = _DEPTHWISE.get(argument.kind)
    # Elsewhere such a layer is a convolution in groups, whose kernel has the same spatial axes.
    if argument.weight == "depthwise" and spatial and _acts_in_space(constraint, spatial):
        return "*kernel"
    return _ROLES.get(argument.weight, argument.weight)


def _acts_in_space(constraint: Any, spatial: int) -> bool:
    """Return whether a constraint means the same however channels are laid out."""
    if is_whole_call(constraint):
        return False
    axis = getattr(constraint, "axis", ())
    if axis is None or isinstance(axis, str):
        return True
    along = constraint.vector_axes((1,) * (spatial + 2))
    return all(one < spatial for one in along)
