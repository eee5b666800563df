"""The command line: `feasible check | show | project`.

It stands on Typer, which is well kept, makes help, errors and completion for each shell of the
commands' signatures, and starts in 0.1 s; cyclopts does as much, and takes 30 ms longer to import.
Nothing else is imported before a file is read.
"""

from feasible.requirements import require

require("the command feasible", "cli", "typer")

# ruff: noqa: E402

from feasible.cli.program import main

__all__ = ["main"]
