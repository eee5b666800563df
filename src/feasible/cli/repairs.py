"""`feasible project`: a repaired copy of a checkpoint."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from feasible.cli.exit_codes import ExitCode, run_for_file
from feasible.cli.options import (
    JsonOption,
    LayoutOption,
    OneFile,
    QuietOption,
    RuleOption,
    RulesOption,
    rules_of,
)
from feasible.cli.output import complain, safe_lines, with_progress
from feasible.printable import printable

_COLUMNS = ("parameter", "moved", "distance", "largest")


def project(
    source: OneFile,
    target: Annotated[Path, typer.Argument(help="Where the copy goes.", metavar="OUT")],
    rule: RuleOption = [],  # noqa: B006  Typer takes the default from here
    rules: RulesOption = None,
    layout: LayoutOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json_: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a copy of a checkpoint whose parameters satisfy their constraints.

    It is written whole or not at all, and keeps everything but the parameters that move.

    Examples:
      feasible project model.keras repaired.keras

      feasible project model.safetensors model.safetensors --force -r '*.bias=NonNeg()'
    """

    def action() -> ExitCode:
        from feasible.checkpoints.repairing import project_checkpoint

        given, own_layout = rules_of(rule, rules)
        chosen = layout.value if layout is not None else own_layout
        try:
            done = project_checkpoint(
                source, target, given, layout=chosen, force=force, progress=with_progress
            )
        except FileExistsError as error:
            complain(str(error))
            return ExitCode.WRONG_USAGE
        if not quiet:
            print(_as_json(source, target, done) if json_ else _as_table(done))
        return ExitCode.FEASIBLE

    raise typer.Exit(run_for_file(action, complain))


def _as_json(source: Path, target: Path, done: Any) -> str:
    return json.dumps(
        {
            "schema": "feasible.repair",
            "version": 1,
            "file": os.fspath(source),
            "written": os.fspath(target),
            "parameters": [one._asdict() for one in done.movements],
            "notes": list(done.notes),
        }
    )


def _as_table(done: Any) -> str:
    from feasible.report import align_columns

    rows = [
        (
            printable(one.name),
            f"{one.moved} of {one.vectors}",
            f"{one.distance:.3g}",
            f"{one.largest:.3g}",
        )
        for one in done.movements
    ]
    notes = [f"note: {printable(note)}" for note in done.notes]
    return safe_lines("\n".join([align_columns(_COLUMNS, rows), *notes]))
