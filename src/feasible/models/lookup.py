"""Finds what Keras's names stand for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

Named = TypeVar("Named")


def find(
    kind: str, name: str, known: Mapping[str, Named], aliases: Mapping[str, str] | None = None
) -> Named:
    """Return what a name stands for: ``"mean_squared_error"``, ``"MeanSquaredError"``, ``"mse"``.

    Args:
        kind: What is looked for, for the message.
        name: The name; capitals and underscores make no difference.
        known: What there is, by names in lower case.
        aliases: Short names of some.

    Returns:
        What the name stands for.

    Raises:
        ValueError: If it stands for nothing; it lists near misses.

    Example:
        >>> find("number", "OneHalf", {"one_half": 0.5})
        0.5
    """
    aliases = aliases or {}
    plain = {_plain(key): key for key in known}
    plain |= {_plain(alias): key for alias, key in aliases.items()}
    if _plain(name) in plain:
        return known[plain[_plain(name)]]
    near = {plain[key]: None for key in difflib.get_close_matches(_plain(name), plain)}
    meant = f"Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"Unknown {kind} {name!r}. {meant or 'Known are ' + ', '.join(known) + '.'}")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
