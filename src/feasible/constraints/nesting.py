"""Arguments of constraints that are constraints."""

from __future__ import annotations

from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.constraints.base import Constraint
from feasible.constraints.serialization import get


def constraint_argument(owner: str, argument: str, value: Any) -> Constraint:
    """Return the constraint that an argument stands for.

    Args:
        owner: What the argument belongs to, for the message.
        argument: The argument's name.
        value: A constraint, a name of one, or what `serialize` returned.

    Returns:
        The constraint.

    Raises:
        InvalidArgumentError: If it is none.

    Example:
        >>> constraint_argument("Blocks", "constraint", "non_neg")
        NonNeg()
    """
    found = get(value) if isinstance(value, str | dict) else value
    if not isinstance(found, Constraint):
        raise InvalidArgumentError(owner, argument, value, "a constraint, such as MaxNorm(2)")
    return found
