"""A picture of what one constraint bounds, and where the bounds are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from feasible.report import Row


def draw_histogram(axes: Any, row: Row, beside: Row | None = None) -> None:
    """Draw the histogram of what one constraint bounds into a panel.

    Args:
        axes: The matplotlib axes to draw into.
        row: What was found of the parameter.
        beside: What was found of it elsewhere, drawn behind in grey.
    """
    low, high = row.bounds
    drawn = [(row.measured, "tab:blue", 0.75)]
    if beside is not None:
        drawn.insert(0, (beside.measured, "0.55", 0.6))
    finite = [values[np.isfinite(values)] for values, _, _ in drawn]
    bins = _bins(np.concatenate(finite), low, high)
    axes.axvspan(max(low, bins[0]), min(high, bins[-1]), color="tab:green", alpha=0.15)
    for bound in {low, high}:
        if math.isfinite(bound):
            axes.axvline(bound, color="tab:green", linewidth=1.5)
    for values, (_, colour, alpha) in zip(finite, drawn, strict=True):
        # A bar ends before its right edge; what lies on the bound but for rounding is within it.
        on_bound = np.isclose(values, high, rtol=1e-5, atol=0) & (low != high)
        inside = np.where(on_bound, high - 1e-3 * (bins[1] - bins[0]), values)
        axes.hist(inside, bins=bins, color=colour, alpha=alpha)
    axes.set_title(f"{row.parameter}\n{row.constraint}", fontsize=8)
    axes.set_xlabel(row.quantity)
    axes.set_ylabel("vectors of " + str(row.length) if row.length > 1 else "entries")


def _bins(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return edges of bins among which the bounds are, so that no bar straddles one."""
    edges = [bound for bound in (low, high) if math.isfinite(bound)]
    if not edges:  # where each entry has bounds of its own, and none is for all
        edges = [float(values.mean()) if len(values) else 0.0]
    least, most = min([*values, *edges]), max([*values, *edges])
    step = (most - least) / 40 or 0.05
    anchor = edges[0]
    if low == high:
        anchor -= step / 2  # a bar on the bound, rather than one on either side of it
    elif len(edges) == 2:
        step = (high - low) / max(round((high - low) / step), 1)
    first = math.floor((least - anchor) / step)
    last = math.ceil((most - anchor) / step)
    return anchor + step * np.arange(first, last + 1 + (last == first))
