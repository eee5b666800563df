"""Keeps functions out of compiled graphs, without importing the compiler, which takes seconds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import ParamSpec, TypeVar

import torch

from feasible.importing import when_imported

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def break_graph(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a function that runs as it is where what calls it is compiled.

    Args:
        function: The function.

    Returns:
        One that calls it; what is compiled ends before the call, and goes on after it.

    Example:
        >>> break_graph(abs)(-1)
        1
    """
    called = [function]

    def leave_alone(_: ModuleType) -> None:
        called[0] = torch.compiler.disable(function)  # type: ignore[no-untyped-call]

    when_imported("torch._dynamo", leave_alone)

    @functools.wraps(function)
    def calling(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return called[0](*args, **kwargs)

    return calling
