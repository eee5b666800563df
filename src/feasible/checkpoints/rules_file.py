"""Rules in a TOML file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.checkpoints.constraint_text import parse_constraint

_LARGEST = 2**20
_FORM = 'a table [rules] of lines such as "*.weight" = "MaxNorm(2)", and maybe layout = "torch"'


def read_rules(path: str | os.PathLike[str]) -> tuple[list[tuple[str, Any]], str | None]:
    r"""Read rules from a TOML file.

    Args:
        path: The file, which has a table ``[rules]`` from patterns to constraints.

    Returns:
        Pairs of a pattern and a constraint, and the layout that the file names, or None.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidArgumentError: If it is of another form.
        ValueError: If there is no constraint of a name.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "rules.toml")
        ...     _ = path.write_text('[rules]\n"*.bias" = "NonNeg()"\n')
        ...     read_rules(path)
        ([('*.bias', NonNeg())], None)
    """
    source = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            content = tomllib.loads(file.read(_LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgumentError("rules", "file", source, f"TOML: {error}") from error
    rules, layout = content.get("rules"), content.get("layout")
    if (
        not isinstance(rules, dict)
        or not all(isinstance(text, str) for text in rules.values())
        or not isinstance(layout, str | None)
        or set(content) - {"rules", "layout"}
    ):
        raise InvalidArgumentError("rules", source, content, _FORM)
    return [(pattern, parse_constraint(text)) for pattern, text in rules.items()], layout
