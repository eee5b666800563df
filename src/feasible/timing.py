"""When a rule acts, and with which bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.constraints import Constraint
from feasible.constraints.values import arguments_of

Functions = Mapping[str, Callable[[Any], Any]]


@dataclass(frozen=True)
class Timing:
    """At which steps a constraint acts, and what its bounds are then.

    Args:
        every: It acts at each so many steps.
        start: The first step at which it may act; an optimizer's first step is step 1.
        schedule: Arguments of the constraint that change over time, by name: functions from the
            step to a number, as optax's schedules are.
        bounds: Arguments that depend on the weight, by name: functions from the weight, in the
            layout in which the constraint counts axes, to a number or an array.

    Raises:
        InvalidArgumentError: If a number is out of range, or what is to change cannot be called.

    Example:
        >>> from feasible import MaxNorm
        >>> timing = Timing(every=2, schedule={"max_value": lambda step: 4 / step})
        >>> timing.is_due(1), timing.is_due(2)
        (False, True)
        >>> timing.constraint_at(MaxNorm(4), 2, None)
        MaxNorm(max_value=2.0, axis=0)
    """

    every: int = 1
    start: int = 0
    schedule: Functions = field(default_factory=dict)
    bounds: Functions = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_integer("Rule", "every", self.every)
        check_integer("Rule", "start", self.start, minimum=0)
        for argument in ("schedule", "bounds"):
            functions = getattr(self, argument)
            if not isinstance(functions, Mapping) or not all(map(callable, functions.values())):
                raise InvalidArgumentError(
                    "Rule", argument, functions, "a mapping from an argument's name to a function"
                )
        if both := set(self.schedule) & set(self.bounds):
            raise InvalidArgumentError(
                "Rule", "bounds", sorted(both), "for other arguments than `schedule`"
            )

    def __hash__(self) -> int:
        changing = (tuple(sorted(one.items())) for one in (self.schedule, self.bounds))
        return hash((self.every, self.start, *changing))

    @property
    def is_always(self) -> bool:
        """Whether the constraint acts after each step, and is always the same."""
        return (self.every, self.start) == (1, 0) and not self.changes

    @property
    def changes(self) -> tuple[str, ...]:
        """The names of the arguments that change."""
        return (*self.schedule, *self.bounds)

    def check(self, constraint: Any) -> None:
        """Raise if what is to change are no arguments of a constraint.

        Args:
            constraint: The constraint.

        Raises:
            InvalidArgumentError: If it has no such arguments.
        """
        known = arguments_of(type(constraint)) if isinstance(constraint, Constraint) else ()
        for name in self.changes:
            if name not in known:
                allowed = f"names of arguments of {constraint!r}: {', '.join(known) or 'none'}"
                argument = "schedule" if name in self.schedule else "bounds"
                raise InvalidArgumentError("Rule", argument, name, allowed)

    def is_due(self, step: Any) -> Any:
        """Return whether the constraint acts at a step.

        Args:
            step: How many steps there were, this one included: an int, or an array of one.

        Returns:
            A bool, or an array of one.
        """
        return (step >= self.start) & ((step - self.start) % self.every == 0)

    def constraint_at(self, constraint: Any, step: Any, w: Any) -> Any:
        """Return the constraint as it is at a step.

        Args:
            constraint: The constraint.
            step: The step: an int, or a traced array of one.
            w: The weight, in the layout in which the constraint counts axes.

        Returns:
            A constraint whose arguments are those of now.

        Raises:
            InvalidArgumentError: If a function returned what the constraint does not take.
        """
        found = {name: function(step) for name, function in self.schedule.items()}
        found |= {name: function(w) for name, function in self.bounds.items()}
        if not found:
            return constraint
        values = {name: _as_argument(value) for name, value in found.items()}
        if any(_is_traced(value) for value in values.values()):
            return constraint.unchecked(**values)
        return constraint.replace(**values)


def _is_traced(value: Any) -> bool:
    return not isinstance(value, int | float | np.ndarray | np.generic | str | list | tuple)


def _as_argument(value: Any) -> Any:
    """Return a tensor of PyTorch as a number or a NumPy array; other values as they are."""
    if hasattr(value, "detach"):
        value = value.detach().double().cpu().numpy()
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
