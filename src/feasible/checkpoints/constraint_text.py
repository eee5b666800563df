"""Constraints as people type them, such as ``MaxNorm(1, axis="unit")``: parsed, never evaluated."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.constraints import get
from feasible.constraints.names import CONSTRAINTS

_LONGEST = 10_000
_ALLOWED = (
    'a constraint with literal arguments, such as MaxNorm(1, axis="unit"), two of them joined by '
    "&, its name alone, or None to leave alone what the pattern selects"
)


def parse_constraint(text: str) -> Any:
    """Return the constraint that a text stands for.

    The text is parsed as a call with literal arguments. Nothing in it is evaluated: a name is
    looked up among the constraints that are built in or registered, and anything else is refused.

    Args:
        text: The text.

    Returns:
        The constraint; None for ``"None"``.

    Raises:
        InvalidArgumentError: If it is of another form, or arguments are out of bounds.
        ValueError: If there is no constraint of this name.

    Example:
        >>> parse_constraint('MaxNorm(1, axis="unit") & NonNeg()')
        MaxNorm(max_value=1, axis='unit') & NonNeg()
    """
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"a text of {len(text)} characters")
        tree = ast.parse(text.strip(), mode="eval").body
    except (MemoryError, RecursionError, SyntaxError, ValueError) as error:
        raise InvalidArgumentError("rule", "constraint", text, _ALLOWED) from error
    return _value(tree, text)


def parse_rule(text: str) -> tuple[str, Any]:
    """Return a rule from the form in which it is typed: a pattern, ``=`` and a constraint.

    Args:
        text: The rule.

    Returns:
        The pattern and the constraint.

    Raises:
        InvalidArgumentError: If it is of another form.
        ValueError: If there is no constraint of this name.

    Example:
        >>> parse_rule("*.weight=MaxNorm(2)")
        ('*.weight', MaxNorm(max_value=2, axis=0))
    """
    pattern, equals, constraint = text.partition("=")
    if not equals or not pattern.strip():
        raise InvalidArgumentError("rule", "rule", text, f"PATTERN=CONSTRAINT: {_ALLOWED}")
    return pattern.strip(), parse_constraint(constraint)


def _value(node: ast.expr, text: str) -> Any:
    """Return what a node stands for where a constraint is expected."""
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        return _value(node.left, text) & _value(node.right, text)
    if isinstance(node, ast.Name):
        return get(node.id)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise InvalidArgumentError("rule", "constraint", text, _ALLOWED)
    kind = CONSTRAINTS.find(node.func.id)
    if not inspect.isclass(kind) or any(one.arg is None for one in node.keywords):
        raise InvalidArgumentError("rule", "constraint", text, _ALLOWED)
    arguments = [_argument(one, text) for one in node.args]
    named = {str(one.arg): _argument(one.value, text) for one in node.keywords}
    try:
        inspect.signature(kind).bind(*arguments, **named)
    except TypeError as error:
        raise InvalidArgumentError(
            "rule", "constraint", text, f"{kind.__name__}{inspect.signature(kind)}; {error}"
        ) from error
    return kind(*arguments, **named)


def _argument(node: ast.expr, text: str) -> Any:
    """Return an argument: a literal, a constraint, or a list of constraints."""
    if isinstance(node, ast.Call):
        return _value(node, text)
    if isinstance(node, ast.List | ast.Tuple) and any(
        isinstance(one, ast.Call) for one in node.elts
    ):
        return [_argument(one, text) for one in node.elts]
    try:
        return ast.literal_eval(node)
    except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError) as error:
        raise InvalidArgumentError("rule", "constraint", text, _ALLOWED) from error
