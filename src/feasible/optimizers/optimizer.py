"""What all optimizers share: learning rates, clipping, weight decay, averages, accumulation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypedDict

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_integer, check_number
from feasible.near_misses import near_misses
from feasible.object_json import from_json, to_json
from feasible.optimizers.gradient_clipping import (
    clip_all_by_norm,
    clip_each_by_norm,
    clip_values,
)
from feasible.optimizers.learning_rate import LearningRate
from feasible.optimizers.schedules import SCHEDULES, LearningRateSchedule
from feasible.registry import CustomObjects, snake_case

# A number, a schedule, or a function from the step's number to a number.
Rate = float | LearningRateSchedule | Callable[[int], Any]
_CLIPPING = {
    "clipnorm": clip_each_by_norm,
    "global_clipnorm": clip_all_by_norm,
    "clipvalue": clip_values,
}


class Options(TypedDict, total=False):
    """Arguments of every optimizer, beside its own and the learning rate: see `Optimizer`."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class Optimizer(torch.optim.Optimizer):
    """Base class of Keras's optimizers, each of which is one of PyTorch's, too.

    It is made without parameters; `bind` gives them, and `compile` and `fit` do that themselves.
    What is common to all happens around the update, which a subclass gives for one parameter in
    `update_step`. Constraints and tangents see that update alone: they act on gradients that are
    clipped, and not on steps that only add gradients up.

    Args:
        learning_rate: A number, a schedule, or a function from the number of the step to a number.
        weight_decay: What part of a weight, times the learning rate, is taken off at each step.
        clipnorm: The largest norm of the gradient of each parameter.
        clipvalue: The largest absolute value in a gradient.
        global_clipnorm: The largest norm of all gradients together.
        use_ema: Whether to average the weights of all steps, those long ago less.
        ema_momentum: How much of the average is kept at each step.
        ema_overwrite_frequency: After how many steps each the weights become their average; None
            for once, at the end, by `finalize_variable_values`.
        loss_scale_factor: What the loss was multiplied by, and gradients are divided by.
        gradient_accumulation_steps: How many steps' gradients are averaged for one update.
        name: A name; by default, that of the class.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> class Descent(Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         variable.sub_(gradient, alpha=learning_rate)
        >>> weight = torch.ones(1, requires_grad=True)
        >>> optimizer = Descent(0.5, clipvalue=1.0).bind([weight])
        >>> (weight * 8).sum().backward()
        >>> optimizer.step()
        >>> weight.item()
        0.5
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        owner = type(self).__name__
        for argument, value in unknown.items():
            known = [one for one in _arguments(type(self)) if one != "unknown"]
            known = [*dict.fromkeys([*known, *_arguments(Optimizer)])]
            hint = "Did you mean `learning_rate`?" if argument == "lr" else ""
            raise ValueError(
                f"{owner}: unknown argument {argument!r}. "
                f"{hint or near_misses(argument, known, quote='`')} Received: {argument}={value!r}"
            )
        self.weight_decay = self._number("weight_decay", weight_decay or None)
        self.clipnorm = self._number("clipnorm", clipnorm)
        self.clipvalue = self._number("clipvalue", clipvalue)
        self.global_clipnorm = self._number("global_clipnorm", global_clipnorm)
        if sum(getattr(self, one) is not None for one in _CLIPPING) > 1:
            given = {one: getattr(self, one) for one in _CLIPPING}
            raise InvalidArgumentError(owner, "clipnorm", given, "the only one of the three given")
        self.use_ema = bool(use_ema)
        self.ema_momentum = check_number(owner, "ema_momentum", ema_momentum, minimum=0, maximum=1)
        for argument, count, least in (
            ("ema_overwrite_frequency", ema_overwrite_frequency, 1),
            ("gradient_accumulation_steps", gradient_accumulation_steps, 2),
        ):
            if count:
                check_integer(owner, argument, count, minimum=least)
            setattr(self, argument, count or None)
        self.ema_overwrite_frequency: int | None
        self.gradient_accumulation_steps: int | None
        self.loss_scale_factor = self._number("loss_scale_factor", loss_scale_factor)
        self.name = name or snake_case(owner)
        self._schedule: Callable[[int], Any] | None = None
        self._undecayed: tuple[set[int], tuple[str, ...]] = (set(), ())
        self._parameter_names: dict[int, str] = {}
        super().__init__([{"params": []}], {"lr": 0.0, "iterations": 0})
        self.learning_rate = learning_rate

    def _number(
        self, argument: str, value: Any, *, minimum: float = 0, maximum: float = float("inf")
    ) -> float | None:
        """Return an argument that is a number within bounds, or None."""
        if value is None:
            return None
        return check_number(type(self).__name__, argument, value, minimum=minimum, maximum=maximum)

    def _bounded(self, minimum: float = 0, maximum: float = float("inf"), **values: Any) -> None:
        """Take arguments that are numbers within bounds as attributes."""
        for argument, value in values.items():
            setattr(
                self,
                argument,
                check_number(
                    type(self).__name__, argument, value, minimum=minimum, maximum=maximum
                ),
            )

    def bind(self, parameters: Iterable[Any]) -> Self:
        """Take the parameters that are to be trained, in place of those it had.

        Args:
            parameters: Tensors; names and tensors, as `named_parameters` gives; or groups, as
                PyTorch's optimizers take. What was gathered of parameters it had is kept.

        Returns:
            The optimizer.
        """
        lr, iterations = self.param_groups[0]["lr"], self.param_groups[0]["iterations"]
        given = list(parameters)
        if given and isinstance(given[0], tuple):
            self._parameter_names = {id(one): name for name, one in given}
            given = [one for _, one in given]
        self.param_groups.clear()
        self.defaults.update(lr=lr, iterations=iterations)
        groups = given if given and isinstance(given[0], dict) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)
        bound = {one for group in self.param_groups for one in group["params"]}
        for gone in [one for one in self.state if one not in bound]:
            del self.state[gone]
        return self

    def build(self, variables: Iterable[Any]) -> None:
        """Take the parameters: `bind`, by Keras's name.

        Args:
            variables: Tensors.
        """
        self.bind(variables)

    @property
    def built(self) -> bool:
        """Whether it has parameters."""
        return any(group["params"] for group in self.param_groups)

    @property
    def iterations(self) -> int:
        """How many updates there were."""
        return int(self.param_groups[0]["iterations"] // (self.gradient_accumulation_steps or 1))

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next step: a number that has `assign`."""
        if self._schedule is not None:
            now = float(self._schedule(self.param_groups[0]["iterations"]))
            return LearningRate(now, self._assign_rate)
        return LearningRate(self.param_groups[0]["lr"], self._assign_rate)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._schedule = value if callable(value) else None
        number = value if self._schedule is None else self._schedule(0)
        number = number.item() if hasattr(number, "item") else number
        rate = float(check_number(type(self).__name__, "learning_rate", number, minimum=0))
        for group in self.param_groups:
            group["lr"] = rate

    lr = learning_rate

    def _assign_rate(self, value: Any) -> None:
        if self._schedule is not None:
            raise TypeError(
                f"{self.name}: the learning rate follows {self._schedule!r}. Make the optimizer "
                "with a number to assign another, or assign a number to `learning_rate` itself."
            )
        self.learning_rate = value

    def exclude_from_weight_decay(
        self, var_list: Sequence[Tensor] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Name parameters that `weight_decay` leaves alone.

        Args:
            var_list: Parameters.
            var_names: Parts of names, for parameters that were bound with their names.
        """
        self._undecayed = ({id(_tensor_of(one)) for one in var_list or ()}, tuple(var_names or ()))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients.

        Args:
            closure: Computes the loss and the gradients first, where it is given.

        Returns:
            What the closure returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            self._step()
        return loss

    # PyTorch would put the hooks of a step around all of it: they belong around the update.
    step.hooked = True  # type: ignore[attr-defined]

    def _step(self) -> None:
        graded = [one for one in self._bound_parameters() if one.grad is not None]
        if not graded:
            return
        gradients = [one.grad for one in graded if one.grad is not None]
        if self.loss_scale_factor is not None:
            for gradient in gradients:
                gradient.div_(self.loss_scale_factor)
        if self._is_complete(graded):
            for argument, clip in _CLIPPING.items():
                if most := getattr(self, argument):
                    clip(gradients, most)
            self._hooked_update()
        for group in self.param_groups:
            group["iterations"] += 1

    def _bound_parameters(self) -> list[Tensor]:
        return [one for group in self.param_groups for one in group["params"]]

    def _is_complete(self, graded: Sequence[Tensor]) -> bool:
        """Add gradients up, and say whether it is time for an update with their mean."""
        steps = self.gradient_accumulation_steps
        if steps is None:
            return True
        complete = bool((self.param_groups[0]["iterations"] + 1) % steps == 0)
        for one in graded:
            if one.grad is None:
                continue
            total = self.slot(one, "gradient_sum").add_(one.grad)
            if complete:
                one.grad.copy_(total).div_(steps)
                total.zero_()
        return complete

    def _update(self) -> None:
        for group in self.param_groups:
            rate = self._rate_of(group)
            graded = [one for one in group["params"] if one.grad is not None]
            if self.weight_decay:
                for one in graded:
                    if self._decays(one):
                        one.mul_(1 - self.weight_decay * rate)
            if graded:
                self.update_group(graded, rate)
        if self.use_ema:
            self._average()

    # Constraints, tangents, profilers and whoever hooks optimizers see the update itself.
    _hooked_update = torch.optim.Optimizer.profile_hook_step(_update)

    def _rate_of(self, group: dict[str, Any]) -> float:
        if self._schedule is not None:
            group["lr"] = float(self._schedule(group["iterations"]))
        return float(group["lr"])

    def _decays(self, parameter: Tensor) -> bool:
        excluded, names = self._undecayed
        name = self._parameter_names.get(id(parameter), "")
        return id(parameter) not in excluded and not any(re.search(one, name) for one in names)

    def _average(self) -> None:
        kept = self.ema_momentum if self.iterations else 0.0
        for one in self._bound_parameters():
            self.slot(one, "average").lerp_(one, 1 - kept)
        every = self.ema_overwrite_frequency
        if every is not None and (self.iterations + 1) % every == 0:
            self._become_average()

    def _become_average(self) -> None:
        for one in self._bound_parameters():
            if "average" in self.state.get(one, ()):
                one.copy_(self.state[one]["average"])

    _hooked_averaging = torch.optim.Optimizer.profile_hook_step(_become_average)

    @torch.no_grad()
    def finalize_variable_values(self, var_list: Any = None) -> None:
        """Put the averages in the place of the weights, with `use_ema`, and project them.

        Args:
            var_list: Not used: all parameters are meant.
        """
        del var_list
        if self.use_ema:
            self._hooked_averaging()

    def slot(self, variable: Tensor, name: str, fill: float = 0.0) -> Tensor:
        """Return what is kept for a parameter from step to step.

        Args:
            variable: The parameter.
            name: Its name in the optimizer's state.
            fill: What it is full of at first.

        Returns:
            A tensor like the parameter.
        """
        state = self.state[variable]
        if name not in state:
            state[name] = torch.full_like(variable, fill)
        return state[name]  # type: ignore[no-any-return]

    def update_group(self, variables: Sequence[Tensor], learning_rate: float) -> None:
        """Change parameters that have gradients.

        Args:
            variables: The parameters.
            learning_rate: The learning rate.
        """
        for variable in variables:
            if variable.grad is not None:
                self.update_step(variable.grad, variable, learning_rate)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Change one parameter in place; subclasses give this.

        Args:
            gradient: Its gradient.
            variable: The parameter.
            learning_rate: The learning rate.

        Raises:
            NotImplementedError: If the subclass does not give it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must have `update_step(gradient, variable, learning_rate)`."
        )

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        """Take a step with gradients that are given.

        Args:
            grads: A gradient for each parameter, or None.
            trainable_variables: The parameters; None for those it has.

        Raises:
            ValueError: If there are not as many of both.
        """
        given = None if trainable_variables is None else [*map(_tensor_of, trainable_variables)]
        if given is not None and not self.built:
            self.bind(given)
        variables, gradients = self._bound_parameters() if given is None else given, list(grads)
        if len(variables) != len(gradients):
            raise ValueError(
                f"{self.name}: there must be a gradient, or None, for each parameter. Received: "
                f"{len(gradients)} gradients for {len(variables)} parameters."
            )
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.grad = None if gradient is None else gradient.detach().to(variable).clone()
        self.step()

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> None:
        """Take a step with gradients that are given.

        Args:
            grads_and_vars: Pairs of a gradient and a parameter.
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            Arguments by name.
        """
        rate: Any = self._schedule
        if rate is None:
            rate = float(self.param_groups[0]["lr"])
        elif isinstance(rate, LearningRateSchedule):
            rate = to_json(SCHEDULES, rate)
        names = [*_arguments(Optimizer), *_arguments(type(self))]
        config = {one: getattr(self, one) for one in dict.fromkeys(names) if hasattr(self, one)}
        return {**config, "learning_rate": rate}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: CustomObjects | None = None
    ) -> Self:
        """Make an optimizer from what `get_config` returned.

        Args:
            config: Arguments by name.
            custom_objects: Schedules of your own, by name.

        Returns:
            An optimizer of this class, without parameters.
        """
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = from_json(SCHEDULES, config["learning_rate"], custom_objects)
        return cls(**config)

    def __getstate__(self) -> dict[str, Any]:
        hooks = ("_optimizer_", "_patched", "_zero_grad", "_warned")
        own = {name: it for name, it in vars(self).items() if not name.startswith(hooks)}
        return {**super().__getstate__(), **own}


def _arguments(kind: type) -> list[str]:
    parameters = inspect.signature(kind).parameters.values()
    return [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]


def _tensor_of(variable: Any) -> Any:
    """Return the tensor of a variable."""
    return variable if isinstance(variable, Tensor) else variable.value
