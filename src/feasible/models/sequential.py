"""A model that is a stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError
from feasible.layers.graph_calls import GraphCalls
from feasible.layers.input import InputLayer
from feasible.layers.layer import Layer
from feasible.layers.modes import in_mode
from feasible.layers.symbolic import Shape, SymbolicTensor, record
from feasible.layers.tensors import as_tensor
from feasible.models.graph import Graph
from feasible.models.layer_names import name_for
from feasible.models.model import Model


class Sequential(Model):
    """A stack of layers, each of which takes what the one before it returns.

    Its layers are Keras-style ones and any others, such as `torch.nn.Linear`. They are children
    under their names, so that the state_dict's keys read ``"dense.weight"``. Where the sizes of
    the input are known, from an `Input` or the first layer's `input_shape`, parameters are made as
    layers are added, and otherwise at the first input.

    Args:
        layers: The layers; an `Input` may come first.
        trainable: Whether the parameters are trained.
        name: The model's name.

    Raises:
        InvalidArgumentError: If something is not a layer.
        ValueError: If two layers were given one name.

    Example:
        >>> from feasible.layers import Dense, Input
        >>> model = Sequential([Input((3,)), Dense(4, kernel_constraint="max_norm"), Dense(1)])
        >>> list(model.state_dict())
        ['dense.weight', 'dense.bias', 'dense_1.weight', 'dense_1.bias']
        >>> model.output_shape
        (None, 1)
    """

    def __init__(
        self,
        layers: Iterable[Any] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self._input_shape: Shape | None = None
        # What it begins with, where that was given.
        self._input: InputLayer | None = None
        # Names in order: one layer may stand in several places.
        self._order: list[str] = []
        # The sizes of each layer's output, as far as they are known.
        self._shapes: list[Shape | None] = []
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False

    @property
    def layer_names(self) -> list[str]:
        """The layers' names, in order."""
        return list(self._order)

    @property
    def layers(self) -> list[nn.Module]:
        """The layers, in order."""
        return [self._modules[name] for name in self._order]  # type: ignore[misc]

    @property
    def input_shape(self) -> Shape | None:
        """The sizes of the input, the batch first; None where they are not known."""
        return self._input_shape

    @property
    def output_shape(self) -> Shape | None:
        """The sizes of the output, the batch first; None where they are not known."""
        return [self.input_shape, *self._shapes][-1]

    def add(self, layer: Any) -> None:
        """Add a layer at the end, or the sizes of the input at the beginning.

        Args:
            layer: A Keras-style layer, any other module, or an `Input`.

        Raises:
            InvalidArgumentError: If it is none of these.
            ValueError: If its name is taken, or it is an `Input` and there is one.
        """
        if isinstance(layer, SymbolicTensor):
            layer = layer.node.module
        if isinstance(layer, InputLayer):
            self._set_input(layer)
            return
        if not isinstance(layer, nn.Module):
            raise InvalidArgumentError(
                self.name, "layer", layer, "a layer, a torch.nn.Module or an Input"
            )
        _refuse_constraints_of_keras(self.name, layer)
        if not self._order and self.input_shape is None:
            self._input_shape = getattr(layer, "input_shape", None)
        name = name_for(self, layer)
        self.graph = None
        # Not by add_module, which refuses names that the class has, such as "fit".
        self._modules[name] = layer
        self._order.append(name)
        self._shapes.append(_built(layer, self.output_shape))

    def _set_input(self, layer: InputLayer) -> None:
        if self._order or self.input_shape is not None:
            raise ValueError(
                f"{self.name}: an Input must come first, and only once. Received: {layer!r}, "
                f"where there {'are layers' if self._order else 'is one'} already."
            )
        self._input_shape = layer.batch_shape
        self._input = layer

    def pop(self) -> nn.Module:
        """Remove the last layer.

        Returns:
            The layer.

        Raises:
            IndexError: If there is none.
        """
        self.graph = None
        name = self._order.pop()
        self._shapes.pop()
        layer = self._modules[name]
        if name not in self._order:
            del self._modules[name]
        return layer  # type: ignore[return-value]

    def build(self, input_shape: Shape) -> None:
        """Make the parameters for inputs of some sizes.

        Args:
            input_shape: The sizes, the batch first; None where a size is not known.

        Raises:
            ValueError: If a layer cannot take what comes before it.
        """
        shape: Shape | None = tuple(input_shape)
        self._input_shape = shape
        for place, layer in enumerate(self.layers):
            self._shapes[place] = shape = _built(layer, shape)

    @property
    def is_functional(self) -> bool:
        """Whether the model was made by calls on an Input, one after the other."""
        return False

    @property
    def is_made_of_layers(self) -> bool:
        """Whether the layers are all there is to the model."""
        return True

    def find_graph(self) -> Graph | None:
        """Return the graph of calls of the layers, from an Input.

        Returns:
            The graph; None where the sizes of the input are not known.
        """
        if self.graph is None and self.input_shape is not None and self._order:
            start = self._input or InputLayer(batch_shape=self.input_shape)
            tensor: Any = start.tensor
            for layer in self.layers:
                tensor = (
                    layer(tensor) if isinstance(layer, GraphCalls) else record(layer, (tensor,), {})
                )
            self.graph = Graph(start.tensor, tensor, self.name)
        return self.graph

    def symbolic_result(self, inputs: Any, *others: Any, **named: Any) -> Any:  # noqa: D102
        self.build(inputs.shape)
        return super().symbolic_result(inputs, *others, **named)

    def output_shapes(self) -> list[Shape | None]:
        """Return the sizes of each layer's output, the batch first.

        Returns:
            Those of each layer; None where they are not known.
        """
        return list(self._shapes)

    def compute_output_shape(self, input_shape: Shape) -> Shape | None:
        """Return the sizes of the output for an input of some sizes.

        Args:
            input_shape: The sizes, the batch first; None where a size is not known.

        Returns:
            The output's sizes; None where they are not known.
        """
        shape: Shape | None = input_shape
        for layer in self.layers:
            shape = None if shape is None else _output_shape(layer, shape)
        return shape

    def forward(self, inputs: Any) -> Any:
        """Compute the output, and build what is not built yet.

        Args:
            inputs: A tensor or an array, the batch first.

        Returns:
            The output.
        """
        outputs = inputs if isinstance(inputs, Tensor) else as_tensor(inputs)
        if self.input_shape is None:
            self._input_shape = (None, *outputs.shape[1:])
        sized = None not in (self._input_shape or ())[1:]
        for place, name in enumerate(self._order):
            outputs = self._modules[name](outputs)  # type: ignore[misc]
            if sized and self._shapes[place] is None and isinstance(outputs, Tensor):
                self._shapes[place] = (None, *outputs.shape[1:])
        return outputs

    def __getitem__(self, place: int | slice) -> Any:
        """Return a layer by its place, or a model of the layers in a slice, which are shared."""
        return Sequential(self.layers[place]) if isinstance(place, slice) else self.layers[place]

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.layers)


