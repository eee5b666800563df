"""What the house promises: imports point one way, and a name stands for one idea."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import feasible

SOURCE = Path(feasible.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# Rooms that import no framework, from the ground up, and what may stand on what above them.
GROUND = {"archives", "backend", "constraints", "known_layouts", "ops"}
ABOVE = {
    "jax": set(),
    "torch": set(),
    "layers": {"torch", "regularizers"},
    "losses": set(),
    "metrics": {"losses"},
    "optimizers": set(),
    "regularizers": set(),
    "callbacks": set(),
    "models": {"torch", "layers", "callbacks", "losses", "metrics", "optimizers", "regularizers"},
    "activations": {"layers"},
    "initializers": {"layers"},
    "saving": {"layers", "losses", "metrics", "models", "optimizers", "regularizers"},
    "utils": {"saving"},
    # Models that come from Keras are ours.
    "keras": {"torch", "layers", "models"},
}
# Functions that do the same for each framework or kind of thing, under one name for all.
SHARED = {
    "__dir__",
    "__getattr__",
    "check",
    "constrain",
    "deserialize",
    "cosine_similarity",
    "get",
    "project",
    "release",
    "normalize",
    "Optimizer",  # of PyTorch and of flax, as each is called there
    "Identity",  # an initializer, and a layer, as Keras calls both
    "Orthogonal",  # an initializer, and a constraint, as the field calls both
    "Precision",  # of numbers, and of decisions
    "relu",
    "serialize",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text()) for path in FILES}


def imports(tree: ast.Module) -> Iterator[str]:
    """The modules of ours that a module imports, at any depth; not for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [one if one in MODULES else node.module for one in inside]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
            names = [ast.literal_eval(one) for one in node.args if isinstance(one, ast.Constant)]
        else:
            continue
        yield from (name for name in names if name in MODULES)


def room(module: str) -> str:
    return [*module.split("."), ""][1]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    found = {module: set(imports(tree)) - {module} for module, tree in MODULES.items()}
    # The package itself hands out what stands in its rooms when it is asked.
    return {module: others - {"feasible"} for module, others in found.items()}


def at_import(tree: ast.Module) -> ast.Module:
    """A module without the bodies of its functions, which run later."""
    copied = ast.parse(ast.unparse(tree))
    for node in ast.walk(copied):
        if isinstance(node, ast.FunctionDef):
            node.body = [ast.Pass()]
    return copied


def test_imports_go_in_no_circle() -> None:
    graph = {
        module: set(imports(at_import(tree))) - {module, "feasible"}
        for module, tree in MODULES.items()
    }
    # A package's own list of what it holds is no dependency of what it holds.
    packages = {
        module for module in MODULES if any(one.startswith(f"{module}.") for one in MODULES)
    }
    inside = {
        module: {one for one in others if not (one in packages and module.startswith(f"{one}."))}
        for module, others in graph.items()
    }
    assert len([*TopologicalSorter(inside).static_order()]) == len(MODULES)


def test_rooms_stand_on_those_below_alone(graph: dict[str, set[str]]) -> None:
    rooms = defaultdict(set)
    for module, others in graph.items():
        rooms[room(module)] |= {room(one) for one in others} - {room(module)}
    for name in GROUND:
        assert not rooms[name] & ABOVE.keys(), name
    for name, below in ABOVE.items():
        assert rooms[name] & ABOVE.keys() <= below, name


def test_no_module_name_is_used_twice() -> None:
    paths = defaultdict(list)
    for path in FILES:
        if path.stem != "__init__":
            paths[path.stem].append(str(path.relative_to(SOURCE)))
    assert [found for found in paths.values() if len(found) > 1] == []


@pytest.mark.parametrize("kind", [ast.ClassDef, ast.FunctionDef])
def test_no_name_is_given_to_two_ideas(kind: type[ast.ClassDef | ast.FunctionDef]) -> None:
    places = defaultdict(list)
    for module, tree in MODULES.items():
        for node in tree.body:
            private = node.name.startswith("_") if isinstance(node, kind) else True
            if isinstance(node, kind) and (kind is ast.ClassDef or not private):
                places[node.name].append(module)
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in twice.items() if name not in SHARED} == {}
