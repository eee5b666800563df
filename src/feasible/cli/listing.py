"""`feasible show`: what is in a checkpoint."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from feasible.cli.exit_codes import ExitCode, run_for_file
from feasible.cli.options import JsonOption, LayoutOption, OneFile
from feasible.cli.output import complain, safe_lines
from feasible.printable import printable

_COLUMNS = ("parameter", "dtype", "stored", "counted as", "role", "constraint", "note")


CertifyOption = Annotated[
    bool, typer.Option("--certify", help="State what the weights imply for a chain of layers.")
]


def show(
    file: OneFile,
    layout: LayoutOption = None,
    certify: CertifyOption = False,
    json_: JsonOption = False,
) -> None:
    """List the parameters in a checkpoint: shapes, layouts, and the constraints that it holds.

    Example:
      feasible show model.safetensors
    """

    def action() -> ExitCode:
        from feasible.checkpoints import open_checkpoint

        with open_checkpoint(file) as checkpoint:
            rows = _rows(checkpoint, layout.value if layout is not None else None)
            proven = _certificate(checkpoint) if certify else None
        print(
            _in_json(os.fspath(file), checkpoint, rows, proven)
            if json_
            else _in_table(checkpoint, rows)
        )
        if proven is not None and not json_:
            print(_certified(proven))
        return ExitCode.FEASIBLE

    raise typer.Exit(run_for_file(action, complain))


def _rows(checkpoint: Any, layout: str | None) -> list[dict[str, Any]]:
    from feasible.checkpoints.array_selection import targets_of

    constraints = {one.parameter: repr(one.constraint) for one in checkpoint.rules or ()}
    targets: dict[str, list[Any]] = {}
    for target in targets_of(checkpoint, layout):
        targets.setdefault(target.name, []).append(target)
    found = []
    for array in checkpoint.arrays:
        for one in targets.get(array.name, [None]):
            name = one.full_name if one is not None else array.name
            found.append(
                {
                    "parameter": name,
                    "dtype": array.dtype.name,
                    "stored": list(array.shape),
                    "counted_as": list(one.layout.shape(array.shape)) if one is not None else None,
                    "role": one.role if one is not None else None,
                    "constraint": constraints.get(name),
                    "note": f"taken for {one.taken_for}"
                    if one is not None and one.taken_for
                    else "",
                }
            )
    return found


def _in_json(source: str, checkpoint: Any, rows: list[dict[str, Any]], proven: Any) -> str:
    return json.dumps(
        {
            "schema": "feasible.contents",
            "version": 1,
            "file": source,
            "format": checkpoint.format,
            "parameters": rows,
            "notes": list(checkpoint.notes),
            "certificate": _certificate_json(proven),
        }
    )


def _in_table(checkpoint: Any, rows: list[dict[str, Any]]) -> str:
    from feasible.report import align_columns

    cells = [
        (
            printable(row["parameter"]),
            row["dtype"],
            "x".join(map(str, row["stored"])),
            "x".join(map(str, row["counted_as"] or ())),
            row["role"] or "",
            printable(row["constraint"] or ""),
            row["note"],
        )
        for row in rows
    ]
    notes = [f"note: {printable(note)}" for note in checkpoint.notes]
    table = align_columns(_COLUMNS, cells) if cells else "it holds no arrays"
    return safe_lines("\n".join([table, *notes]))


def _certificate(checkpoint: Any) -> Any:
    from feasible.checkpoints.certificates import certify
    from feasible.checkpoints.failures import damage

    with damage(checkpoint.source):
        return certify(checkpoint)


def _certificate_json(proven: Any) -> dict[str, Any] | None:
    if proven is None:
        return None
    return {**proven._asdict(), "layers": [one._asdict() for one in proven.layers]}


def _certified(proven: Any) -> str:
    lines = [f"{printable(one.layer)}: {one.constant:.6g}, {one.how}" for one in proven.layers]
    if proven.refused:
        lines.append(f"no certificate: {printable(proven.refused)}")
    else:
        lines.append(
            f"Lipschitz constant at most {proven.constant:.6g}: outputs are no further apart than "
            "so many times their inputs, in the Euclidean norm, as the model predicts"
        )
    if proven.increasing is not None:
        which = ", ".join(map(str, proven.increasing)) or "none"
        lines.append(f"inputs with which no output falls: {which}")
    return "\n".join(lines)
