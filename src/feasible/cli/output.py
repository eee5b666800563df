"""What the command prints: tables, colours where a terminal shows them, and progress."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from feasible.printable import printable

if TYPE_CHECKING:
    from feasible.report import Report

Item = TypeVar("Item")

_COLOURS = {"red": "31", "green": "32", "bold": "1"}
# Before that, a progress bar would only flicker.
_PATIENCE_S = 1.0


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Return text in a colour, if a stream is a terminal and NO_COLOR is not set.

    Args:
        text: The text.
        colour: ``"red"``, ``"green"`` or ``"bold"``.
        stream: Where it is printed.

    Returns:
        The text, with what makes a terminal show the colour.

    Example:
        >>> import io
        >>> paint("ok", "green", io.StringIO())
        'ok'
    """
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{_COLOURS[colour]}m{text}\033[0m"


def complain(text: str) -> None:
    """Print an error.

    Args:
        text: What is wrong, and what to do. It may name what a file holds.
    """
    # Lines after the first are indented: one that a file wrote must not look like a command to CI.
    lines = "\n  ".join(printable(line, 4000) for line in text.splitlines())
    print(f"{paint('error:', 'red', sys.stderr)} {lines}", file=sys.stderr)


def safe_lines(text: str) -> str:
    r"""Return a table or message of several lines without what a terminal would obey.

    Args:
        text: The lines.

    Returns:
        The same lines.

    Example:
        >>> safe_lines("one\ntwo")
        'one\ntwo'
    """
    return "\n".join(printable(line, 100_000) for line in text.split("\n"))


def printable_report(report: Report) -> Report:
    """Return a report whose names and notes a terminal shows, whatever is in them.

    Args:
        report: The report.

    Returns:
        The same, its rows one line each.
    """
    rows = tuple(
        replace(
            row,
            parameter=printable(row.parameter),
            constraint=printable(row.constraint),
            note=printable(row.note),
        )
        for row in report.rows
    )
    return replace(report, rows=rows, notes=tuple(printable(one, 1000) for one in report.notes))


def with_progress(items: Sequence[Item], what: str = "measuring") -> Iterator[Item]:
    """Go through items, and show on a terminal how far it is, after a second.

    Args:
        items: The items.
        what: What is done.

    Yields:
        Each of them.
    """
    bar: Any = None
    task: Any = None
    started = time.monotonic()
    try:
        for place, item in enumerate(items):
            if bar is None and sys.stderr.isatty() and time.monotonic() - started > _PATIENCE_S:
                from rich.console import Console
                from rich.progress import Progress

                bar = Progress(console=Console(stderr=True), transient=True)
                task = bar.add_task(what, total=len(items))
                bar.start()
            if bar is not None:
                bar.update(task, completed=place)
            yield item
    finally:
        if bar is not None:
            bar.stop()
