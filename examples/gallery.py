"""Draws every set in two dimensions: what is feasible, and where points are projected to.

Run it from the repository: `python examples/gallery.py [PICTURE]`. A second picture, of
the same name with `-dark`, is for dark pages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from feasible import (
    Box,
    CappedSimplex,
    Constraint,
    FixedSum,
    HalfSpace,
    Hyperplane,
    L1Ball,
    Mask,
    MaxNorm,
    MinMaxNorm,
    Monotone,
    NofM,
    NonNeg,
    NuclearNorm,
    Orthogonal,
    PositiveSemidefinite,
    Rank,
    Simplex,
    SpectralNorm,
    Sphere,
    Symmetric,
    TopK,
    UnitNorm,
)

Points = np.ndarray

# On dark pages, what is otherwise black or dark blue.
_DARK = {"figure.facecolor": "#131416", "axes.facecolor": "#131416"} | dict.fromkeys(
    ("text.color", "axes.labelcolor", "axes.edgecolor"), "#e4e6eb"
)
# Half the width of a panel.
_SIDE = 2.0


def project_plane(constraint: Constraint, points: Points) -> Points:
    """Project points whose two coordinates are a vector each."""
    return np.asarray(constraint(points.T.copy())).T


def project_diagonal(constraint: Constraint, points: Points) -> Points:
    """Project points whose two coordinates are the diagonal of a matrix."""
    matrices = np.zeros((len(points), 2, 2))
    matrices[:, 0, 0], matrices[:, 1, 1] = points.T
    found = np.stack([constraint(matrix) for matrix in matrices])
    return found[:, [0, 1], [0, 1]]


def project_off_diagonal(constraint: Constraint, points: Points) -> Points:
    """Project points whose two coordinates are what a matrix has beside its diagonal of ones."""
    matrices = np.ones((len(points), 2, 2))
    matrices[:, 0, 1], matrices[:, 1, 0] = points.T
    found = np.stack([constraint(matrix) for matrix in matrices])
    return np.stack([found[:, 0, 1], found[:, 1, 0]], axis=1)


Projection = Callable[[Constraint, Points], Points]
PANELS: list[tuple[str, Constraint, Projection, str]] = [
    ("Box(-0.5, [1, 0.6])", Box(-0.5, [[1], [0.6]]), project_plane, ""),
    ("NonNeg()", NonNeg(), project_plane, ""),
    ("Mask([1, 0])", Mask([[1], [0]]), project_plane, ""),
    ("MaxNorm(1)", MaxNorm(1), project_plane, ""),
    ("MinMaxNorm(0.6, 1.2)", MinMaxNorm(0.6, 1.2), project_plane, ""),
    ("UnitNorm()", UnitNorm(), project_plane, ""),
    ("Sphere(1.3)", Sphere(1.3), project_plane, ""),
    ("L1Ball(1)", L1Ball(1), project_plane, ""),
    ("Simplex(1)", Simplex(1), project_plane, ""),
    ("CappedSimplex(1, 0.7)", CappedSimplex(1, 0.7), project_plane, ""),
    ("FixedSum(1)", FixedSum(1), project_plane, ""),
    ("Hyperplane([[1], [-2]])", Hyperplane([[1], [-2]]), project_plane, ""),
    ("HalfSpace([[1], [2]], 1)", HalfSpace([[1], [2]], 1), project_plane, ""),
    ("Monotone()", Monotone(), project_plane, ""),
    ("TopK(1)", TopK(1), project_plane, ""),
    ("NofM(1, 2)", NofM(1, 2), project_plane, ""),
    ("NonNeg() & MaxNorm(1)", NonNeg() & MaxNorm(1), project_plane, ""),
    ("Box(-1, 1) & FixedSum(0.5)", Box(-1, 1) & FixedSum(0.5), project_plane, ""),
    ("SpectralNorm(1)", SpectralNorm(1), project_diagonal, "a diagonal matrix"),
    ("NuclearNorm(1)", NuclearNorm(1), project_diagonal, "a diagonal matrix"),
    ("Rank(1)", Rank(1), project_diagonal, "a diagonal matrix"),
    ("Orthogonal()", Orthogonal(), project_diagonal, "a diagonal matrix"),
    ("Symmetric()", Symmetric(), project_off_diagonal, "beside a diagonal of ones"),
    ("PositiveSemidefinite()", PositiveSemidefinite(), project_diagonal, "a diagonal matrix"),
]


def draw_set(axes: Any, constraint: Constraint, project: Projection) -> None:
    """Draw what is feasible: areas as they are, and lines and points by what is projected there."""
    line = np.linspace(-_SIDE, _SIDE, 161)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    found = project(constraint, grid)
    inside = np.linalg.norm(found - grid, axis=1) < 1e-6
    area = inside.reshape(161, 161).astype(float)
    if area.mean() > 0.02:
        axes.contourf(line, line, area, levels=[0.5, 1.5], colors=["#2a9d5c"], alpha=0.25)
    axes.scatter(*found[~inside].T, s=1.2, color="#2a9d5c", linewidths=0)


def draw_points(axes: Any, constraint: Constraint, project: Projection) -> None:
    """Draw some points, and arrows to their projections."""
    points = np.random.default_rng(3).uniform(-0.95 * _SIDE, 0.95 * _SIDE, size=(26, 2))
    found = project(constraint, points)
    for start, end in zip(points, found, strict=True):
        if np.linalg.norm(end - start) > 1e-6:
            style = {"arrowstyle": "-|>", "color": "0.55", "lw": 0.6, "mutation_scale": 5}
            axes.annotate("", end, start, arrowprops={**style, "shrinkA": 0, "shrinkB": 0})
    axes.scatter(*points.T, s=9, color=_point_colour(), zorder=3, linewidths=0)
    axes.scatter(*found.T, s=9, color="#d1495b", zorder=4, linewidths=0)


def _point_colour() -> str:
    """Return the colour of points, which stands out from the background."""
    return (
        "#8ab8ff"
        if matplotlib.rcParams["figure.facecolor"] == _DARK["figure.facecolor"]
        else "#33415c"
    )


def draw_themes(path: Path) -> None:
    """Draw the picture for light pages, and the one for dark pages."""
    draw(path)
    with matplotlib.rc_context(_DARK):
        draw(path.with_stem(f"{path.stem}-dark"))


def draw(path: Path) -> None:
    """Draw all panels into one picture."""
    columns = 6
    rows = -(-len(PANELS) // columns)
    figure = Figure(figsize=(2.35 * columns, 2.6 * rows), layout="constrained")
    for place, (text, constraint, project, note) in enumerate(PANELS):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.axhline(0, color="0.5", alpha=0.4, lw=0.6, zorder=0)
        axes.axvline(0, color="0.5", alpha=0.4, lw=0.6, zorder=0)
        draw_set(axes, constraint, project)
        draw_points(axes, constraint, project)
        axes.set(xlim=(-_SIDE, _SIDE), ylim=(-_SIDE, _SIDE), aspect="equal", xticks=[], yticks=[])
        axes.set_title(text, fontsize=8.5, family="monospace")
        axes.set_xlabel(note, fontsize=7)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw_themes(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/gallery.png"))
