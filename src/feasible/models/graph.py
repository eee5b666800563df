"""The calls from which a model is made, in an order in which they can be computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError
from feasible.layers.symbolic import Node, SymbolicTensor, leaves, map_nest, symbolic_tensors
from feasible.layers.tensors import as_tensor

Nest = Any


class Graph:
    """What leads from a model's inputs to its outputs.

    Args:
        inputs: What stands for the inputs: a symbolic tensor or a nest of these.
        outputs: What stands for the outputs.
        owner: The model's name, for messages.

    Attributes:
        nodes: The calls, each after those that it depends on; the inputs' own are left out.

    Raises:
        InvalidArgumentError: If an input or an output is not a symbolic tensor.
        ValueError: If an output depends on something that is not among the inputs.

    Example:
        >>> from feasible.layers import Dense, Input
        >>> x = Input((3,))
        >>> [node.module.name for node in Graph(x, Dense(2, name="one")(x), "m").nodes]
        ['one']
    """

    def __init__(self, inputs: Nest, outputs: Nest, owner: str) -> None:
        self.inputs, self.outputs, self.owner = inputs, outputs, owner
        for argument, nest in (("inputs", inputs), ("outputs", outputs)):
            _check(owner, argument, nest)
        self._visited, self._first_seen = _in_order(self.input_tensors, self.output_tensors, owner)
        starts = {tensor.node for tensor in self.input_tensors}
        self.nodes = [node for node in self._visited if node not in starts]

    @property
    def input_tensors(self) -> list[SymbolicTensor]:
        """What stands for the inputs, in order."""
        return list(symbolic_tensors(self.inputs))

    @property
    def output_tensors(self) -> list[SymbolicTensor]:
        """What stands for the outputs, in order."""
        return list(symbolic_tensors(self.outputs))

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in order."""
        return [one.name for one in self.input_tensors]

    def calls(self) -> dict[nn.Module, list[Node]]:
        """Return what is called, in Keras's order, and its calls within this graph.

        Returns:
            Layers, models and operations, what is farthest from the outputs first.
        """
        depth: dict[nn.Module, int] = {}
        of_node: dict[Node, int] = {}
        for node in reversed(self._visited):
            here = max(of_node.get(node, 0), depth.get(node.module, 0))
            of_node[node] = depth[node.module] = here
            for source in node.sources:
                of_node[source.node] = max(of_node.get(source.node, 0), here + 1)
        order = sorted(self._first_seen, key=lambda module: -depth[module])
        found: dict[nn.Module, list[Node]] = {module: [] for module in order}
        for node in sorted(self._visited, key=lambda node: node.place):
            found[node.module].append(node)
        return found

    def run(self, inputs: Nest) -> Nest:
        """Compute the outputs.

        Args:
            inputs: Tensors or arrays, in the nest of the inputs, or flat in their order, or by
                their names.

        Returns:
            Tensors, in the nest of the outputs.

        Raises:
            ValueError: If the inputs do not fit.
        """
        values: dict[SymbolicTensor, Any] = {}
        for stands, given in zip(self.input_tensors, self._flat(inputs), strict=True):
            values[stands] = self._checked(stands, given)
        for node in self.nodes:
            found = map_nest(values.__getitem__, (node.arguments, node.options), SymbolicTensor)
            result = node.module(*found[0], **found[1])
            for stands, value in zip(symbolic_tensors(node.outputs), leaves(result), strict=True):
                values[stands] = value
        return map_nest(values.__getitem__, self.outputs, SymbolicTensor)

    def _flat(self, inputs: Nest) -> list[Any]:
        wanted = self.input_tensors
        if isinstance(inputs, dict):
            keys = list(self.inputs) if isinstance(self.inputs, dict) else self.input_names
            keys = keys if set(keys) <= set(inputs) else self.input_names
            if missing := [key for key in keys if key not in inputs]:
                raise ValueError(
                    f"{self.owner}: the inputs must be given for {', '.join(keys)}. Missing: "
                    f"{', '.join(missing)}. Received: {', '.join(map(str, inputs))}."
                )
            return [inputs[key] for key in keys]
        given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if len(given) != len(wanted) and len(wanted) == 1:
            return [inputs]
        if len(given) != len(wanted):
            raise ValueError(
                f"{self.owner}: there must be {len(wanted)} inputs, for "
                f"{', '.join(self.input_names)}. Received: {len(given)}."
            )
        return given

    def _checked(self, stands: SymbolicTensor, given: Any) -> Any:
        tensor = given if isinstance(given, Tensor) else as_tensor(given)
        shape = stands.shape
        if tensor.ndim == len(shape) - 1 and shape[-1] == 1:
            tensor = tensor.unsqueeze(-1)
        elif tensor.ndim == len(shape) + 1 and tensor.shape[-1] == 1:
            tensor = tensor.squeeze(-1)
        fits = tensor.ndim == len(shape) and all(
            known in (None, size) for known, size in zip(shape[1:], tensor.shape[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"{self.owner}: the input {stands.name!r} must have shape {shape}. Received: "
                f"{tuple(tensor.shape)}."
            )
        if tensor is given or not tensor.is_floating_point():
            return tensor
        return tensor.to(_default(stands))


def _default(stands: SymbolicTensor) -> torch.dtype:
    wanted: torch.dtype = getattr(torch, stands.dtype)
    return wanted if wanted.is_floating_point else torch.get_default_dtype()


def _check(owner: str, argument: str, nest: Nest) -> None:
    found = list(leaves(nest))
    wrong = [one for one in found if not isinstance(one, SymbolicTensor)]
    if wrong or not found:
        raise InvalidArgumentError(
            owner,
            argument,
            wrong[0] if wrong else nest,
            "an Input, what layers return for one, or a list or dict of these",
        )


def _in_order(
    inputs: list[SymbolicTensor], outputs: list[SymbolicTensor], owner: str
) -> tuple[list[Node], list[nn.Module]]:
    """Return the calls from inputs to outputs, each after those it depends on; and the modules."""
    known, found = {one.node for one in inputs}, dict[Node, None]()
    seen: dict[nn.Module, None] = {}
    # Not by recursion, as graphs can be deeper than Python's stack.
    stack = [(one.node, False) for one in reversed(outputs)]
    while stack:
        node, is_ready = stack.pop()
        if node in found:
            continue
        seen.setdefault(node.module)
        if is_ready or node in known:
            found[node] = None
        elif node.sources:
            stack.append((node, True))
            stack.extend((source.node, False) for source in reversed(node.sources))
        else:
            names = ", ".join(one.name for one in inputs)
            raise ValueError(
                f"{owner}: the outputs depend on {node.module.name!r}, which is not among the "
                f"inputs: {names}. Pass it in `inputs` too, or begin at one of these."
            )
    return list(found), list(seen)
