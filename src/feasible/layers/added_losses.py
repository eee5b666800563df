"""What a layer adds to the loss: penalties on its weights and outputs, and losses of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from feasible import regularizers
from feasible.layers.roles import ConstraintOf, layout_of
from feasible.layers.symbolic import map_nest
from feasible.near_misses import near_misses

_SUFFIX = "_regularizer"
Regularizer = Callable[[Tensor], Tensor]


class RegularizerOf:
    """An attribute of a layer that is the penalty on one of its weights.

    Args:
        role: What the weight is to the layer, such as ``"kernel"``; ``"activity"`` for its output.
    """

    def __init__(self, role: str) -> None:
        self.role = role

    def __get__(self, layer: Penalized | None, owner: type[nn.Module]) -> Any:
        return self if layer is None else layer.penalties.get(self.role)

    def __set__(self, layer: Penalized, value: Any) -> None:
        layer.penalties[self.role] = regularizers.get(value)


class Penalized(nn.Module):
    """A module that can add to the loss.

    Each class with a `kernel_constraint` has a `kernel_regularizer`, and so on for other roles.
    """

    activity_regularizer = RegularizerOf("activity")

    def __init__(self) -> None:
        super().__init__()
        self.penalties: dict[str, Regularizer | None] = {}
        self._added: list[Tensor] = []

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, attribute in list(vars(cls).items()):
            if isinstance(attribute, ConstraintOf) and name.endswith("_constraint"):
                role = name.removesuffix("_constraint")
                setattr(cls, role + _SUFFIX, RegularizerOf(role))

    def take_regularizers(self, given: dict[str, Any]) -> None:
        """Take the penalties out of a constructor's arguments.

        Args:
            given: Arguments by name.

        Raises:
            TypeError: If the layer has no weight of that role.
        """
        for name in [name for name in given if name.endswith(_SUFFIX)]:
            if not isinstance(getattr(type(self), name, None), RegularizerOf):
                if given[name] is None:
                    del given[name]
                    continue
                known = [one for one in dir(type(self)) if one.endswith(_SUFFIX)]
                raise TypeError(
                    f"{type(self).__name__}: there is no argument `{name}`. "
                    f"{near_misses(name, known, most=1, quote='`')} "
                    f"Received: {name}={given[name]!r}."
                )
            setattr(self, name, given.pop(name))

    def regularizer_config(self) -> dict[str, Any]:
        """Return the penalties, as Keras writes them.

        Returns:
            Those that are given, by the argument's name.
        """
        given = {role: one for role, one in self.penalties.items() if one is not None}
        if not given:
            return {}
        return {f"{role}{_SUFFIX}": regularizers.serialize(one) for role, one in given.items()}

    def add_loss(self, loss: Any) -> None:
        """Add to the loss of the step that is being taken.

        Args:
            loss: One number, or a list of numbers, computed from the layer's inputs or weights.
        """
        self._added.extend(loss if isinstance(loss, list | tuple) else [loss])

    def add_activity_penalty(self, outputs: Any) -> None:
        """Add the penalty on the layer's output, a mean over the batch.

        Args:
            outputs: What the layer returns.
        """
        penalty = self.penalties.get("activity")
        if penalty is not None:
            map_nest(lambda one: self.add_loss(penalty(one) / max(len(one), 1)), outputs, Tensor)

    def own_losses(self) -> list[Tensor]:
        """Return what this layer, without those inside it, adds to the loss.

        Returns:
            What was added in the latest call, and the penalties on weights that exist.
        """
        return [*self._added, *self._weight_penalties()]

    def _weight_penalties(self) -> Iterator[Tensor]:
        for role, penalty in self.penalties.items():
            if penalty is None or role == "activity":
                continue
            constraint = getattr(type(self), f"{role}_constraint")
            owner = constraint.owner(self)
            layout = layout_of(owner, constraint.role)
            weight = getattr(owner, layout.parameter, None)
            if weight is not None and weight.requires_grad:
                yield penalty(layout.view(weight))

    def forget_losses(self) -> None:
        """Forget what was added in the latest call."""
        self._added.clear()


def losses_of(module: nn.Module) -> list[Tensor]:
    """Return what all layers in a module add to the loss.

    Args:
        module: The module.

    Returns:
        One number each.
    """
    parts = [part for part in module.modules() if isinstance(part, Penalized)]
    return [loss for part in parts for loss in part.own_losses()]


def forget_losses(module: nn.Module) -> None:
    """Forget what layers added to the loss in the latest call.

    Args:
        module: The module with the layers in it.
    """
    for part in module.modules():
        if isinstance(part, Penalized):
            part.forget_losses()
