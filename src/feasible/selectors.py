"""Which parameters a rule is for: by name, module, role, or a function of the user's."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from feasible.arguments import InvalidArgumentError
from feasible.near_misses import near_misses


@dataclass(frozen=True)
class Role:
    """A role as a selector: every parameter of that role in modules that are known.

    Attributes:
        name: The role, such as ``"kernel"``.
    """

    name: str


# Paths share much of their text: what resembles one may differ in more than a word does.
_LIKENESS = 0.3
Selector = str | re.Pattern[str] | tuple[type | str, str] | type | Role | Callable[..., bool]

# At the end of a selector, what can hardly be meant as a set of characters.
_BRACKETED_WORD = re.compile(r"\[[A-Za-z_]\w{3,}\]\Z")
# Of what a module can be an instance; a call of one is no question about a parameter.
_MODULES = {
    "torch.nn.modules.module.Module",
    "torch.optim.optimizer.Optimizer",
    "flax.nnx.module.Module",
    "flax.linen.module.Module",
    "equinox._module._module.Module",
    "keras.src.layers.layer.Layer",
}


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

    @property
    def own_name(self) -> str:
        """Its name in its module."""
        return self.name.replace("/", ".").rpartition(".")[2]

    @property
    def full_name(self) -> str:
        """Its name in the model, a part's in brackets."""
        return f"{self.name}[{self.part}]" if self.part else self.name


TargetT = TypeVar("TargetT", bound=Target)


def check_selector(selector: Any) -> Selector:
    """Return a selector if it is of a known form, and raise otherwise.

    Args:
        selector: What may be one.

    Returns:
        The selector.

    Raises:
        InvalidArgumentError: If it is of no known form.

    Example:
        >>> check_selector("encoder.*")
        'encoder.*'
    """
    is_module = any(
        f"{kind.__module__}.{kind.__qualname__}" in _MODULES for kind in type(selector).__mro__
    )
    typed = (
        isinstance(selector, tuple)
        and len(selector) == 2
        and isinstance(selector[0], type | str)
        and isinstance(selector[1], str)
    )
    known = isinstance(selector, str | re.Pattern | Role) or callable(selector)
    if typed or (known and not is_module):
        return selector  # type: ignore[no-any-return]
    raise InvalidArgumentError(
        "rules",
        "selector",
        selector,
        "a glob over parameter names, a compiled regular expression, a module type, a pair (module "
        "type, role) or (module's name, role), or a predicate (name, module, parameter) -> bool, "
        "of trees (path, leaf) -> bool; a module that is there is selected by its name, such as "
        '("encoder.0", "kernel")',
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
        return _is_named(selector, target)
    if isinstance(selector, re.Pattern):
        return selector.fullmatch(target.name) is not None
    if isinstance(selector, Role):
        return target.role == selector.name
    if isinstance(selector, type):
        return isinstance(target.module, selector) and is_kernel(target.role)
    if isinstance(selector, tuple):
        owner, role = selector
        # Of a module that is not known, a parameter's own name may stand for a role, for it is
        # asked for in that module.
        known = target.role or target.own_name
        if isinstance(owner, str):
            return fnmatchcase(known, role) and _is_in(target, owner)
        return isinstance(target.module, owner) and known == role
    return bool(selector(*target.seen))


def _is_named(selector: str, target: Target) -> bool:
    """Return whether a glob is for a parameter, or for this part of one."""
    part = f"[{target.part}]"
    if target.part and selector.endswith(part):
        return fnmatchcase(target.name, selector.removesuffix(part))
    if _BRACKETED_WORD.search(selector):
        return False
    return fnmatchcase(target.name, selector)


def is_name(selector: Selector, target: Target) -> bool:
    """Return whether a selector is the very name of a parameter or of a part of one.

    Args:
        selector: A selector that is for the parameter.
        target: The parameter.

    Returns:
        Whether it names this one and could name no other.

    Example:
        >>> is_name("head.weight", Target("head.weight", None, None, None))
        True
    """
    return isinstance(selector, str) and selector in (target.name, target.full_name)


def is_kernel(role: str | None) -> bool:
    """Return whether a role is that of a kernel: what a module type alone selects.

    Args:
        role: The role, or None.

    Returns:
        Whether it is a kernel of any kind, or the vectors of an embedding.

    Example:
        >>> is_kernel("recurrent_kernel"), is_kernel("bias")
        (True, False)
    """
    return role is not None and ("kernel" in role or role == "embeddings")


def _is_in(target: Target, owner: str) -> bool:
    """Say whether a parameter is of a module that a glob names, or of one within that."""
    # A path in a tree has slashes.
    owner = owner.replace("/", ".")
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
    if isinstance(selector, Role):
        return f"{selector.name}="
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


def _near_misses(selector: Selector, targets: Sequence[Target]) -> str:
    """Say what there is that resembles what a selector asks for."""
    if isinstance(selector, tuple) and isinstance(selector[0], str):
        return _near_modules(selector[0], targets)
    if isinstance(selector, tuple | type):
        known = {f"({type(t.module).__name__}, {t.role!r})" for t in targets if t.role}
        return f"Known here: {', '.join(sorted(known)) or 'no module with known roles'}."
    if isinstance(selector, Role):
        roles = sorted({t.role for t in targets if t.role})
        others = sorted({type(t.module).__name__ for t in targets if not t.role})
        unknown = f" Not known: the parameters of {', '.join(others)}." if others else ""
        return f"Roles here: {', '.join(roles) or 'none'}.{unknown}"
    if isinstance(selector, str) and (bracket := _BRACKETED_WORD.search(selector)):
        parts = ", ".join(sorted({t.full_name for t in targets if t.part})[:8]) or "none"
        return (
            f"{bracket[0]} is read as a part of a parameter, and parts here are: {parts}. For a "
            "set of characters, take re.compile."
        )
    names = list(dict.fromkeys(target.name for target in targets))
    wanted = selector.pattern if isinstance(selector, re.Pattern) else selector
    # Nothing resembles a predicate.
    return near_misses(wanted if isinstance(wanted, str) else "", names, cutoff=_LIKENESS)


def _near_modules(wanted: str, targets: Sequence[Target]) -> str:
    roles = {t.role or t.own_name for t in targets if _is_in(t, wanted)}
    if roles:
        return f"Roles there: {', '.join(sorted(roles))}."
    owners = {t.name.rpartition(".")[0] for t in targets}
    near = near_misses(wanted, sorted(owners), cutoff=_LIKENESS)
    return f"There is no such module. {near}"
