"""What `import feasible` takes beyond `import numpy`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.measuring import BRIEF, Figure, figure, written


def _seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def figures() -> Iterator[Figure]:
    """Measure whole interpreters in turn, and subtract."""
    taken = []
    for _ in range(2 if BRIEF else 30):
        alone = _seconds("import numpy")
        taken.append((_seconds("import numpy, feasible") - alone) * 1e3)
    yield figure("import", "import feasible, beyond import numpy", "feasible", "", taken, "ms")


if __name__ == "__main__":
    written(figures)
