"""The code in the README and in the pages of docs/ runs as it is printed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

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