def _built(layer: nn.Module, shape: Shape | None) -> Shape | None:
    """Build a layer, and return the sizes of its output; None if they cannot be known."""
    if shape is None:
        return None
    if isinstance(layer, Layer):
        layer.build_once(shape)
    elif isinstance(layer, Sequential):
        layer.build(shape)
    return _output_shape(layer, shape)


def _output_shape(layer: nn.Module, shape: Shape) -> Shape | None:
    """Return the sizes of a layer's output, or None if they cannot be known from these."""
    if isinstance(layer, Layer | Sequential):
        return layer.compute_output_shape(shape)
    return None if None in shape[1:] else _tried_shape(layer, shape)


@torch.no_grad()
def _tried_shape(layer: nn.Module, shape: Shape) -> Shape:
    """Return the sizes of the output of a module that knows them only by computing one."""
    whole_numbers = isinstance(layer, nn.Embedding | nn.EmbeddingBag)
    parameter = next(layer.parameters(), torch.empty(0))
    # Of two examples, so that a module that squeezes axes keeps that of the batch.
    inputs = torch.zeros(
        (2, *shape[1:]),  # type: ignore[arg-type]
        dtype=torch.int64 if whole_numbers else parameter.dtype,
        device=parameter.device,
    )
    with in_mode(layer, training=False):
        try:
            return (None, *layer(inputs).shape[1:])
        except (RuntimeError, ValueError) as error:
            error.add_note(
                f"This came of trying {type(layer).__name__} on zeros of shape "
                f"{tuple(inputs.shape)}, to find the shape of its output. Leave out the Input to "
                "build at the first batch."
            )
            raise


def _refuse_constraints_of_keras(owner: str, layer: nn.Module) -> None:
    """Raise for a layer of Keras itself whose constraints nothing here would make act."""
    for part in layer.modules():
        of_keras = any(kind.__module__.startswith("keras.") for kind in type(part).__mro__)
        arguments = [name for name in vars(part) if name.endswith("_constraint")]
        given = [name for name in arguments if getattr(part, name) is not None]
        if of_keras and given:
            kind = type(part).__name__
            raise InvalidArgumentError(
                owner,
                "layer",
                layer,
                f"one of feasible.layers: {', '.join(given)} of a {kind} of Keras itself acts only "
                f"in Keras's own training. feasible.layers.{kind} takes the same arguments, and "
                "feasible.keras.from_keras a whole model",
            )
