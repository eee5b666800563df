"""The HDF5 file in which Keras keeps weights: one group a layer, one dataset a weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from numpy.typing import NDArray

from feasible.keras import hdf5
from feasible.keras.errors import ArchiveError, reading


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
        datasets = {
            path: _datasets(file, path, specs, f"{source}: {path}")
            for path, specs in wanted.items()
        }
        # A hostile file may give one array many names.
        total = sum(dataset.size for group in datasets.values() for dataset in group)
        if total > len(content):
            raise ArchiveError(
                source, f"its weights take {total} bytes, more than the {len(content)} of the file."
            )
        return {path: [*map(file.read, group)] for path, group in datasets.items()}


def _datasets(
    file: hdf5.File, path: str, specs: Sequence[WeightSpec], source: str
) -> list[hdf5.Dataset]:
    """Return one layer's weights, checked but not read."""
    with reading(source):
        group = file.find(f"{path}/vars")
        places = {} if group is None else file.names(group)
        if sorted(places) != sorted(str(index) for index in range(len(specs))):
            roles = f" ({', '.join(spec.role for spec in specs)})" if specs else ""
            raise ArchiveError(
                source,
                f"it must have {len(specs)} weights{roles}, numbered from 0, and has "
                f"{', '.join(places) or 'none':.80}. It was not saved from a model of this config.",
            )
        found = [file.dataset(places[str(index)]) for index in range(len(specs))]
    for spec, dataset in zip(specs, found, strict=True):
        dtype = "bfloat16" if dataset.dtype == hdf5.BFLOAT16 else dataset.dtype.name
        if (dataset.shape, dtype) != (spec.shape, spec.dtype):
            raise ArchiveError(
                source,
                f"its {spec.role} must have shape {spec.shape} and dtype {spec.dtype}, and has "
                f"shape {dataset.shape} and dtype {dtype}.",
            )
    return found
