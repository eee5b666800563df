"""The one table of layouts: what the parameters of modules are, in every framework.

Each library has a file of its own here, which names classes as strings and imports nothing of it.
What users register by type stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.known_layouts.equinox_layouts import EQUINOX
from feasible.known_layouts.flax_layouts import FLAX
from feasible.known_layouts.flax_layouts import rows_by_name as named_by_flax
from feasible.known_layouts.haiku_layouts import named_modules as named_by_haiku
from feasible.known_layouts.keras_layouts import KERAS
from feasible.known_layouts.torch_layouts import TORCH
from feasible.known_layouts.transformers_layouts import TRANSFORMERS, TRANSFORMERS_FAMILIES
from feasible.layouts import ParameterLayout

Rows = tuple[ParameterLayout, ...]
RowsOf = Rows | Callable[[Any], Rows]


def _named(params: Any) -> Rows:
    """Return what names tell of params in dicts, whose modules are not there."""
    return *named_by_haiku(params), *named_by_flax(params)


_KNOWN: Mapping[str, RowsOf] = {
    **TORCH,
    **TRANSFORMERS,
    **FLAX,
    **EQUINOX,
    **KERAS,
    "builtins.dict": _named,
}
_registered: dict[type, RowsOf] = {}


def register_layouts(module_type: type, *layouts: ParameterLayout | Callable[[Any], Rows]) -> None:
    """Say what the parameters of a module type, and of its subclasses, are.

    Args:
        module_type: The type: of a module of any framework, or of any node of a JAX tree.
        *layouts: A layout for each of its parameters, or one function from a module to its layouts,
            where they depend on how it was made. They replace those the type had.

    Raises:
        InvalidArgumentError: If a layout is neither.

    Example:
        >>> class Table:
        ...     pass
        >>> register_layouts(Table, ParameterLayout("rows", "embeddings", "row dim", unit="row"))
        >>> layouts_of(Table())[0].role
        'embeddings'
    """
    rows = tuple(row for row in layouts if isinstance(row, ParameterLayout))
    if len(rows) == len(layouts):
        _registered[module_type] = rows
    elif len(layouts) == 1 and callable(layouts[0]):
        _registered[module_type] = layouts[0]
    else:
        raise InvalidArgumentError(
            "register_layouts", "layouts", layouts, "ParameterLayout rows, or one function"
        )


def layouts_of(module: Any) -> Rows:
    """Return the layouts of a module's parameters.

    Args:
        module: The module, or any node of a JAX tree.

    Returns:
        The layouts of its type, or of the nearest type above that has any; none if nothing is known
        of it.

    Example:
        >>> layouts_of(object())
        ()
    """
    for kind in type(module).__mro__:
        rows = _registered.get(kind)
        if rows is None:
            rows = _known(f"{kind.__module__}.{kind.__qualname__}")
        if rows is not None:
            return rows(module) if callable(rows) else rows
    return ()


def _known(name: str) -> RowsOf | None:
    """Return what is known of a type by its name: its own row, or that of its family."""
    rows = _KNOWN.get(name)
    # Asked only where there are families, because PyTorch's compiler cannot follow the answer.
    return _of_family(name) if rows is None and name.startswith("transformers.") else rows


@cache
def _of_family(name: str) -> RowsOf | None:
    families = TRANSFORMERS_FAMILIES.items()
    return next((rows for family, rows in families if fnmatchcase(name, family)), None)
