"""Runs every section in a process of its own, and shows what was found."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.progress import track

from benchmarks.drawing import draw
from benchmarks.measuring import Figure
from feasible.report import aligned

SECTIONS = ("weights", "steps", "fitting", "jax_steps", "importing")
RESULTS = Path(__file__).parent / "results.json"
PICTURE = Path(__file__).parents[1] / "docs" / "benchmarks.png"


def measured(section: str) -> list[Figure]:
    """Return the figures of one section."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        subprocess.run([sys.executable, "-m", f"benchmarks.{section}", str(path)], check=True)
        return [Figure(**one) for one in json.loads(path.read_text())]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures of one section as a table."""
    return aligned(
        ("case", "subject", "beside", "ratio", "quartiles"),
        [
            (
                one.case,
                one.subject,
                one.reference or one.unit,
                f"{one.ratio:.3g}",
                f"{one.low:.3g} to {one.high:.3g}",
            )
            for one in figures
        ],
    )


def main() -> None:
    """Measure, print, write and draw."""
    figures = [one for section in track(SECTIONS, "measuring") for one in measured(section)]
    for section, found in groupby(figures, key=lambda one: one.section):
        print(f"\n{section}\n{table(list(found))}")
    RESULTS.write_text(json.dumps([vars(one) for one in figures], indent=1) + "\n")
    draw(figures, PICTURE)
    print(f"\nwritten: {RESULTS}, {PICTURE}")


if __name__ == "__main__":
    main()
