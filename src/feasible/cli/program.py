"""The program `feasible`: its commands, and what exit code each error gives."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from feasible import __version__
from feasible.cli.checks import check
from feasible.cli.exit_codes import ExitCode
from feasible.cli.listing import show
from feasible.cli.repairs import project

# A traceback of rich's would take half a second to make.
app = typer.Typer(
    name="feasible",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (check, show, project):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"feasible {__version__}")
        raise typer.Exit


@app.callback()
def feasible(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Audit and repair the weights in a checkpoint, without running anything in it."""
    del version


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What stands behind the command's name; by default, what the process was given.

    Returns:
        The exit code: 0 feasible, 1 violated, 2 unreadable, 3 nothing selected, 4 wrong usage.

    Example:
        >>> main(["--version"])
        feasible 0.1.0
        0
    """
    try:
        code = app(args=arguments, prog_name="feasible", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        show = getattr(error, "show", None)
        if show is not None:
            show()
        return ExitCode.WRONG_USAGE
    except typer.Abort:
        return 130
    except BrokenPipeError:
        # Whoever reads has seen enough; what is left must not be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.UNREADABLE
    return int(code or 0)
