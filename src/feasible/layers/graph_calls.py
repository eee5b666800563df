"""What a module does where it is called on tensors that have no values yet."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from feasible.layers.modes import in_mode
from feasible.layers.symbolic import (
    Node,
    SymbolicTensor,
    map_nest,
    record,
    symbolic_tensors,
    tried_result,
)
from feasible.ops.recording import symbolic_in

_METHODS = ("forward", "compute_output_shape", "compute_mask")
# Where the methods are that a class has without overriding any.
_BASES = ("feasible.layers.layer", "feasible.models.layered", "torch.nn.modules.module")

_OF_PYTORCH = ("_modules", "_parameters", "_buffers", "_calls", "_added")


class GraphCalls(nn.Module):
    """A module that takes its place in a graph of calls, from which a model is made."""

    supports_masking = False
    # Which of `_METHODS` a class has that are not those of the base classes, and what `call` takes;
    # found when the class is made, since PyTorch's compiler cannot follow how.
    _overridden: frozenset[str] = frozenset()
    _call_options: frozenset[str] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        found = {name: getattr(cls, name, None) for name in _METHODS}
        cls._overridden = frozenset(
            name
            for name, method in found.items()
            if method is not None and method.__module__ not in _BASES
        )
        call = getattr(cls, "call", None)
        if call is not None and call.__module__.startswith("feasible.layers."):
            # A layer of ours that does not tell the sizes of its output keeps those of its input.
            cls._overridden |= {"compute_output_shape"}
        called = cls.forward if "forward" in cls._overridden else getattr(cls, "call", None)
        if called is not None:
            cls._call_options = frozenset(inspect.signature(called).parameters)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, list | tuple | dict) and "_modules" in vars(self):
            # Where its modules stand among the others, in the order of assignments.
            vars(self).setdefault("_list_places", {})[name] = len(self._modules)
        super().__setattr__(name, value)

    def take_lists(self) -> None:
        """Take the modules in lists and dicts that are attributes for parts of this one.

        PyTorch knows those alone that are attributes themselves, or in its own lists.
        """
        children = list(self._modules.items())
        for name, place in reversed(vars(self).get("_list_places", {}).items()):
            value = vars(self).get(name)
            if name in _OF_PYTORCH or name in self._modules or not value:
                continue
            parts = list(value.values()) if isinstance(value, dict) else value
            found = [part for part in parts if isinstance(part, nn.Module)]
            if found:
                children.insert(place, (name, nn.ModuleList(found)))
        if len(children) > len(self._modules):
            self._modules.clear()
            self._modules.update(children)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Compute the output, or note the call down where an argument has no values yet.

        Args:
            *arguments: What `call` or `forward` takes.
            **named: The same by name; and `training`, the mode of this call alone.

        Returns:
            The output, which carries the mask that follows from those of the inputs.
        """
        if symbolic_in((arguments, named)) is not None:
            return self.record(arguments, named)
        training = named.pop("training", None)
        if training is not None and bool(training) != self.training:
            with in_mode(self, training=bool(training)):
                return self._compute(*arguments, **named)
        return self._compute(*arguments, **named)

    def record(self, arguments: Any, named: Any) -> Any:
        """Note down a call.

        Args:
            arguments: The arguments.
            named: Those given by name.

        Returns:
            What stands for the output.
        """
        with in_mode(self, training=False):
            return record(self, arguments, named)

    def _compute(self, *arguments: Any, **named: Any) -> Any:
        """Compute the output, in the mode that the module is in."""
        return super().__call__(*arguments, **named)

    def symbolic_result(self, inputs: Any, *others: Any, **named: Any) -> Any:
        """Build the layer, and return what it would return for tensors of some sizes.

        Args:
            inputs: What stands for the input.
            *others: What else it is called with.
            **named: What else it is called with, by name.

        Returns:
            A nest of shapes, and the dtype's name; None where it must be tried.
        """
        layer: Any = self
        if "forward" in self._overridden:
            return None
        shapes = map_nest(lambda one: one.shape, inputs, SymbolicTensor)
        layer.check_input(shapes)
        layer.build_once(shapes)
        if "compute_output_shape" not in self._overridden:
            return tried_result(layer, (inputs, *others), named)
        parameter = next(self.parameters(), None)
        first = next(symbolic_tensors(inputs))
        dtype = first.dtype if parameter is None else str(parameter.dtype).removeprefix("torch.")
        return layer.compute_output_shape(shapes), dtype

    def stands_for(self, shape: Any) -> Any:
        """Return what stands for an input of some sizes.

        Args:
            shape: The sizes, the batch first, or a nest of these.

        Returns:
            A symbolic tensor, or a nest.
        """
        if isinstance(shape, dict):
            return {name: self.stands_for(one) for name, one in shape.items()}
        if shape and isinstance(shape[0], Sequence | dict):
            return [self.stands_for(one) for one in shape]
        return SymbolicTensor(tuple(shape), "float32", Node(self, (), {}))

    def call_options(self) -> frozenset[str]:
        """Return the names of the arguments of `call`, or of `forward` where that is overridden."""
        return self._call_options

    def makes_masks(self) -> bool:
        """Return whether the class has a `compute_mask` of its own."""
        return "compute_mask" in self._overridden

    @property
    def input(self) -> Any:
        """What the layer is called on in a model that was made of calls."""
        node = self._only_node("input")
        return node.arguments[0] if len(node.arguments) == 1 else list(node.arguments)

    @property
    def output(self) -> Any:
        """What the layer returns in a model that was made of calls."""
        return self._only_node("output").outputs

    def _only_node(self, what: str) -> Node:
        calls: list[Node] = vars(self).get("_calls", [])
        if not calls:
            raise ValueError(
                f"{getattr(self, 'name', type(self).__name__)}: `{what}` is known once the layer "
                "was called on an Input, or stands in a Sequential that begins with one."
            )
        return calls[0]
