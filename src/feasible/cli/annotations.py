"""A report as continuous integration shows it: GitHub's annotations, and JUnit's XML."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from feasible.printable import printable
from feasible.report import Report, Row


def github_annotations(source: str, report: Report) -> str:
    """Return a report as GitHub's workflow commands: an annotation for each violation.

    Args:
        source: What was checked.
        report: What was found.

    Returns:
        A line for each parameter that violates its constraint, and one for each note.

    Example:
        >>> import numpy as np
        >>> from feasible import NonNeg
        >>> row = Row.of("bias", NonNeg(), np.array([0.5, -0.25]))
        >>> print(github_annotations("m.npz", Report((row,))))
        ::error file=m.npz,title=bias is not feasible::1 of 2 vectors violate NonNeg() by up to 0.25
    """
    lines = [
        f"::error file={_property(source)},title={_property(row.parameter)} is not feasible::"
        f"{_data(_violation(row))}"
        for row in report.rows
        if row.violating
    ]
    lines += [f"::notice file={_property(source)}::{_data(note)}" for note in report.notes]
    return "\n".join(lines)


def junit_xml(source: str, report: Report) -> str:
    """Return a report as JUnit's XML: a test case for each parameter.

    Args:
        source: What was checked.
        report: What was found.

    Returns:
        A document.

    Example:
        >>> print(junit_xml("m.npz", Report(())))
        <?xml version="1.0" encoding="utf-8"?>
        <testsuite name="m.npz" tests="0" failures="0">
        </testsuite>
    """
    failures = sum(row.violating > 0 for row in report.rows)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<testsuite name={quoteattr(printable(source))} "
        f'tests="{len(report.rows)}" failures="{failures}">',
    ]
    for row in report.rows:
        case = f"  <testcase name={quoteattr(printable(row.parameter))}"
        if row.violating:
            text = escape(printable(_violation(row), 1000))
            lines.append(f"{case}><failure>{text}</failure></testcase>")
        else:
            lines.append(f"{case}/>")
    return "\n".join([*lines, "</testsuite>"])


def _violation(row: Row) -> str:
    count = f"{row.violating} of {row.vectors} vectors"
    return f"{count} violate {row.constraint} by up to {row.worst:.3g}"


def _data(text: str) -> str:
    return printable(text, 1000).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
