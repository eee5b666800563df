"""Does something once a package is imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def when_imported(name: str, action: Callable[[ModuleType], None]) -> None:
    """Call an action with a package, now if it is imported already and otherwise once it is.

    Args:
        name: The package's name.
        action: What to do with it.

    Example:
        >>> when_imported("sys", lambda package: print(package.__name__))
        sys
    """
    if name in sys.modules:
        action(sys.modules[name])
        return
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _finder.actions.setdefault(name, []).append(action)


class _Finder(MetaPathFinder):
    """Finds packages as the finders after it do, and acts when they are executed."""

    def __init__(self) -> None:
        self.actions: dict[str, list[Callable[[ModuleType], None]]] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return what the other finders find for the package, and None for any other."""
        if fullname not in self.actions:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            self._act_after(fullname, spec.loader)
        return spec

    def _act_after(self, name: str, loader: Any) -> None:
        # The loader itself stays, as a package's resources are found through it.
        execute = loader.exec_module

        def execute_and_act(module: ModuleType) -> None:
            execute(module)
            actions = self.actions.pop(name, [])
            if not self.actions and self in sys.meta_path:
                sys.meta_path.remove(self)
            for action in actions:
                action(module)

        loader.exec_module = execute_and_act


_finder = _Finder()
