"""Models that Keras 2, or Keras 3 on request, saved as one HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from feasible.archives.config import parsed_config
from feasible.archives.errors import ArchiveError, reading
from feasible.archives.hdf5 import SIGNATURE as SIGNATURE
from feasible.archives.hdf5 import File
from feasible.archives.weights_file import WeightSpec, checked_weights

_CONFIG, _WEIGHTS = "model_config", "model_weights"


class LegacyFile:
    """A model in an HDF5 file, its config in an attribute.

    Nothing in it is run or imported.

    Args:
        content: The file's bytes.
        source: What the file is called, for messages.

    Raises:
        ArchiveError: If it holds no config that can be read.

    Attributes:
        config: The model, as Keras 2 serializes it.
        source: What the file is called.
        config_source: What its config is called.
        keras_version: The version of Keras that wrote it, such as ``"2.15.0"``.
    """

    def __init__(self, content: bytes, source: str) -> None:
        self.source = source
        self.config_source = f"{source}: {_CONFIG}"
        with reading(source):
            self._file = File(content)
            texts = self._file.texts(self._file.root, _CONFIG)
            version = self._file.texts(self._file.root, "keras_version")
        if texts is None or len(texts) != 1:
            raise ArchiveError(
                source, "it holds no model, but at most its weights. Save it with `model.save`."
            )
        self.config = parsed_config(texts[0], self.config_source)
        # Before there were versions in files, there was Keras 1.
        self.keras_version = version[0] if version else "1"

    def read_weights(
        self, wanted: Mapping[str, Sequence[WeightSpec]]
    ) -> dict[str, list[NDArray[Any]]]:
        """Read the weights, after checking that all are there.

        Args:
            wanted: By the name of a layer of the model, what its weights must be: first those that
                are trained, also in the layers within it, and then the others.

        Returns:
            By the same names, the weights, read-only.

        Raises:
            ArchiveError: If the file is damaged, or a weight is missing, left over, or not as
                wanted.
        """
        return checked_weights(self._file, wanted, self._places, self.source)

    def _places(self, layer: str) -> list[int]:
        """Return where the weights of a layer are, in order."""
        group = self._file.find(f"{_WEIGHTS}/{layer}")
        names = (self._file.texts(group, "weight_names") or []) if group is not None else []
        places = [self._file.find(f"{_WEIGHTS}/{layer}/{name}") for name in names]
        if None in places:
            raise ValueError(f"one of the weights {', '.join(names):.200} is not there")
        return places  # type: ignore[return-value]
