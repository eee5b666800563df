"""Which parameter gets which constraint: selectors, matched against names, modules and roles."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

from feasible.arguments import InvalidArgumentError

Selector = str | re.Pattern[str] | tuple[type | str, str] | Callable[..., bool]
AnyConstraint = Callable[[Any], Any]
Rules = Mapping[Any, Any] | Iterable[tuple[Any, Any]]


@dataclass(frozen=True, eq=False)
class Target:
    """A parameter that a rule may select.

    Attributes:
        name: Its name in the model or its path in the tree.
        module: What it belongs to, or None.
        role: What it is to that, such as ``"kernel"``, or None where that is not known.
        parameter: The parameter itself.
        part: Which part of the parameter it is, where parts have constraints of their own.
    """

    name: str
    module: Any
    role: str | None
    parameter: Any
    part: str | None = None

    @property
    def identity(self) -> Hashable:
        """What is one and the same for a parameter under all its names."""
        return id(self.parameter), self.part

    @property
    def seen(self) -> tuple[Any, ...]:
        """What a predicate is called with."""
        return self.name, self.module, self.parameter


TargetT = TypeVar("TargetT", bound=Target)


class Rule(NamedTuple):
    """A selector and the constraint of the parameters that it selects.

    Attributes:
        selector: A glob over names, or the name of a part such as ``"in_proj_weight[query]"``; a
            compiled regular expression that matches whole names; a pair of a module type and a
            role; a pair of two globs, over the names of modules, whose own modules it is for too,
            and over roles; or a predicate, of name, module and
            parameter in a model, and of path and leaf in a tree.
        constraint: The constraint, or any callable.
    """

    selector: Selector
    constraint: AnyConstraint

    def __str__(self) -> str:
        return f"{describe(self.selector)}: {self.constraint!r}"


def as_rules(rules: Rules) -> list[Rule]:
    """Return rules from the forms in which they may be written.

    Args:
        rules: A mapping from selector to constraint, or pairs of them.

    Returns:
        The rules, in order.

    Raises:
        InvalidArgumentError: If a selector is of no known form, or a constraint cannot be called.

    Example:
        >>> from feasible import MaxNorm
        >>> print(as_rules({"*.weight": MaxNorm(2)})[0])
        '*.weight': MaxNorm(max_value=2, axis=0)
    """
    return [_as_rule(pair) for pair in (rules.items() if isinstance(rules, Mapping) else rules)]


def _as_rule(pair: Any) -> Rule:
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise InvalidArgumentError("rules", "rule", pair, "a pair of a selector and a constraint")
    selector, constraint = pair
    if not callable(constraint):
        raise InvalidArgumentError("rules", "constraint", constraint, "a constraint or callable")
    return Rule(check_selector(selector), constraint)


def check_selector(selector: Any) -> Selector:
    """Return a selector if it is of a known form, and raise otherwise.

    Args:
        selector: What may be one.

    Returns:
        The selector.

    Raises:
        InvalidArgumentError: If it is of no known form.
    """
    typed = (
        isinstance(selector, tuple)
        and len(selector) == 2
        and isinstance(selector[0], type | str)
        and isinstance(selector[1], str)
    )
    if typed or isinstance(selector, str | re.Pattern) or callable(selector):
        return selector  # type: ignore[no-any-return]
    raise InvalidArgumentError(
        "rules",
        "selector",
        selector,
        "a glob over parameter names, a compiled regular expression, a pair (module type, role) or "
        "(module's name, role), or a predicate (name, module, parameter) -> bool, of trees "
        "(path, leaf) -> bool",
    )


def selects(selector: Selector, target: Target) -> bool:
    """Say whether a selector is for a parameter.

    Args:
        selector: The selector.
        target: The parameter.

    Returns:
        Whether it is.

    Example:
        >>> selects("encoder.*", Target("encoder.0.weight", None, None, None))
        True
    """
    if isinstance(selector, str):
        return fnmatchcase(target.name, selector) or selector == f"{target.name}[{target.part}]"
    if isinstance(selector, re.Pattern):
        return selector.fullmatch(target.name) is not None
    if isinstance(selector, tuple):
        owner, role = selector
        if isinstance(owner, str):
            return fnmatchcase(target.role or "", role) and _is_in(target, owner)
        return isinstance(target.module, owner) and target.role == role
    return bool(selector(*target.seen))


def _is_in(target: Target, owner: str) -> bool:
    """Say whether a parameter is of a module that a glob names, or of one within that."""
    # A path in a tree has slashes.
    name = target.name.replace("/", ".").rpartition(".")[0]
    return fnmatchcase(name, owner) or fnmatchcase(name, f"{owner}.*")


def describe(selector: Selector) -> str:
    """Return a selector as it was written.

    Args:
        selector: The selector.

    Returns:
        Text for messages.

    Example:
        >>> describe(re.compile("a.*"))
        "re.compile('a.*')"
    """
    if isinstance(selector, re.Pattern):
        return f"re.compile({selector.pattern!r})"
    if isinstance(selector, tuple):
        owner, role = selector
        return f"({repr(owner) if isinstance(owner, str) else owner.__name__}, {role!r})"
    return getattr(selector, "__name__", None) or repr(selector)


def select(selector: Selector, targets: Sequence[TargetT]) -> list[TargetT]:
    """Return the parameters that a selector is for.

    Args:
        selector: The selector.
        targets: The parameters there are.

    Returns:
        Those selected, at least one.

    Raises:
        ValueError: If there are none; it names what resembles them.
    """
    selected = [target for target in targets if selects(selector, target)]
    if not selected:
        raise ValueError(
            f"{describe(selector)} selects no parameter. {_near_misses(selector, targets)}"
        )
    return selected


def match(rules: Sequence[Rule], targets: Sequence[TargetT]) -> list[tuple[TargetT, Rule]]:
    """Return which parameter gets which constraint.

    A parameter that has several names is selected by any of them, and is matched once.

    Args:
        rules: The rules.
        targets: The parameters there are, a shared one once for each of its names.

    Returns:
        The parameters that a rule selects, each with its rule.

    Raises:
        ValueError: If a rule selects nothing, or two select the same parameter.

    Example:
        >>> from feasible import NonNeg
        >>> weight = Target("dense.weight", None, "kernel", object())
        >>> [target.name for target, _ in match(as_rules({"*.weight": NonNeg()}), [weight])]
        ['dense.weight']
    """
    chosen: dict[Hashable, tuple[TargetT, Rule]] = {}
    for rule in rules:
        for target in select(rule.selector, targets):
            other = chosen.setdefault(target.identity, (target, rule))
            if other[1] is not rule:
                raise ValueError(
                    f"{target.name} can have one constraint, and two rules select it: "
                    f"{other[1]} and {rule}. Narrow one of the selectors."
                )
    return list(chosen.values())


def _near_misses(selector: Selector, targets: Sequence[Target]) -> str:
    """Say what there is that resembles what a selector asks for."""
    if isinstance(selector, tuple) and isinstance(selector[0], str):
        roles = {t.role for t in targets if t.role and _is_in(t, selector[0])}
        if roles:
            return f"Roles there: {', '.join(sorted(roles))}."
        owners = {t.name.rpartition(".")[0] for t in targets}
        near = get_close_matches(selector[0], owners, n=3, cutoff=0.3) or sorted(owners)[:8]
        return f"There is no such module. Near: {', '.join(near) or 'none'}."
    if isinstance(selector, tuple):
        known = {f"({type(t.module).__name__}, {t.role!r})" for t in targets if t.role}
        return f"Known here: {', '.join(sorted(known)) or 'no module with known roles'}."
    names = [target.name for target in targets]
    wanted = selector.pattern if isinstance(selector, re.Pattern) else selector
    near = get_close_matches(wanted, names, n=3, cutoff=0.3) if isinstance(wanted, str) else []
    shown = ", ".join(near or names[:8]) or "no parameters"
    return f"{'Near' if near else 'There are'}: {shown}."
