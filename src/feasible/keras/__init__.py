"""Keras's configs and archives, read and written without Keras."""

from feasible.requirements import require

require("feasible.keras", "fit", "h5py")

from feasible.keras.archive import Archive, open_archive, write_archive  # noqa: E402
from feasible.keras.errors import ArchiveError  # noqa: E402
from feasible.keras.weights_file import WeightSpec  # noqa: E402

__all__ = ["Archive", "ArchiveError", "WeightSpec", "open_archive", "write_archive"]
