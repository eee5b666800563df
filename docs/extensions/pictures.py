"""Shows a picture's dark twin, `NAME-dark.svg` beside `NAME.svg`, to readers of the dark theme.

A page names the light one only, so that it reads as well on GitHub. A picture without a twin is
shown on a light card, and one too wide for a phone can be moved sideways.
"""

from __future__ import annotations

from pathlib import Path

import imagesize
from docutils import nodes
from sphinx.application import Sphinx

# A picture of more pixels is legible on a phone only in its full width.
_FITS = 1000


def pair_pictures(app: Sphinx, page: nodes.document) -> None:
    """Put a picture for each theme where a page has one."""
    folder = Path(app.env.doc2path(app.env.current_document.docname)).parent
    for picture in list(page.findall(nodes.image)):
        path = Path(picture["uri"])
        if imagesize.get(folder / path)[0] > _FITS:
            picture.parent["classes"].append("wide-picture")
        twin = path.with_name(f"{path.stem}-dark{path.suffix}")
        if not (folder / twin).is_file():
            picture["classes"].append("light-card")
            continue
        dark = picture.deepcopy()
        dark["uri"] = str(twin)
        dark["classes"].append("only-dark")
        picture["classes"].append("only-light")
        picture.parent.insert(picture.parent.index(picture) + 1, dark)


def setup(app: Sphinx) -> dict[str, bool]:
    """Act on each page before its pictures are collected."""
    # Before the collector of images, whose priority is the usual 500.
    app.connect("doctree-read", pair_pictures, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
