"""Draws the pictures of docs/concepts.md, each for light pages and for dark ones.

Run it from the repository: `python examples/concepts.py [FOLDER]`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from feasible import MaxNorm


@dataclass(frozen=True)
class Palette:
    """The colours of a theme: text, what is drawn faintly, and three kinds of things."""

    text: str
    faint: str
    set: str
    weight: str
    step: str


# On the backgrounds of the site, text and arrows have a contrast of at least 4.5.
PALETTES = {
    "": Palette("#22262b", "#c9ced6", "#1f7a48", "#2f5d9e", "#b3261e"),
    "-dark": Palette("#e4e6eb", "#4a505a", "#63d39a", "#8ab8ff", "#ff8a80"),
}


def _panels(figure: Figure, count: int) -> list[Any]:
    """Return panels without axes."""
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for axes in panels:
        axes.set_axis_off()
        axes.set_aspect("equal")
    return panels


def _arrow(axes: Any, start: Any, end: Any, colour: str, style: str = "-") -> None:
    """Draw an arrow between two places."""
    drawn = {"arrowstyle": "-|>", "color": colour, "lw": 1.6, "linestyle": style}
    axes.annotate("", end, start, arrowprops={**drawn, "shrinkA": 3, "shrinkB": 3})


def _cells(
    axes: Any, corner: tuple[float, float], shape: tuple[int, int], filled: Any, colours: Palette
) -> None:
    """Draw a matrix whose first row is on top, with some of its cells filled."""
    left, top = corner
    for row, column in np.ndindex(shape):
        inside = filled(row, column)
        axes.add_patch(
            Rectangle(
                (left + column, top - row - 1),
                1,
                1,
                facecolor=colours.set if inside else "none",
                alpha=0.85 if inside else 1.0,
                edgecolor=colours.text,
                lw=0.9,
            )
        )


def draw_projection(figure: Figure, colours: Palette) -> None:
    """Draw a step that leaves the feasible set, and the projection that ends in it."""
    (axes,) = _panels(figure, 1)
    constraint = MaxNorm(1.0)
    axes.add_patch(Circle((0, 0), 1, facecolor=colours.set, alpha=0.22))
    axes.add_patch(Circle((0, 0), 1, facecolor="none", edgecolor=colours.set, lw=1.5))
    before, stepped = np.array([0.35, -0.45]), np.array([1.75, 0.75])
    after = constraint(stepped.copy())
    _arrow(axes, before, stepped, colours.step)
    _arrow(axes, stepped, after, colours.weight)
    for point, colour in ((before, colours.weight), (stepped, colours.step), (after, colours.set)):
        axes.plot(*point, "o", color=colour, ms=7)
    axes.text(0.3, -0.62, "$w$, feasible", color=colours.text, va="top", ha="center")
    axes.text(1.85, 0.78, "$w + u$, after\nthe optimizer's step", color=colours.text, va="center")
    axes.text(
        0.55, 0.95, "$P(w + u)$, the nearest\nfeasible weight", color=colours.text, va="bottom"
    )
    axes.text(-0.45, 0.2, "feasible:\n$\\|w\\| \\leq 1$", color=colours.text, ha="center")
    axes.set(xlim=(-1.1, 3.6), ylim=(-1.1, 1.6))


def draw_unit(figure: Figure, colours: Palette) -> None:
    """Draw the weights that lead to one unit, in the layer and in its kernel."""
    layer, kernel = _panels(figure, 2)
    inputs = [(0.0, 3.0 - place) for place in range(4)]
    units = [(2.6, 2.5 - place) for place in range(3)]
    for number, unit in enumerate(units):
        chosen = number == 1
        for place in inputs:
            layer.plot(
                *zip(place, unit, strict=True),
                color=colours.set if chosen else colours.faint,
                lw=2.4 if chosen else 1.0,
                zorder=2 if chosen else 1,
            )
        layer.plot(*unit, "o", ms=15, color=colours.set if chosen else colours.faint, zorder=3)
    for place in inputs:
        layer.plot(*place, "o", ms=11, color=colours.weight, zorder=3)
    layer.text(0, 3.7, "4 inputs", ha="center", color=colours.text)
    layer.text(2.6, 3.7, "3 units", ha="center", color=colours.text)
    layer.set(xlim=(-0.9, 3.4), ylim=(-0.8, 4.2))
    _cells(kernel, (0, 3.5), (4, 3), lambda _, column: column == 1, colours)
    kernel.text(1.5, 3.7, "kernel (in, out)", ha="center", color=colours.text)
    kernel.text(1.5, -0.95, "one vector a unit", ha="center", color=colours.set, va="center")
    kernel.set(xlim=(-0.7, 3.7), ylim=(-1.2, 4.2))


def draw_axis(figure: Figure, colours: Palette) -> None:
    """Draw one kernel in two layouts, and the axis that a habit from the other would take."""
    right, stored, wrong = _panels(figure, 3)
    _cells(right, (0.5, 4), (4, 3), lambda _, column: column == 1, colours)
    _cells(stored, (0, 3.5), (3, 4), lambda row, _: row == 1, colours)
    warned = Palette(colours.text, colours.faint, colours.step, colours.weight, colours.step)
    _cells(wrong, (0, 3.5), (3, 4), lambda _, column: column == 1, warned)
    titles = ("Keras layout\n(in, out)", "PyTorch stores\n(out, in)", "PyTorch stores\n(out, in)")
    notes = (
        "axis=0:\none unit",
        'axis=0 here too,\nor axis="unit"',
        "w.norm(dim=0):\none input, not a unit",
    )
    for axes, title, note in zip((right, stored, wrong), titles, notes, strict=True):
        colour = colours.step if axes is wrong else colours.set
        axes.text(2, 4.3, title, ha="center", va="bottom", color=colours.text)
        axes.text(2, -0.3, note, ha="center", va="top", color=colour)
        axes.set(xlim=(-0.5, 4.5), ylim=(-1.9, 5.9))


def draw_moment(figure: Figure, colours: Palette) -> None:
    """Draw a step of training, and where in it the constraints act."""
    (axes,) = _panels(figure, 1)
    rows = (
        ("each step", ("forward", "backward", "step", "project"), "acts once"),
        ("accumulated", ("backward", "backward", "step", "project"), "acts once"),
        ("skipped", ("forward", "inf or NaN", "no step", ""), "does not act"),
    )
    for row, (name, boxes, note) in enumerate(rows):
        height = -1.15 * row
        axes.text(-0.1, height + 0.35, name, ha="right", va="center", color=colours.text)
        for column, text in enumerate(boxes):
            if not text:
                continue
            acts = text == "project"
            axes.add_patch(
                Rectangle(
                    (1.55 * column, height),
                    1.4,
                    0.7,
                    facecolor=colours.set if acts else "none",
                    alpha=0.3 if acts else 1,
                    edgecolor=colours.set if acts else colours.text,
                )
            )
            place = (1.55 * column + 0.7, height + 0.35)
            axes.text(*place, text, ha="center", va="center", color=colours.text, fontsize=9)
        colour = colours.set if boxes[-1] else colours.step
        axes.text(6.3, height + 0.35, note, va="center", color=colour)
    axes.set(xlim=(-1.75, 8.2), ylim=(-2.5, 0.9))


def draw_exactness(figure: Figure, colours: Palette) -> None:
    """Draw the norm of a vector that is feasible, called again and again."""
    axes = figure.subplots()
    calls = np.arange(0, 10_001)
    vector, found = np.array([0.06, 0.08], np.float32), []
    for _ in calls:
        norm = np.sqrt(np.sum(np.square(vector)))
        found.append(float(norm))
        # Keras's MaxNorm(1): the small number that guards a division moves what is feasible.
        vector = vector * (np.clip(norm, 0, 1) / (np.float32(1e-7) + norm))
    axes.plot(calls, found, color=colours.step, lw=2)
    vector = MaxNorm(1)(np.array([0.06, 0.08], np.float32))
    axes.plot(calls[[0, -1]], [float(np.linalg.norm(vector))] * 2, color=colours.set, lw=2)
    axes.text(5000, 0.10006, "feasible: the same bits", color=colours.set, ha="center", va="bottom")
    axes.text(5600, 0.0996, "Keras's MaxNorm", color=colours.step, ha="left")
    axes.set_ylim(0.0989, 0.1004)
    axes.set_xlabel("calls of MaxNorm(1)", color=colours.text)
    axes.set_ylabel("norm of a feasible vector", color=colours.text)
    axes.tick_params(colors=colours.text, labelsize=9)
    axes.set_xticks([0, 5000, 10_000], ["0", "5,000", "10,000"])
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(colours.text)


def draw_tangent(figure: Figure, colours: Palette) -> None:
    """Draw a step at a point of a circle, and its part along the circle."""
    (axes,) = _panels(figure, 1)
    angles = np.linspace(-0.35, 2.0, 100)
    axes.plot(np.cos(angles), np.sin(angles), color=colours.set, lw=2)
    angle = 0.95
    point = np.array([np.cos(angle), np.sin(angle)])
    along = np.array([-np.sin(angle), np.cos(angle)])
    step = np.array([0.12, 0.72])
    tangent = along * (step @ along)
    axes.axline(point, slope=along[1] / along[0], color=colours.faint, lw=1, ls="--", zorder=0)
    _arrow(axes, point, point + step, colours.step)
    _arrow(axes, point, point + tangent, colours.weight)
    axes.plot(*np.transpose([point + step, point + tangent]), ":", color=colours.text, lw=1)
    axes.plot(*point, "o", color=colours.set, ms=7)
    axes.text(*(point + step + (0.06, 0)), "$-g$, the step", color=colours.step, va="center")
    axes.text(
        *(point + tangent + (0.02, 0.2)),
        "its part along the set",
        color=colours.weight,
        ha="right",
        va="center",
    )
    axes.text(point[0] + 0.1, point[1] - 0.02, "$w$", color=colours.text, va="center")
    axes.text(0.2, 0.55, "feasible: $\\|w\\| = 1$", color=colours.text, ha="center")
    axes.set(xlim=(-1.35, 1.75), ylim=(0.3, 1.75))


def draw_sharding(figure: Figure, colours: Palette) -> None:
    """Draw a weight in two processes, and the sums that go between them."""
    (axes,) = _panels(figure, 1)
    _cells(axes, (0, 4.2), (2, 3), lambda _, column: column == 1, colours)
    _cells(axes, (0, 1.4), (2, 3), lambda _, column: column == 1, colours)
    for height, name in ((3.2, "process 0"), (0.4, "process 1")):
        axes.text(-0.3, height, name, ha="right", va="center", color=colours.text)
        _arrow(axes, (3.1, height), (4.6, 1.8 + (height > 2) * 0.35), colours.weight)
        _arrow(axes, (7.6, 1.8 + (height > 2) * 0.35), (9.0, height), colours.set)
        axes.text(9.2, height, "scales\nits part", va="center", color=colours.text)
    axes.add_patch(Rectangle((4.7, 1.25), 2.8, 1.45, facecolor="none", edgecolor=colours.weight))
    axes.text(6.1, 2.0, "one all-reduce", ha="center", va="center", color=colours.text, fontsize=9)
    axes.text(6.1, 4.0, "sums of squares,\none a vector", ha="center", color=colours.weight)
    axes.set(xlim=(-3.2, 11.3), ylim=(-0.8, 5.0))


PICTURES: dict[str, tuple[Callable[[Figure, Palette], None], float]] = {
    "projection": (draw_projection, 2.9),
    "unit": (draw_unit, 2.7),
    "axis": (draw_axis, 2.5),
    "moment": (draw_moment, 2.0),
    "exactness": (draw_exactness, 2.6),
    "tangent": (draw_tangent, 2.5),
    "sharding": (draw_sharding, 2.2),
}


def draw_all(folder: str) -> None:
    """Draw every picture, for each theme, as SVG whose bytes depend on nothing else."""
    settings = {"svg.hashsalt": "feasible", "font.size": 10, "svg.fonttype": "path"}
    with matplotlib.rc_context(settings):
        for name, (draw, height) in PICTURES.items():
            for suffix, colours in PALETTES.items():
                figure = Figure(figsize=(5.2, height), layout="constrained")
                draw(figure, colours)
                path = Path(folder, f"{name}{suffix}.svg")
                figure.savefig(path, transparent=True, metadata={"Date": None})


if __name__ == "__main__":
    draw_all(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
