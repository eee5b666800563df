"""Checks a made-up checkpoint of 20 GB, and prints the peak of the memory that it took.

The file is sparse: its arrays take no room on the disk. Run: python -m benchmarks.large_checkpoint
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from feasible.cli import main as run_command

_ROWS, _COLUMNS, _ITEM = 8192, 8192, 4
_ARRAY = _ROWS * _COLUMNS * _ITEM
RULE = '*=MaxNorm(1, axis="unit")'


def write_sparse(path: Path, gigabytes: float) -> int:
    """Write a safetensors file whose arrays are holes, and return how many bytes it has."""
    count = -(-int(gigabytes * 1e9) // _ARRAY)
    entries = {
        f"layers.{place}.weight": {
            "dtype": "F32",
            "shape": [_ROWS, _COLUMNS],
            "data_offsets": [place * _ARRAY, (place + 1) * _ARRAY],
        }
        for place in range(count)
    }
    header = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + count * _ARRAY)
        return file.tell() + count * _ARRAY


def main() -> int:
    """Write it, check it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        size = write_sparse(path, arguments.gigabytes)
        started = time.perf_counter()
        code = run_command(["check", str(path), "--rule", RULE, "--quiet"])
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{size / 1e9:.1f} GB in {seconds:.0f} s, exit {code}, peak {peak:.2f} GiB")
    return code


if __name__ == "__main__":
    sys.exit(main())
