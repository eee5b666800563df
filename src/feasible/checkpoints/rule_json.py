"""Rules as JSON, in the metadata of a checkpoint: which parameter keeps which constraint."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from feasible.axis_placement import AxisPart
from feasible.checkpoints.checkpoint import FileRule
from feasible.checkpoints.failures import CheckpointError
from feasible.constraints import deserialize, serialize
from feasible.layouts import ParameterLayout

RULES_KEY = "feasible.rules"
RULES_VERSION = 1
_MOST_RULES = 100_000
_LAYOUT = ("role", "stored", "keras", "unit", "note")

Layouts = dict[str, tuple[ParameterLayout, ...]]


def rules_text(rules: Iterable[tuple[str, Any, ParameterLayout]]) -> str:
    """Return rules as a checkpoint's metadata holds them.

    Args:
        rules: For each parameter its name, its constraint and its layout.

    Returns:
        JSON.

    Raises:
        InvalidArgumentError: If a constraint could not be loaded back.

    Example:
        >>> from feasible import NonNeg
        >>> bias = ParameterLayout("bias", "bias", "*unit", unit="*unit")
        >>> text = rules_text([("b", NonNeg(), bias)])
        >>> rules_in_metadata({RULES_KEY: text}, "m")[0]
        [FileRule(parameter='b', constraint=NonNeg())]
    """
    entries = [
        {
            "parameter": name,
            "constraint": serialize(constraint),
            "layout": {
                **{key: getattr(layout, key) for key in _LAYOUT},
                "sizes": [list(pair) for pair in layout.sizes],
                "part": layout.part._asdict() if layout.part else None,
            },
        }
        for name, constraint, layout in rules
    ]
    return json.dumps({"version": RULES_VERSION, "rules": entries})


def rules_in_metadata(
    metadata: Mapping[str, Any], source: str
) -> tuple[list[FileRule] | None, Layouts]:
    """Return the rules that a checkpoint's metadata holds.

    Args:
        metadata: The metadata.
        source: The file, for the message.

    Returns:
        The rules, None if there are none, and the layouts of their parameters by name.

    Raises:
        CheckpointError: If they are of another form or version, or a constraint is unknown.
    """
    text = metadata.get(RULES_KEY)
    if text is None:
        return None, {}
    try:
        entry = json.loads(text)
        if entry["version"] != RULES_VERSION or len(entry["rules"]) > _MOST_RULES:
            raise ValueError(
                f"version {entry['version']!r:.20} with {len(entry['rules'])} rules, where this "
                f"feasible reads version {RULES_VERSION} with at most {_MOST_RULES}"
            )
        rules = []
        layouts: dict[str, list[ParameterLayout]] = defaultdict(list)
        for one in entry["rules"]:
            name, layout = str(one["parameter"]), _layout(one["layout"])
            layouts[name].append(layout)
            full_name = f"{name}[{layout.part.name}]" if layout.part else name
            rules.append(FileRule(full_name, deserialize(one["constraint"])))
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(source, f"the rules in its metadata cannot be read ({error})") from (
            error
        )
    return rules, {name: tuple(some) for name, some in layouts.items()}


def _layout(entry: Mapping[str, Any]) -> ParameterLayout:
    texts = {key: entry[key] for key in _LAYOUT}
    if not all(isinstance(text, str | None) for text in texts.values()):
        raise ValueError(f"a layout of {texts!r:.200}")
    part = entry["part"] and AxisPart(**entry["part"])
    sizes = tuple((str(name), int(size)) for name, size in entry["sizes"])
    return ParameterLayout(parameter="", sizes=sizes, part=part, **texts)
