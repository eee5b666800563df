"""What other libraries do not promise to keep is listed, each with a reason."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import feasible

SOURCE = Path(feasible.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "private-apis.md"
TREES = {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def own_names() -> set[str]:
    """What the project itself defines, assigns or sets."""
    names = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names


def used_names(tree: ast.Module) -> set[str]:
    """Attributes that a module asks for, by name or by string, and modules that it imports."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"keras\.src\.\w+|torch\._dynamo", node.value):
                used.add(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module:
            used |= {part for part in node.module.split(".") if is_private(part)}
            used |= {alias.name for alias in node.names if is_private(alias.name)}
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            used |= {one.value for one in node.args if isinstance(one, ast.Constant)}
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant):
            used.add(str(node.left.value))
    return {
        one for one in used if is_private(str(one)) or str(one).startswith(("keras.src", "torch._"))
    }


def test_what_is_private_elsewhere_is_listed_and_nothing_else() -> None:
    own = own_names()
    places = defaultdict(list)
    for path, tree in TREES.items():
        for name in used_names(tree) - own:
            places[name].append(str(path.relative_to(SOURCE)))
    listed = set(re.findall(r"^\| `([^`]+)`", PAGE.read_text(), re.MULTILINE))
    assert {name: found for name, found in places.items() if name not in listed} == {}
    assert listed <= set(places)
