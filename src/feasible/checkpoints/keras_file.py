"""Reads Keras's files: archives, whose constraints are in them, files of weights, and Keras 2's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from feasible.archives import hdf5
from feasible.archives.config import LARGEST_CONFIG, parsed_config
from feasible.checkpoints.checkpoint import Checkpoint, FileRule
from feasible.checkpoints.failures import CheckpointError, damage
from feasible.checkpoints.keras_weights import CELLS, KerasWeights, archive_arrays, legacy_arrays
from feasible.checkpoints.mapped_file import MappedFile
from feasible.checkpoints.stored_array import StoredArray
from feasible.checkpoints.zip_members import ZipMembers
from feasible.constraints import deserialize
from feasible.registry import snake_case

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_SUFFIX = "_constraint"
_DEEPEST = 20
# What a layer's argument is for, where its weight is not named for it.
_OTHER_NAMES = {"depthwise": ("kernel",)}
_ATTENTION_PARTS = ("query_dense", "key_dense", "value_dense", "output_dense")


def open_keras_archive(path: Path, *, writable: bool = False) -> Checkpoint:
    """Open an archive of Keras 3: a zip of a config and a file of weights.

    Args:
        path: The file.
        writable: Whether its arrays are to be changed in place.

    Returns:
        The checkpoint, with the constraints that the config has.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not a whole archive, or a constraint is on a layer whose weights
            are not known.
    """
    file = MappedFile(path, writable)
    with damage(file.source):
        members = ZipMembers(file)
        if not {_CONFIG, _WEIGHTS} <= set(members.members):
            raise CheckpointError(file.source, f"it must hold {_CONFIG} and {_WEIGHTS}")
        config = parsed_config(members.unpack(_CONFIG, LARGEST_CONFIG).decode(), file.source)
        if members.is_stored(_WEIGHTS):
            start, size = members.offset(_WEIGHTS), members.size(_WEIGHTS)
            weights = KerasWeights(file, start, file.region(start, size))
        else:
            weights = KerasWeights(file, 0, members.unpack(_WEIGHTS), is_mapped=False)
        configs = dict(_layer_configs(config, "layers", 0))
        arrays = [*archive_arrays(weights, configs)]
        rules = _rules(file.source, config, configs, arrays)
        return Checkpoint(
            file.source,
            "Keras archive",
            arrays,
            [file],
            layout="keras",
            metadata=config,
            rules=rules,
            graph=_graph(config),
            mend=members.mend,
        )


def open_keras_hdf5(path: Path, *, writable: bool = False) -> Checkpoint:
    """Open an HDF5 file of weights of Keras 3, or a model or weights of Keras 2.

    Args:
        path: The file.
        writable: Whether its arrays are to be changed in place.

    Returns:
        The checkpoint; of a model of Keras 2 with the constraints that its config has.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not such a file, as h5py writes it unless told otherwise.
    """
    file = MappedFile(path, writable)
    with damage(file.source):
        weights = KerasWeights(file, 0, file.region(0, file.size))
        tree = hdf5.File(weights.content)
        texts = tree.texts(tree.root, "model_config")
        checkpoint = partial(Checkpoint, file.source, files=[file], layout="keras")
        if texts:
            config = parsed_config(texts[0], file.source)
            layers = dict(_by_name(config, 0))
            arrays = [*legacy_arrays(weights, tree, layers)]
            rules = _rules(file.source, config, layers, arrays)
            return checkpoint(
                "Keras 2 model", arrays, rules=rules, metadata=config, graph=_graph(config)
            )
        if tree.texts(tree.root, "layer_names") is not None:
            return checkpoint("Keras 2 weights", [*legacy_arrays(weights, tree)])
        return checkpoint("Keras weights", [*archive_arrays(weights, {})])


def _layers(entry: Any, depth: int) -> list[Mapping[str, Any]]:
    """Return the entries of a model's layers, none for what is no model."""
    config = entry.get("config") if isinstance(entry, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    if not isinstance(layers, list) or depth > _DEEPEST:
        return []
    return [one for one in layers if isinstance(one, dict) and isinstance(one.get("config"), dict)]


def _layer_configs(entry: Any, prefix: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the layers of a model by their groups, which count them by class."""
    used: Counter[str] = Counter()
    for layer in _layers(entry, depth):
        stem = snake_case(str(layer.get("class_name")).rpartition(">")[2])
        group = f"{prefix}/{stem}_{used[stem]}" if used[stem] else f"{prefix}/{stem}"
        used[stem] += 1
        if _layers(layer, depth + 1):
            yield from _layer_configs(layer, f"{group}/layers", depth + 1)
        else:
            yield from _parts(layer, group, depth + 1)


def _parts(
    layer: Mapping[str, Any], group: str, depth: int
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return a layer and those that are made for it, by their groups."""
    kind, config = str(layer.get("class_name")), layer["config"]
    if depth > _DEEPEST:
        return
    inner = config.get("layer")
    if kind in CELLS:
        yield f"{group}/cell", {"class_name": CELLS[kind], "config": config}
    elif kind == "MultiHeadAttention":
        for part in _ATTENTION_PARTS:
            yield f"{group}/{part}", {"class_name": "EinsumDense", "config": config}
    elif kind == "Bidirectional" and _is_entry(inner):
        backward = config.get("backward_layer")
        yield from _parts(inner, f"{group}/forward_layer", depth + 1)
        yield from _parts(
            backward if _is_entry(backward) else inner, f"{group}/backward_layer", depth + 1
        )
    elif kind == "TimeDistributed" and _is_entry(inner):
        yield from _parts(inner, f"{group}/layer", depth + 1)
    elif kind == "RNN" and _is_entry(config.get("cell")):
        yield from _parts(config["cell"], f"{group}/cell", depth + 1)
    elif kind == "StackedRNNCells":
        yield from _layer_configs({"config": config.get("cells")}, f"{group}/cells", depth + 1)
    else:
        yield group, layer


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("config"), dict)


def _by_name(entry: Any, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the layers of a model, those of models in it, too, by their names."""
    for layer in _layers(entry, depth):
        yield str(layer["config"].get("name")), layer
        yield from _by_name(layer, depth + 1)


def _rules(
    source: str,
    config: Any,
    configs: Mapping[str, Mapping[str, Any]],
    arrays: list[StoredArray],
) -> list[FileRule]:
    """Return the constraints in layers' configs as rules for arrays, all that there are."""
    known = {(one.group, one.name.rpartition("/")[2]): one.name for one in arrays}
    found = []
    read: set[int] = set()
    for path, entry in configs.items():
        for argument, value in entry["config"].items():
            if not argument.endswith(_SUFFIX) or value is None:
                continue
            weight = argument.removesuffix(_SUFFIX)
            names = (weight, f"{weight}_kernel", *_OTHER_NAMES.get(weight, ()))
            name = next((known[path, one] for one in names if (path, one) in known), None)
            constraint = deserialize(value)
            read.add(id(value))
            if name is not None:
                found.append(FileRule(name, constraint))
            elif entry["config"].get(f"use_{weight}", True):
                raise CheckpointError(
                    source,
                    f"the {entry.get('class_name')} in {path} has {constraint!r} on its {weight}, "
                    "and which of its arrays that is, is not known. Give --rule, by the names that "
                    "feasible show lists",
                )
    unread = [argument for argument, value in _constraints_in(config) if id(value) not in read]
    if unread:
        raise CheckpointError(
            source,
            f"its config has {len(unread)} constraints, such as {unread[0]}, in layers whose "
            "weights are not known. Give --rule, by the names that feasible show lists",
        )
    return found


def _constraints_in(config: Any) -> Iterator[tuple[str, Any]]:
    """Return every constraint in a config, wherever it is."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(key, str) and key.endswith(_SUFFIX) and inner is not None:
                    yield key, inner
                else:
                    waiting.append(inner)
        elif isinstance(value, list):
            waiting.extend(value)


def _graph(config: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the layers of a Sequential, which is a chain; None for any other model."""
    layers = _layers(config, 0)
    return layers if config.get("class_name") == "Sequential" and layers else None
