"""The arguments that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

RULE_HELP = (
    "A glob over parameter names, or role:kernel, then = and a constraint, such as "
    "'*.weight=MaxNorm(1, axis=\"unit\")'. May be given several times."
)


class StoredLayout(StrEnum):
    """How parameters are stored of which the file does not say it."""

    TORCH = "torch"
    KERAS = "keras"
    NATIVE = "native"


Files = Annotated[
    list[Path],
    typer.Argument(help="Checkpoints: files or folders.", metavar="FILE...", show_default=False),
]
OneFile = Annotated[Path, typer.Argument(help="A checkpoint.", metavar="FILE")]
RuleOption = Annotated[
    list[str], typer.Option("--rule", "-r", help=RULE_HELP, metavar="RULE", show_default=False)
]
RulesOption = Annotated[
    Path | None, typer.Option("--rules", help="A TOML file of rules.", metavar="FILE")
]
LayoutOption = Annotated[
    StoredLayout | None,
    typer.Option(
        help="How weights are stored: (out, in) as PyTorch's, (in, out) as Keras's, or native for "
        "bare arrays. The format's own by default.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print versioned JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def rules_of(texts: list[str], path: Path | None) -> tuple[Any, str | None]:
    """Return the rules that options give.

    Args:
        texts: Rules as they are typed.
        path: A TOML file of rules, or None.

    Returns:
        Pairs of a pattern and a constraint, None for none at all; and the layout that the file
        names, or None.

    Raises:
        ValueError: If a rule cannot be read.

    Example:
        >>> rules_of(["*.bias=NonNeg()"], None)
        ([('*.bias', NonNeg())], None)
    """
    from feasible.checkpoints import parse_rule, read_rules

    rules, layout = read_rules(path) if path is not None else ([], None)
    rules = [*rules, *map(parse_rule, texts)]
    return (rules if rules or path is not None else None), layout
