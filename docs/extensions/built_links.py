"""Checks the pages that were built: each link within the site leads to a file and a place in it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)


class _Page(HTMLParser):
    """The links of a page, and the places that links may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the attributes that are links or places."""
        del tag
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


def broken_links(site: Path) -> list[str]:
    """Return a line for each link that leads nowhere within the site, or out of it by no https."""
    pages = {path.resolve(): _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for link in sorted(page.links):
            address = urlsplit(link)
            if address.scheme in ("https", "data", "mailto"):
                if address.scheme == "https" and "." not in address.netloc:
                    found.append(f"{path.relative_to(site)}: {link} names no host")
                continue
            if address.scheme or address.netloc:
                found.append(f"{path.relative_to(site)}: {link} is not https")
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            if not target.is_file():
                found.append(f"{path.relative_to(site)}: {link} leads to no file")
                continue
            places = pages[target].places if target in pages else set()
            if target in pages and address.fragment and unquote(address.fragment) not in places:
                found.append(f"{path.relative_to(site)}: {link} leads to no place on the page")
    return found


def check(app: Sphinx, failure: Exception | None) -> None:
    """Warn of broken links, once all pages are written."""
    if failure is None and app.builder.format == "html":
        for line in broken_links(Path(app.outdir).resolve()):
            _log.warning(line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Check when the build is finished."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
