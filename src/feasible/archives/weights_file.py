"""The HDF5 file in which Keras keeps weights: one group a layer, one dataset a weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from numpy.typing import NDArray

from feasible.archives import hdf5
from feasible.archives.errors import ArchiveError, reading
from feasible.requirements import require


class WeightSpec(NamedTuple):
    """What a weight must be, to be read.

    Attributes:
        role: What it is to its layer, such as ``"kernel"``.
        shape: Its shape in Keras layout.
        dtype: Its dtype's name, such as ``"float32"`` or ``"bfloat16"``.
    """

    role: str
    shape: tuple[int, ...]
    dtype: str


def write_weights(
    file: BinaryIO, weights: Mapping[str, Sequence[NDArray[Any]]], names: Mapping[str, str]
) -> None:
    """Write weights as Keras does.

    Args:
        file: A file open for reading and writing bytes.
        weights: By the group of a layer, such as ``"layers/dense_1"``, its weights in Keras's order
            and layout. The dtype V2 stands for bfloat16.
        names: By the same groups, the layers' own names, which Keras writes beside the weights.
    """
    require("saving a model", "fit", "h5py")
    import h5py  # takes a quarter of a second, and reading does without it

    with h5py.File(file, "w") as root:
        for path, arrays in weights.items():
            group = root.create_group(f"{path}/vars")
            group.attrs["name"] = names[path]
            for index, array in enumerate(arrays):
                dataset = group.create_dataset(str(index), data=array)
                if array.dtype == hdf5.BFLOAT16:
                    dataset.attrs["dtype"] = "bfloat16"


def read_weights(
    content: bytes, wanted: Mapping[str, Sequence[WeightSpec]], source: str
) -> dict[str, list[NDArray[Any]]]:
    """Read weights that Keras wrote, after checking that all are there.

    What else the file holds, such as the state of an optimizer, is not looked at.

    Args:
        content: The file's bytes.
        wanted: By the group of a layer, what its weights must be, in Keras's order.
        source: What the file is called, for messages.

    Returns:
        By the same groups, the weights, which are views of the content. The dtype V2 stands for
        bfloat16.

    Raises:
        ArchiveError: If the file is damaged, or a weight is missing, left over, or not as wanted.
    """
    with reading(source):
        file = hdf5.File(content)

    def places(path: str) -> list[int]:
        group = file.find(f"{path}/vars")
        found = {} if group is None else file.names(group)
        numbers = [str(index) for index in range(len(found))]
        if set(found) != set(numbers):
            raise ValueError(f"the weights {', '.join(found):.80} are not numbered from 0")
        return [found[number] for number in numbers]

    return checked_weights(file, wanted, places, source)


def checked_weights(
    file: hdf5.File,
    wanted: Mapping[str, Sequence[WeightSpec]],
    places: Callable[[str], list[int]],
    source: str,
) -> dict[str, list[NDArray[Any]]]:
    """Read weights, after checking that all are there and take no surprising room.

    Args:
        file: The file.
        wanted: By the group of a layer, what its weights must be, in Keras's order.
        places: From such a group to where its weights are in the file, in the same order.
        source: What the file is called, for messages.

    Returns:
        By the same groups, the weights, which are views of the file's bytes.

    Raises:
        ArchiveError: If the file is damaged, or a weight is missing, left over, or not as wanted.
    """
    datasets = {}
    for group, specs in wanted.items():
        with reading(f"{source}: {group}"):
            datasets[group] = [file.dataset(place) for place in places(group)]
        _check(datasets[group], specs, f"{source}: {group}")
    # A hostile file may give one array many names.
    total = sum(dataset.size for group in datasets.values() for dataset in group)
    if total > file.size:
        raise ArchiveError(
            source, f"its weights take {total} bytes, more than the {file.size} of the file."
        )
    return {group: [*map(file.read, found)] for group, found in datasets.items()}


def _check(found: Sequence[hdf5.Dataset], wanted: Sequence[WeightSpec], source: str) -> None:
    """Raise if the weights of one layer are not as wanted."""
    if len(found) != len(wanted):
        roles = f" ({', '.join(spec.role for spec in wanted)})" if wanted else ""
        raise ArchiveError(
            source,
            f"it must have {len(wanted)} weights{roles}, and has {len(found)}. It was not saved "
            "from a model of this config.",
        )
    for spec, dataset in zip(wanted, found, strict=True):
        dtype = "bfloat16" if dataset.dtype == hdf5.BFLOAT16 else dataset.dtype.name
        if (dataset.shape, dtype) != (spec.shape, spec.dtype):
            raise ArchiveError(
                source,
                f"its {spec.role} must have shape {spec.shape} and dtype {spec.dtype}, and has "
                f"shape {dataset.shape} and dtype {dtype}.",
            )
