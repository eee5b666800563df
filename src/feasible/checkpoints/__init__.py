"""Reads checkpoints of any framework, checks them against rules, and repairs copies.

Nothing in a file is run, imported or unpickled; arrays are mapped into memory one at a time; and no
framework is needed. `formats` is the one table of formats, each of which has a file of its own.
"""

from feasible.checkpoints.auditing import check_checkpoint
from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.constraint_text import parse_constraint, parse_rule
from feasible.checkpoints.failures import CheckpointError, NothingSelectedError
from feasible.checkpoints.formats import open_checkpoint
from feasible.checkpoints.repairing import project_checkpoint
from feasible.checkpoints.rules_file import read_rules

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "NothingSelectedError",
    "check_checkpoint",
    "open_checkpoint",
    "parse_constraint",
    "parse_rule",
    "project_checkpoint",
    "read_rules",
]
