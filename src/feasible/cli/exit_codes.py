"""What the command's exit code says, and which error gives which."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit code says."""

    FEASIBLE = 0
    VIOLATED = 1
    UNREADABLE = 2
    NOTHING_SELECTED = 3
    WRONG_USAGE = 4


# Which says more about several files, the worst first.
_WORST_FIRST = (
    ExitCode.UNREADABLE,
    ExitCode.WRONG_USAGE,
    ExitCode.NOTHING_SELECTED,
    ExitCode.VIOLATED,
    ExitCode.FEASIBLE,
)


def worst_of(codes: list[ExitCode]) -> ExitCode:
    """Return the exit code for several files.

    Args:
        codes: That of each.

    Returns:
        The worst.

    Example:
        >>> worst_of([ExitCode.VIOLATED, ExitCode.UNREADABLE]).name
        'UNREADABLE'
    """
    return min(codes, key=_WORST_FIRST.index, default=ExitCode.FEASIBLE)


def run_for_file(action: Callable[[], ExitCode], say: Callable[[str], None]) -> ExitCode:
    """Do something with a file, and return the exit code.

    Args:
        action: What is done.
        say: What shows an error.

    Returns:
        What the action returned, or what its error stands for.
    """
    from feasible.checkpoints.failures import CheckpointError, NothingSelectedError

    try:
        return action()
    except CheckpointError as error:
        say(str(error))
        return ExitCode.UNREADABLE
    except NothingSelectedError as error:
        say(str(error))
        return ExitCode.NOTHING_SELECTED
    except (ImportError, TypeError, ValueError) as error:
        say(str(error))
        return ExitCode.WRONG_USAGE
    except (OSError, MemoryError) as error:
        say(f"it cannot be read or written: {error or 'too little memory'}")
        return ExitCode.UNREADABLE
