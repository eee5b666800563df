"""Which parameter gets which constraint: rules, and which of several counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple

from feasible.arguments import InvalidArgumentError
from feasible.constraints import Constraint
from feasible.constraints.base import is_whole_call
from feasible.selectors import (
    Role,
    Selector,
    Target,
    TargetT,
    check_selector,
    describe,
    is_kernel,
    is_name,
    select,
)
from feasible.timing import Functions, Timing

AnyConstraint = Callable[[Any], Any]
Rules = Mapping[Any, Any] | Iterable[Any]

# How many names a note spells out.
_SPELLED_OUT = 8
# What modules that are not known may call a parameter of a role other than a kernel's.
_OTHER_NAMES = {"gamma": ("gamma", "weight", "scale"), "beta": ("beta", "bias")}


class _Pair(NamedTuple):
    selector: Selector
    constraint: AnyConstraint | None


class Rule(_Pair):
    """A selector and the constraint of the parameters that it selects.

    It is a pair of both, and may say more of how and when the constraint acts.

    Args:
        selector: A glob over names, which may end in the name of a part in brackets, such as
            ``"*.in_proj_weight[query]"``; a compiled regular expression that matches whole names; a
            module type, for the kernels of such modules; a pair of a module type and a role; a
            pair of two globs, over the names of modules, whose own modules it is for too, and over
            roles; a role; or a predicate, of name, module and parameter in a model, and of path
            and leaf in a tree.
        constraint: The constraint, or any callable; None leaves alone what the selector is for,
            whichever other rules select it.
        joint: Whether what the rule selects is constrained together, as if it were one weight: each
            vector of the constraint goes through all parameters, such as one norm over all.
        every: It acts at each so many steps.
        start: The first step at which it may act.
        schedule: Arguments of the constraint that change over time: functions from the step to a
            number, by the argument's name.
        bounds: Arguments that depend on the weight: functions from it to a number or an array.

    Example:
        >>> from feasible import MaxNorm
        >>> print(Rule("*.weight", MaxNorm(2, axis=None), joint=True))
        '*.weight': MaxNorm(max_value=2, axis=None)
    """

    joint: bool
    timing: Timing

    def __new__(
        cls,
        selector: Selector,
        constraint: AnyConstraint | None,
        *,
        joint: bool = False,
        every: int = 1,
        start: int = 0,
        schedule: Functions | None = None,
        bounds: Functions | None = None,
    ) -> Rule:
        """Make a rule, which is also a pair."""
        rule = super().__new__(cls, selector, constraint)
        rule.joint = joint
        rule.timing = Timing(every, start, dict(schedule or {}), dict(bounds or {}))
        return rule

    def with_pair(self, selector: Selector, constraint: AnyConstraint | None) -> Rule:
        """Return a rule for other parameters, or of another constraint, that acts as this one does.

        Args:
            selector: The selector.
            constraint: The constraint.

        Returns:
            The rule.
        """
        rule = Rule(selector, constraint, joint=self.joint)
        rule.timing = self.timing
        return rule

    def __str__(self) -> str:
        return f"{describe(self.selector)}: {self.constraint!r}"


class Matches(NamedTuple, Generic[TargetT]):
    """Which parameter gets which constraint.

    Attributes:
        chosen: The parameters that get one, each with it.
        notes: What else is to be said: which rule gave way, what was left out, what was not known.
        rules: The rules that these come from, in the same order.
    """

    chosen: list[tuple[TargetT, AnyConstraint]]
    notes: tuple[str, ...]
    rules: tuple[Rule, ...]


def as_rules(rules: Rules, roles: Mapping[str, Any] | None = None) -> list[Rule]:
    """Return rules from the forms in which they may be written.

    Args:
        rules: A mapping from selector to constraint, or pairs of them, or `Rule`s; None for a
            constraint leaves alone what the selector is for.
        roles: Constraints by the role of the parameters that they are for.

    Returns:
        The rules, in order.

    Raises:
        InvalidArgumentError: If a selector is of no known form, or a constraint cannot be called.

    Example:
        >>> from feasible import MaxNorm
        >>> print(as_rules({"*.weight": MaxNorm(2)})[0])
        '*.weight': MaxNorm(max_value=2, axis=0)
    """
    if not isinstance(rules, Iterable):
        raise InvalidArgumentError(
            "rules", "rules", rules, "a mapping from selector to constraint, or pairs of them"
        )
    pairs = rules.items() if isinstance(rules, Mapping) else rules
    by_role = [(Role(role), constraint) for role, constraint in (roles or {}).items()]
    return [*map(_as_rule, pairs), *map(_as_rule, by_role)]


def _as_rule(pair: Any) -> Rule:
    rule = pair if isinstance(pair, Rule) else None
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise InvalidArgumentError("rules", "rule", pair, "a pair of a selector and a constraint")
    selector, constraint = pair
    argument = selector.name if isinstance(selector, Role) else "constraint"
    if isinstance(constraint, type):
        name = constraint.__name__
        raise InvalidArgumentError(
            "rules", argument, constraint, f"an instance, such as {name}(...), not the class {name}"
        )
    if constraint is not None and not callable(constraint):
        raise InvalidArgumentError(
            "rules",
            argument,
            constraint,
            "a constraint or callable, or None to leave alone what the selector is for",
        )
    selector = check_selector(selector)
    if rule is None:
        return Rule(selector, constraint)
    rule.timing.check(constraint)
    if rule.joint and not can_be_joint(constraint):
        raise InvalidArgumentError(
            "Rule",
            "joint",
            rule.joint,
            f"False for {constraint!r}, whose vectors must be whole; it is for constraints that "
            "need only sums, such as those on norms",
        )
    return rule.with_pair(selector, constraint)


def can_be_joint(constraint: AnyConstraint | None) -> bool:
    """Return whether a constraint can go through several parameters as if they were one.

    Args:
        constraint: The constraint, or any callable.

    Returns:
        Whether it needs only sums over its vectors.

    Example:
        >>> from feasible import MaxNorm, Simplex
        >>> can_be_joint(MaxNorm(2)), can_be_joint(Simplex())
        (True, False)
    """
    return (
        isinstance(constraint, Constraint)
        and not is_whole_call(constraint)
        and not constraint.whole_blocks
        and not constraint.is_entrywise
    )


def match(rules: Sequence[Rule], targets: Sequence[TargetT]) -> Matches[TargetT]:
    """Return which parameter gets which constraint.

    A parameter that has several names is selected by any of them, and is matched once. A rule whose
    selector is the parameter's very name comes before all others; of those, one whose constraint is
    None comes before the others.

    Args:
        rules: The rules.
        targets: The parameters there are, a shared one once for each of its names.

    Returns:
        The parameters that get a constraint, each with it, and notes.

    Raises:
        ValueError: If a rule selects nothing, or two that rank alike select the same parameter.

    Example:
        >>> from feasible import NonNeg
        >>> weight = Target("dense.weight", None, "kernel", object())
        >>> [target.name for target, _ in match(as_rules({"*.weight": NonNeg()}), [weight]).chosen]
        ['dense.weight']
    """
    found: dict[Hashable, dict[int, tuple[TargetT, Rule]]] = defaultdict(dict)
    for place, rule in enumerate(rules):
        for target in select(rule.selector, targets):
            first, _ = found[target.identity].setdefault(place, (target, rule))
            if not is_name(rule.selector, first) and is_name(rule.selector, target):
                found[target.identity][place] = (target, rule)
    chosen: list[tuple[TargetT, AnyConstraint]] = []
    rules_of_chosen: list[Rule] = []
    notes: list[str] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    for several in found.values():
        candidates = list(several.values())
        target, rule = _first(candidates)
        others = [other for _, other in candidates if other is not rule]
        if rule.constraint is not None:
            chosen.append((target, rule.constraint))
            rules_of_chosen.append(rule)
            if others:
                given_way = " and ".join(map(str, others))
                notes.append(f"{target.full_name}: its own rule comes before {given_way}")
        elif any(other.constraint is not None for other in others):
            left_out[str(rule)].append(target.full_name)
    notes += [f"{rule} leaves out {_listed(names)}" for rule, names in left_out.items()]
    notes += [note for rule in rules if (note := _not_known(rule, targets, found))]
    return Matches(chosen, tuple(notes), tuple(rules_of_chosen))


def _first(candidates: Sequence[tuple[TargetT, Rule]]) -> tuple[TargetT, Rule]:
    """Return which of the rules that select one parameter counts."""
    named = [one for one in candidates if is_name(one[1].selector, one[0])]
    excluding = [one for one in candidates if one[1].constraint is None]
    first, *others = named or excluding or candidates
    differing = [one for one in others if one[1].constraint is not None or named]
    if differing:
        target, rule = first
        raise ValueError(
            f"{target.full_name} can have one constraint, and two rules select it: {rule} and "
            f"{differing[0][1]}. Narrow one of the selectors, add {{{target.full_name!r}: ...}} "
            "with the constraint that is meant, which comes before rules that are no name, or "
            f"{{{target.full_name!r}: None}} to leave it alone."
        )
    return first


def _not_known(rule: Rule, targets: Sequence[Target], found: Mapping[Hashable, Any]) -> str | None:
    """Say which parameters a role may have been meant for, of modules that are not known."""
    if not isinstance(rule.selector, Role) or rule.constraint is None:
        return None
    role = rule.selector.name
    names = _OTHER_NAMES.get(role, (role,))
    passed_over = [
        f"{target.full_name} of {type(target.module).__name__}"
        for target in targets
        if target.role is None and target.identity not in found
        if (_axes(target) > 1 if is_kernel(role) else target.own_name in names)
    ]
    if not passed_over:
        return None
    return (
        f"{role}= passes over {_listed(passed_over)}: their roles are not known. Name them in a "
        "rule, or say what they are by register_layouts"
    )


def _axes(target: Target) -> int:
    """Return how many axes a parameter has; none where it has no shape yet."""
    try:
        return len(getattr(target.parameter, "shape", ()))
    except RuntimeError:  # as a lazy parameter of PyTorch's answers
        return 0


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SPELLED_OUT
    return ", ".join(names[:_SPELLED_OUT]) + (f" and {more} more" if more > 0 else "")
