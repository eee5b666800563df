"""The code in the README and in the pages of docs/ runs as it is printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest
import torch

import feasible

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    # A module, in which pickle finds classes, as in a script or a notebook.
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    exec(compile(block, "page", "exec"), vars(page))
    assert list(tmp_path.iterdir()) == []


def test_there_are_blocks_and_the_pictures_exist() -> None:
    assert len(BLOCKS) >= 4
    for page in PAGES:
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / picture).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Links within the repository lead to files; of others, only the form is checked."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)", prose):
        address = urlsplit(link)
        if address.scheme:
            assert address.scheme == "https"
            assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]{2,}", address.netloc), link
        elif address.path:
            assert (page.parent / address.path).is_file(), link


def test_each_public_module_is_in_the_reference() -> None:
    """`make docs` looks at each name; this needs no Sphinx."""
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
    named = re.findall(r"```\{public-names\} (\S+)\n```", pages)
    assert len(named) == len(set(named))
    public = {f"feasible.{name}" for name in (*feasible._PACKAGES, *feasible._MODULES)}
    assert set(named) >= public | {"feasible"}


def test_each_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    listed = {"index"}
    for page in docs.rglob("*.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
            for line in tree.splitlines():
                if line and not line.startswith(":"):
                    name = re.sub(r".*<(.+)>", r"\1", line)
                    listed.add((page.parent / name).relative_to(docs).as_posix())
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")}
    assert listed == pages
