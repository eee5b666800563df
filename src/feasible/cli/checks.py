"""`feasible check`: whether checkpoints keep what they promise."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from feasible.cli.exit_codes import ExitCode, run_for_file, worst_of
from feasible.cli.options import (
    Files,
    JsonOption,
    LayoutOption,
    QuietOption,
    RuleOption,
    RulesOption,
    rules_of,
)
from feasible.cli.output import complain, paint, printable_report, safe_lines, with_progress


class OutputFormat(StrEnum):
    """How findings are printed."""

    TABLE = "table"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"


PlotOption = Annotated[
    Path | None,
    typer.Option(help="Draw what is bounded, and where the bounds are.", metavar="PICTURE"),
]
FormatOption = Annotated[
    OutputFormat, typer.Option("--format", help="How findings are printed.", show_default=True)
]


def check(
    files: Files,
    rule: RuleOption = [],  # noqa: B006  Typer takes the default from here
    rules: RulesOption = None,
    layout: LayoutOption = None,
    json_: JsonOption = False,
    form: FormatOption = OutputFormat.TABLE,
    plot: PlotOption = None,
    quiet: QuietOption = False,
) -> None:
    """Check that the parameters in checkpoints satisfy their constraints.

    The constraints of a Keras archive are in it, and those that feasible.torch.save_rules wrote are
    in a safetensors file; elsewhere give rules. Exit codes: 0 feasible, 1 violated, 2 unreadable,
    3 nothing selected, 4 wrong usage.

    Examples:
      feasible check model.keras

      feasible check model.safetensors --rule '*.weight=MaxNorm(1, axis="unit")'

      feasible check checkpoints/*.ckpt --rules rules.toml --json
    """
    form = OutputFormat.JSON if json_ else form
    code = run_for_file(
        lambda: _check_files(files, rule, rules, layout, form, plot, quiet), complain
    )
    raise typer.Exit(code)


def _check_files(
    files: list[Path],
    texts: list[str],
    rules_path: Path | None,
    layout: Any,
    form: OutputFormat,
    plot: Path | None,
    quiet: bool,
) -> ExitCode:
    if plot is not None and len(files) > 1:
        raise ValueError("--plot draws one file. Received: several")
    rules, own_layout = rules_of(texts, rules_path)
    chosen = layout.value if layout is not None else own_layout
    codes = []
    for path in files:
        action = partial(_check_file, path, rules, chosen, form, plot, quiet)
        codes.append(run_for_file(action, complain))
    return worst_of(codes)


def _check_file(
    path: Path,
    rules: Any,
    layout: str | None,
    form: OutputFormat,
    plot: Path | None,
    quiet: bool,
) -> ExitCode:
    from feasible.checkpoints import open_checkpoint
    from feasible.checkpoints.auditing import audit

    source = os.fspath(path)
    with open_checkpoint(path) as checkpoint:
        report = audit(checkpoint, rules, layout, with_progress)
    if plot is not None:
        from feasible.cli.overview import plot_overview

        plot_overview(printable_report(report), plot)
    if not quiet:
        print(_PRINTED[form](source, report))
    return ExitCode.FEASIBLE if report.ok else ExitCode.VIOLATED


def _table(source: str, report: Any) -> str:
    violating = sum(row.violating > 0 for row in report.rows)
    verdict = f"{violating} of {len(report.rows)} parameters violate their constraints"
    verdict = (
        paint(verdict, "red", sys.stdout)
        if violating
        else paint(f"all of {len(report.rows)} parameters are feasible", "green", sys.stdout)
    )
    return f"{safe_lines(str(printable_report(report)))}\n{safe_lines(source)}: {verdict}"


def _json(source: str, report: Any) -> str:
    from feasible.cli.report_json import report_json

    return json.dumps(report_json(source, report))


def _github(source: str, report: Any) -> str:
    from feasible.cli.annotations import github_annotations

    return github_annotations(source, report)


def _junit(source: str, report: Any) -> str:
    from feasible.cli.annotations import junit_xml

    return junit_xml(source, report)


_PRINTED = {
    OutputFormat.TABLE: _table,
    OutputFormat.JSON: _json,
    OutputFormat.GITHUB: _github,
    OutputFormat.JUNIT: _junit,
}
