"""Keras's files, read and written without Keras: archives, files of weights, files of Keras 2.

Nothing that a file names is imported, and nothing in it is run; it needs no framework.
"""

from feasible.archives.archive import Archive, open_archive, write_archive
from feasible.archives.errors import ArchiveError
from feasible.archives.legacy import LegacyFile
from feasible.archives.weights_file import WeightSpec

__all__ = [
    "Archive",
    "ArchiveError",
    "LegacyFile",
    "WeightSpec",
    "open_archive",
    "write_archive",
]
