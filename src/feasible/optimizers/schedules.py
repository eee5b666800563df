"""Learning rates that change from step to step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

from feasible.arguments import InvalidArgumentError, check_integer, check_number
from feasible.object_json import find_object, to_json
from feasible.registry import CustomObjects, Registry

SCHEDULES = Registry(
    "schedule",
    "keras.optimizers.schedules",
    base="LearningRateSchedule",
    decorator="feasible.saving.register_keras_serializable",
)


class LearningRateSchedule:
    """Base class: from the number of a step, the first of which is 0, to its learning rate.

    Example:
        >>> class Halved(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.5 ** step
        >>> Halved()(2)
        0.25
    """

    def __call__(self, step: int) -> Any:
        """Return the learning rate of a step; subclasses give this.

        Args:
            step: The number of the step.

        Returns:
            A number.

        Raises:
            NotImplementedError: If the subclass does not give it.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `__call__(step)`.")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            Arguments by name.
        """
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a schedule from what `get_config` returned.

        Args:
            config: Arguments by name.

        Returns:
            A schedule of this class.
        """
        return cls(**config)

    def _take(self, minimum: float = 0, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, check_number(type(self).__name__, name, value, minimum=minimum))


class _Decay(LearningRateSchedule):
    """What falls by a rate in a number of steps."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self._take(initial_learning_rate=initial_learning_rate, decay_rate=decay_rate)
        self._take(decay_steps=decay_steps, minimum=1e-30)
        self.staircase = bool(staircase)
        self.name = name or type(self).__name__

    def _part(self, step: float) -> float:
        part = step / self.decay_steps
        return math.floor(part) if self.staircase else part


@SCHEDULES.built_in()
class ExponentialDecay(_Decay):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Args:
        initial_learning_rate: The learning rate at first.
        decay_steps: In how many steps it is multiplied by the rate.
        decay_rate: The rate.
        staircase: Whether it changes only after that many steps each.
        name: A name.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> ExponentialDecay(1.0, 10, 0.5)(20)
        0.25
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return float(self.initial_learning_rate * self.decay_rate ** self._part(float(step)))


@SCHEDULES.built_in()
class InverseTimeDecay(_Decay):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Args:
        initial_learning_rate: The learning rate at first.
        decay_steps: In how many steps the divisor grows by the rate.
        decay_rate: The rate.
        staircase: Whether it changes only after that many steps each.
        name: A name.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.initial_learning_rate / (1 + self.decay_rate * self._part(float(step)))


@SCHEDULES.built_in()
class PiecewiseConstantDecay(LearningRateSchedule):
    """One learning rate up to each of some steps, and another after it.

    Args:
        boundaries: The last steps of all values but the last, in order.
        values: The learning rates, one more.
        name: A name.

    Raises:
        InvalidArgumentError: If there are not as many.

    Example:
        >>> rate = PiecewiseConstantDecay([10], [1.0, 0.5])
        >>> rate(10), rate(11)
        (1.0, 0.5)
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        if len(values) != len(boundaries) + 1:
            allowed = f"one more than the {len(boundaries)} boundaries"
            raise InvalidArgumentError("PiecewiseConstantDecay", "values", values, allowed)
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return float(self.values[sum(step > one for one in self.boundaries)])


@SCHEDULES.built_in()
class PolynomialDecay(LearningRateSchedule):
    """Falls to a last value along a power of the steps that are left.

    Args:
        initial_learning_rate: The learning rate at first.
        decay_steps: In how many steps it falls.
        end_learning_rate: The last value.
        power: The power; 1 for a line.
        cycle: Whether it starts again, for twice, three times as many steps, rather than stay.
        name: A name.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> PolynomialDecay(1.0, 10, 0.0)(5)
        0.5
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float
    power: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self._take(initial_learning_rate=initial_learning_rate, power=power)
        self._take(end_learning_rate=end_learning_rate)
        self._take(decay_steps=decay_steps, minimum=1e-30)
        self.cycle, self.name = bool(cycle), name

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        steps = self.decay_steps
        if self.cycle:
            steps *= max(1, math.ceil(step / steps))
        left = 1 - min(step, steps) / steps
        fall = self.initial_learning_rate - self.end_learning_rate
        return float(fall * left**self.power + self.end_learning_rate)


@SCHEDULES.built_in()
class CosineDecay(LearningRateSchedule):
    """Falls along half a cosine, after a rise in a line if there is a warm-up.

    Args:
        initial_learning_rate: The learning rate at first.
        decay_steps: In how many steps it falls.
        alpha: The last value, as a part of the highest.
        name: A name.
        warmup_target: The highest value, reached in a line; None for no warm-up.
        warmup_steps: In how many steps it is reached.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> round(CosineDecay(1.0, 10)(5), 6)
        0.5
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self._take(initial_learning_rate=initial_learning_rate, alpha=alpha)
        self._take(decay_steps=decay_steps, minimum=1e-30)
        self.name = name
        self.warmup_steps = check_integer("CosineDecay", "warmup_steps", warmup_steps, minimum=0)
        if warmup_target is not None:
            check_number("CosineDecay", "warmup_target", warmup_target, minimum=0)
        self.warmup_target = warmup_target

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        highest = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                rise = self.warmup_target - highest
                return float(highest + rise * step / self.warmup_steps)
            step, highest = step - self.warmup_steps, self.warmup_target
        return highest * _half_cosine(min(step, self.decay_steps) / self.decay_steps, self.alpha)


@SCHEDULES.built_in()
class CosineDecayRestarts(LearningRateSchedule):
    """Falls along half a cosine again and again: Loshchilov and Hutter, SGDR, 2016.

    Args:
        initial_learning_rate: The learning rate at first.
        first_decay_steps: In how many steps it falls the first time.
        t_mul: By what the number of steps is multiplied each time.
        m_mul: By what the highest value is multiplied each time.
        alpha: The lowest value, as a part of the highest.
        name: A name.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float
    m_mul: float
    alpha: float

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self._take(initial_learning_rate=initial_learning_rate, m_mul=m_mul, alpha=alpha)
        self._take(first_decay_steps=first_decay_steps, t_mul=t_mul, minimum=1e-30)
        self.name = name

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        part = step / self.first_decay_steps
        if self.t_mul == 1:
            times = math.floor(part)
            part -= times
        else:
            times = math.floor(math.log(1 - part * (1 - self.t_mul)) / math.log(self.t_mul))
            begun = (1 - self.t_mul**times) / (1 - self.t_mul)
            part = (part - begun) / self.t_mul**times
        highest = self.initial_learning_rate * self.m_mul**times
        return float(highest * _half_cosine(part, self.alpha))


def _half_cosine(part: float, lowest: float) -> float:
    return (1 - lowest) * 0.5 * (1 + math.cos(math.pi * part)) + lowest


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Return a schedule as Keras writes it.

    Args:
        learning_rate_schedule: The schedule.

    Returns:
        The module, the name, the config and the registered name.
    """
    return to_json(SCHEDULES, learning_rate_schedule)


def deserialize(config: Any, custom_objects: CustomObjects | None = None) -> Any:
    """Return a schedule that Keras, or we, wrote.

    Args:
        config: What `serialize` returned.
        custom_objects: Classes of your own, by name.

    Returns:
        The schedule.
    """
    return find_object(SCHEDULES, config, custom_objects)
