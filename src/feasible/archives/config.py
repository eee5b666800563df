"""The config of a model, as Keras writes it into its files."""

from __future__ import annotations

import json
from typing import Any

from feasible.archives.errors import ArchiveError, reading

LARGEST_CONFIG = 16 * 2**20
_DEEPEST_CONFIG = 100


def parsed_config(text: str | bytes, source: str) -> dict[str, Any]:
    """Return a config that nobody vouches for.

    Args:
        text: The JSON.
        source: What it is part of, for messages.

    Returns:
        The config, nested no deeper than that of any model.

    Raises:
        ArchiveError: If it is not a JSON object, or larger or deeper than a model's can be.

    Example:
        >>> parsed_config('{"class_name": "Sequential"}', "m.keras")
        {'class_name': 'Sequential'}
    """
    if len(text) > LARGEST_CONFIG:
        raise ArchiveError(
            source, f"it has {len(text)} bytes, and may have {LARGEST_CONFIG} at most."
        )
    with reading(source):
        config = json.loads(text)
    if not isinstance(config, dict):
        raise ArchiveError(source, "it must hold a JSON object. Save the model again.")
    if _depth(config) > _DEEPEST_CONFIG:
        raise ArchiveError(
            source, f"it is nested deeper than {_DEEPEST_CONFIG} levels, as no model is."
        )
    return config


def _depth(value: Any) -> int:
    """Return how deep lists and dicts are nested, without descending by recursion."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth
