"""The picture of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks.measuring import Figure

COLORS = {
    "feasible": "#1b6ca8",
    "feasible, with its hook": "#7fb3d5",
    "by hand": "#8c8c8c",
    "Keras 3 on PyTorch": "#d1495b",
    "Keras 3 on JAX": "#edae49",
    "torch.renorm": "#66a182",
    "geotorch's sphere": "#a17fb0",
}
# The background of the site's dark pages, and what is legible on it.
DARK = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "legend.facecolor"), "#131416"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), "#e4e6eb"),
    **dict.fromkeys(("xtick.color", "ytick.color"), "#e4e6eb"),
}
PANELS = {
    "one weight": "One weight: time relative to one pass, w.mul_(1)",
    "many weights": "Many weights: time relative to a loop by hand",
    "step": "A training step: time relative to the unconstrained",
    "Adam in JAX": "Adam in JAX, one jit: time relative to Adam alone",
    "fit": "fit: our steps a second relative to Keras's",
}


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Draw the ratios, a panel a section, for light pages and for dark ones.

    Args:
        figures: What was measured.
        path: Where to save the picture; the dark one is called `NAME-dark` beside it.
    """
    _draw(figures, path)
    with matplotlib.rc_context(DARK):
        _draw(figures, path.with_stem(f"{path.stem}-dark"))


def _draw(figures: Sequence[Figure], path: Path) -> None:
    shown = {
        section: [one for one in figures if one.section == section and "bfloat16" not in one.case]
        for section in PANELS
    }
    heights = [max(len({one.case for one in found}), 2) for found in shown.values()]
    picture = Picture(figsize=(11, 0.22 * sum(heights) + 5), layout="constrained")
    panels = picture.subplots(len(shown), 1, height_ratios=[height + 2 for height in heights])
    for axes, (section, found) in zip(panels, shown.items(), strict=True):
        _panel(axes, PANELS[section], found)
    picture.savefig(path, dpi=110)


def _panel(axes: Axes, title: str, figures: Sequence[Figure]) -> None:
    cases = list(dict.fromkeys(one.case for one in figures))
    for who in dict.fromkeys(_whose(one) for one in figures):
        own = [one for one in figures if _whose(one) == who]
        axes.errorbar(
            [one.ratio for one in own],
            [cases.index(one.case) for one in own],
            xerr=[[one.ratio - one.low for one in own], [one.high - one.ratio for one in own]],
            fmt="o",
            label=who,
            color=COLORS.get(who),
        )
    axes.axvline(1, color=matplotlib.rcParams["text.color"], linewidth=0.8)
    if max(one.high for one in figures) > 10:
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axes.set_yticks(range(len(cases)), cases, fontsize=8)
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


def _whose(figure: Figure) -> str:
    return figure.reference if figure.section == "fit" else figure.subject
