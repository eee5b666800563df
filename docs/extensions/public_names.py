"""Writes the API reference: every public name of every public module, from its docstring.

A page names a module, and is given its names: ::

    ```{public-names} feasible.torch
    ```

Each class and function is documented in one module, its home; the other modules that hold it link
there. Whatever a public module holds and no page documents is a warning, and so an error of
`make docs`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging

import feasible

# An object that several hold is documented in the first of them.
FIRST = (
    "constraints",
    "torch",
    "jax",
    "jax.nnx",
    "models",
    "optimizers.schedules",
    "layers",
    "report",
)
REST = ("cli", *feasible._PACKAGES, *feasible._MODULES)
MODULES = [f"feasible.{name}" for name in dict.fromkeys((*FIRST, *REST))] + ["feasible"]

_DIRECTIVE = re.compile(r"^```\{public-names\} (\S+)\n```$", re.MULTILINE)
_log = logging.getLogger(__name__)


def public_names(module: ModuleType) -> list[str]:
    """Return the names that a module offers: those it lists, or else those it defines."""
    if "__dir__" in vars(module):
        names = dir(module)
    elif hasattr(module, "__all__"):
        names = list(module.__all__)
    else:
        names = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
        ]
    return sorted((name for name in names if not name.startswith("_")), key=str.lower)


def all_names() -> Iterator[tuple[str, str, Any]]:
    """Yield each public module's name, with each of its public names and what it stands for."""
    for module in map(import_module, MODULES):
        for name in public_names(module):
            yield module.__name__, name, getattr(module, name)


def homes() -> dict[int, str]:
    """Return the full name under which each class and function is documented."""
    found: dict[int, str] = {}
    for module, name, value in all_names():
        if isinstance(value, ModuleType):
            found[id(value)] = value.__name__
        elif name == getattr(value, "__name__", name) or id(value) not in found:
            home = found.get(id(value), f"{module}.{name}")
            if home.rpartition(".")[0] == module or id(value) not in found:
                found[id(value)] = f"{module}.{name}"
    return found


def members(kind: type) -> list[str]:
    """Return the documented methods and properties that a class adds to its bases."""
    fields = getattr(kind, "_fields", ())
    return [
        name
        for name, value in vars(kind).items()
        if not name.startswith("_")
        and name not in fields
        and (inspect.isroutine(value) or isinstance(value, property))
        and str(getattr(value, "__module__", "feasible")).startswith("feasible")
        and inspect.getdoc(getattr(value, "fget", None) or value)
        and not any(name in vars(base) for base in kind.__mro__[1:])
    ]


def name_in_pytorch(function: Any) -> str:
    """Return where PyTorch documents one of its functions, which built-in ones do not know."""
    for name in (function.__name__, function.__name__.replace("_", "")):
        if hasattr(torch.nn.functional, name):
            return f"torch.nn.functional.{name}"
    return f"torch.{function.__name__}"


def documentation(full_name: str, value: Any) -> str:
    """Return the directive that documents one name."""
    if isinstance(value, type):
        options = f"   :members: {', '.join(members(value))}\n" if members(value) else ""
        return f".. autoclass:: {full_name}\n{options}"
    owner, name = str(getattr(value, "__module__", "feasible")), full_name.rpartition(".")[2]
    if inspect.isroutine(value) and not owner.startswith("feasible"):
        return f".. py:function:: {name}(x)\n\n   PyTorch's ``{name_in_pytorch(value)}``.\n"
    if inspect.isroutine(value):
        return f".. autofunction:: {full_name}\n"
    return f".. autodata:: {full_name}\n   :no-value:\n"


def role(value: Any) -> str:
    """Return the role with which a thing is linked."""
    if isinstance(value, ModuleType):
        return "py:mod"
    return "py:class" if isinstance(value, type) else "py:obj"


def reference(module_name: str) -> str:
    """Return the reference of a module, as reStructuredText."""
    found = homes()
    documented, elsewhere = [], []
    module = import_module(module_name)
    for name in public_names(module):
        value, full_name = getattr(module, name), f"{module_name}.{name}"
        home = found[id(value)]
        if home == full_name and not isinstance(value, ModuleType):
            documented.append(documentation(full_name, value))
        else:
            if not isinstance(value, ModuleType):
                elsewhere.append(f".. py:data:: {name}\n   :no-typesetting:\n")
            elsewhere.append(f"* ``{name}``: :{role(value)}:`{home}`\n")
    targets = [text for text in elsewhere if text.startswith("..")]
    rows = [text for text in elsewhere if text.startswith("*")]
    also = [".. rubric:: Names documented elsewhere\n", *targets, "".join(rows)] if rows else []
    return "\n".join([f".. py:module:: {module_name}\n", *documented, *also])


def write_references(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Put the reference in the place of each directive of a page."""
    source[0] = _DIRECTIVE.sub(
        lambda found: f"````{{eval-rst}}\n{reference(found[1])}\n````", source[0]
    )


def warn_of_missing(app: Sphinx, env: Any) -> None:
    """Warn of each public name that no page documents."""
    documented = env.get_domain("py").objects
    for module, name, value in all_names():
        full_name = value.__name__ if isinstance(value, ModuleType) else f"{module}.{name}"
        if full_name not in documented:
            _log.warning("%s is public, and no page of the reference documents it", full_name)
    del app


def leave_types_of_python(_app: Sphinx, page: nodes.document) -> None:
    """Link no type of Python's to a name of ours that is spelled alike, such as `Sequence`."""
    for link in list(page.findall(pending_xref)):
        if link.get("refdomain") == "py" and hasattr(typing, link["reftarget"]):
            link.replace_self(link.children)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write and check the reference while pages are read."""
    app.connect("source-read", write_references)
    app.connect("doctree-read", leave_types_of_python)
    app.connect("env-check-consistency", warn_of_missing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
