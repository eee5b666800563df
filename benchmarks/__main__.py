"""Runs every section in a process of its own, and shows what was found."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from benchmarks.drawing import draw
from benchmarks.measuring import Figure
from feasible.report import align_columns

SECTIONS = ("weights", "sets", "steps", "fitting", "jax_steps", "importing")
RESULTS = Path(__file__).parent / "results.json"
DOCS = Path(__file__).parents[1] / "docs"
PICTURE, PAGE = DOCS / "benchmarks.png", DOCS / "benchmarks.md"
MARKS = "<!-- tables -->\n", "<!-- end of tables -->\n"


def measured(section: str) -> list[Figure]:
    """Return the figures of one section."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        subprocess.run([sys.executable, "-m", f"benchmarks.{section}", str(path)], check=True)
        return [Figure(**one) for one in json.loads(path.read_text())]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures of one section as a table."""
    return align_columns(
        ("case", "subject", "relative to", "ratio", "quartiles"),
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


def put_into_page(tables: str) -> None:
    """Replace the tables in the page."""
    before, _, rest = PAGE.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(f"{before}{MARKS[0]}{tables}{MARKS[1]}{after}")


def main() -> None:
    """Measure, print, write and draw."""
    figures = [one for section in track(SECTIONS, "measuring") for one in measured(section)]
    tables = {
        section: table([one for one in figures if one.section == section])
        for section in dict.fromkeys(one.section for one in figures)
    }
    for section, text in tables.items():
        print(f"\n{section}\n{text}")
    RESULTS.write_text(json.dumps([asdict(one) for one in figures], indent=1) + "\n")
    put_into_page(
        "".join(f"\n## {name}\n\n```text\n{text}\n```\n\n" for name, text in tables.items())
    )
    draw(figures, PICTURE)
    print(f"\nwritten: {RESULTS}, {PAGE}, {PICTURE}")


if __name__ == "__main__":
    main()
