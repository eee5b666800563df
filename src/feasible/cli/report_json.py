"""A report as versioned JSON; docs/command-line.md documents each key."""

from __future__ import annotations

import math
from typing import Any

from feasible.report import Report

SCHEMA = "feasible.report"
SCHEMA_VERSION = 1


def report_json(source: str, report: Report) -> dict[str, Any]:
    """Return a report as JSON holds it.

    Args:
        source: What was checked.
        report: What was found.

    Returns:
        A dict; numbers that are not finite are null.

    Example:
        >>> report_json("m.npz", Report(()))["feasible"]
        True
    """
    return {
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "file": source,
        "feasible": report.ok,
        "parameters": [
            {
                "parameter": row.parameter,
                "stored": list(row.stored),
                "counted_as": list(row.shape),
                "constraint": row.constraint,
                "vectors": row.vectors,
                "length": row.length,
                "violating": row.violating,
                "worst": _finite(row.worst),
                "quantity": row.quantity,
                "bounds": [_finite(bound) for bound in row.bounds],
                "note": row.note,
            }
            for row in report.rows
        ],
        "notes": list(report.notes),
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
