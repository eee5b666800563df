"""A picture of a report that can be read at hundreds of parameters: a line for each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from feasible.report import Report, Row
from feasible.requirements import require

_LINE, _WIDTH, _LONGEST = 0.19, 9.0, 48
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def plot_overview(report: Report, path: Path) -> None:
    """Draw for each parameter what its constraint bounds, and where the bounds are.

    Each parameter has a line: where all of its vectors lie, where nine tenths and where half of
    them do, and where the bounds are. What is bounded by finite bounds is drawn as a multiple of
    the larger one, so that parameters of different bounds stand in one picture.

    Args:
        report: What was found.
        path: Where to save the picture; its suffix tells the format.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    require("feasible check --plot", "report", "matplotlib")
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = report.rows
    figure = Figure(figsize=(_WIDTH, 1.4 + _LINE * max(len(rows), 4)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        _draw(axes, place, row)
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=6)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color("tab:red" if row.violating else "black")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("what is bounded, as a multiple of the larger bound")
    axes.tick_params(axis="x", top=True, labeltop=True)
    axes.grid(axis="x", alpha=0.3)
    violating = sum(row.violating > 0 for row in rows)
    axes.set_title(f"{violating} of {len(rows)} parameters violate their constraints", fontsize=9)
    marks = {"feasible": "tab:blue", "violated": "tab:red", "bounds": "tab:green"}
    handles = [Line2D([], [], color=colour, label=label) for label, colour in marks.items()]
    figure.legend(handles=handles, ncols=3, fontsize=7, loc="outside lower right", frameon=False)
    figure.savefig(path, dpi=150)


def _label(row: Row) -> str:
    name = row.parameter
    return name if len(name) <= _LONGEST else f"...{name[-_LONGEST:]}"


def _draw(axes: Any, place: int, row: Row) -> None:
    scale = _scale(row)
    values = row.measured[np.isfinite(row.measured)] / scale
    low, high = (bound / scale for bound in row.bounds)
    colour = "tab:red" if row.violating else "tab:blue"
    if len(values):
        least, tail, quarter, middle, rest, head, most = np.quantile(values, _QUANTILES)
        axes.plot([least, most], [place, place], color=colour, linewidth=0.6)
        axes.plot([tail, head], [place, place], color=colour, linewidth=1.8, alpha=0.6)
        axes.plot([quarter, rest], [place, place], color=colour, linewidth=4, alpha=0.6)
        axes.plot([middle], [place], "|", color="black", markersize=5)
    for bound in {low, high}:
        if math.isfinite(bound):
            axes.plot(
                [bound, bound], [place - 0.45, place + 0.45], color="tab:green", linewidth=1.6
            )


def _scale(row: Row) -> float:
    """Return what a parameter's quantities are drawn as multiples of."""
    finite = [abs(bound) for bound in row.bounds if math.isfinite(bound) and bound]
    if finite:
        return max(finite)
    values = row.measured[np.isfinite(row.measured)]
    return float(np.abs(values).max(initial=0.0)) or 1.0
