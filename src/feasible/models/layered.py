"""What every model offers: its layers, its weights in Keras's order, and a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from feasible.layers.added_losses import forget_losses, losses_of
from feasible.layers.configs import checked_name
from feasible.layers.graph_calls import GraphCalls
from feasible.layers.layer import Layer
from feasible.layers.masks import masks_of
from feasible.layers.symbolic import Shape, SymbolicTensor, map_nest, symbolic_tensors, tried_result
from feasible.layers.tensors import as_tensor
from feasible.layers.variable import Variable
from feasible.layers.weight_lists import WeightLists
from feasible.models.graph import Graph
from feasible.models.layer_names import name_for
from feasible.models.summary import Line, summary
from feasible.models.weight_views import count_params, is_built, weight_views
from feasible.ops import convert_to_numpy

# Models that are being computed, the outermost first.
_RUNNING: list[nn.Module] = []


class LayeredModule(GraphCalls, WeightLists):
    """A module made of layers, Keras-style ones and any others: by a graph, or by code of its own.

    Args:
        inputs: What stands for the inputs of a model that is made of calls on `Input`.
        outputs: What stands for its outputs.
        name: The model's name; None for one made from the class's.
        trainable: Whether the parameters are trained.

    Raises:
        InvalidArgumentError: If one of `inputs` and `outputs` is missing, or is not what stands for
            tensors.
        ValueError: If the outputs depend on something else than the inputs.
    """

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        self.name = checked_name(type(self).__name__, name)
        self.named = name is not None
        self._trainable = True
        self._has_lists = False
        self.graph: Graph | None = None
        # Names of layers in the graph, as the state_dict has them.
        self._graph_names: list[str] = []
        if inputs is not None or outputs is not None:
            self._take_graph(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _take_graph(self, inputs: Any, outputs: Any) -> None:
        self.graph = Graph(inputs, outputs, self.name)
        for module in self.graph.calls():
            name = name_for(self, module)
            self._modules[name] = module
            self._graph_names.append(name)

    def _compute(self, *arguments: Any, **named: Any) -> Any:
        if not self._has_lists:
            self.take_lists()
            self._has_lists = True
        if not _RUNNING:
            forget_losses(self)
        _RUNNING.append(self)
        try:
            return super()._compute(*arguments, **named)
        finally:
            _RUNNING.pop()

    def forward(self, *arguments: Any, **named: Any) -> Any:
        """Compute the output: by the graph, or by `call`.

        Args:
            *arguments: The inputs, and what else `call` takes.
            **named: What else `call` takes, by name.

        Returns:
            The output.
        """
        if self.graph is not None:
            return self.graph.run(arguments[0])
        placed = (map_nest(as_tensor, one, np.ndarray) for one in arguments)
        options = self.call_options()
        if "training" in options:
            named["training"] = self.training
        if "mask" in options and named.get("mask") is None:
            named["mask"] = masks_of(arguments[0])
        return self.call(*placed, **named)

    def call(self, *arguments: Any, **named: Any) -> Any:
        """Compute the output; a model of your own overrides it, or `forward`.

        Args:
            *arguments: The inputs, and what else it is called with.
            **named: What else it is called with, by name.

        Raises:
            NotImplementedError: If the class overrides neither.
        """
        raise NotImplementedError(
            f"{self.name}: a {type(self).__name__} must override `call`, or be made by "
            "Model(inputs, outputs)."
        )

    def symbolic_result(self, *arguments: Any, **named: Any) -> Any:
        """Return what the model would return for tensors of some sizes.

        Args:
            *arguments: What stands for the inputs.
            **named: What else it is called with, by name.

        Returns:
            A nest of shapes, and the dtype's name.
        """
        return tried_result(self, arguments, named)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """What stands for the inputs of a model that was made of calls, in order."""
        return self._own_graph("inputs").input_tensors

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """What stands for the outputs of a model that was made of calls, in order."""
        return self._own_graph("outputs").output_tensors

    @property
    def input(self) -> Any:
        """What stands for the input of a model that was made of calls, or the nest of these."""
        return self._own_graph("input").inputs

    @property
    def output(self) -> Any:
        """What stands for the output of a model that was made of calls, or the nest of these."""
        return self._own_graph("output").outputs

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in order."""
        return self._own_graph("input_names").input_names

    @property
    def input_shape(self) -> Any:
        """The sizes of the input of a model that was made of calls, or the nest of these."""
        graph = self.find_graph()
        return None if graph is None else map_nest(_shape_of, graph.inputs, SymbolicTensor)

    @property
    def output_shape(self) -> Any:
        """The sizes of the output of a model that was made of calls, or the nest of these."""
        graph = self.find_graph()
        return None if graph is None else map_nest(_shape_of, graph.outputs, SymbolicTensor)

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that the outputs are from, in order; none where not known."""
        graph = self.find_graph()
        if graph is None:
            return []
        if isinstance(graph.outputs, dict):
            return list(graph.outputs)
        return [one.name for one in graph.output_tensors]

    def find_graph(self) -> Graph | None:
        """Return the graph of the model.

        Returns:
            The graph; None for a model that computes by code of its own.
        """
        return self.graph

    @property
    def is_functional(self) -> bool:
        """Whether the model was made by calls on an Input, one after the other."""
        return self.graph is not None

    @property
    def is_made_of_layers(self) -> bool:
        """Whether the layers are all there is to the model, as in one made of calls."""
        return self.graph is not None

    def _own_graph(self, what: str) -> Graph:
        graph = self.find_graph()
        if graph is None:
            raise ValueError(
                f"{self.name}: there is `{what}` where a model is made by Model(inputs, outputs), "
                "or is a Sequential that begins with an Input."
            )
        return graph

    @property
    def losses(self) -> list[Tensor]:
        """What layers add to the loss: penalties on weights, and what the latest call added."""
        return losses_of(self)

    @property
    def weights(self) -> list[Tensor]:
        """The weights, layer by layer, in Keras's order and layout."""
        return [Variable.of(view) for _, view in weight_views(self, detached=False)]

    def __setattr__(self, name: str, value: Any) -> None:
        # nn.Module would take a module under such a name, and never give it back.
        of_class = getattr(type(self), name, None)
        if isinstance(of_class, property) and of_class.fset is None:
            raise AttributeError(
                f"`{name}` is what every {type(self).__name__} tells of itself: name yours "
                f"otherwise, such as `own_{name}`."
            )
        super().__setattr__(name, value)

    @property
    def layers(self) -> list[nn.Module]:
        """The layers, in order."""
        found: list[nn.Module] = []
        for path in self.layer_names:
            module: Any = self
            # Not by get_submodule, for which a list of the user's own is in the way.
            for name in path.split("."):
                module = module._modules[name]
            found.append(module)
        return found

    @property
    def layer_names(self) -> list[str]:
        """The layers' names, in order."""
        if self._graph_names:
            return self._graph_names
        self.take_lists()
        names: list[str] = []
        for name, child in self.named_children():
            if isinstance(child, nn.ModuleList):
                names.extend(f"{name}.{place}" for place in range(len(child)))
            else:
                names.append(name)
        return names

    @property
    def built(self) -> bool:
        """Whether all parameters exist."""
        return is_built(self)

    @property
    def trainable(self) -> bool:
        """Whether the parameters are trained; what is assigned goes for all layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        self.requires_grad_(self._trainable)
        for module in self.modules():
            if isinstance(module, Layer):
                module.trainable = self._trainable

    def get_layer(self, name: str | None = None, index: int | None = None) -> nn.Module:
        """Return a layer by its name or its place.

        Args:
            name: The layer's name.
            index: Its place among `layers`; given instead of the name.

        Returns:
            The layer.

        Raises:
            ValueError: If there is none, or not just one of both arguments is given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer: pass `name` or `index`. Received: {name=}, {index=}.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(
                    f"get_layer: `index` must be below {len(self.layers)}. Received: {index}."
                )
            return self.layers[index]
        for own, layer in zip(self.layer_names, self.layers, strict=True):
            if name in (own, getattr(layer, "name", None)):
                return layer
        raise ValueError(f"No layer named {name!r}. There are {', '.join(self.layer_names)}.")

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the weights, layer by layer, in Keras's order and layout.

        Returns:
            NumPy arrays; those of modules that are not known are as they are stored.
        """
        return [convert_to_numpy(view).copy() for _, view in weight_views(self)]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Write the weights, given in Keras's order and layout.

        Args:
            weights: Arrays of the shapes that `get_weights` returns.

        Raises:
            ValueError: If their number or a shape does not fit; no weight is changed then.
        """
        views = list(weight_views(self))
        arrays = [as_tensor(weight).detach() for weight in weights]
        if len(arrays) != len(views):
            raise ValueError(
                f"{self.name}: `weights` must be {len(views)} arrays. Received: {len(arrays)}."
                + ("" if self.built else " The model is not built: call it on an input first.")
            )
        for (name, view), array in zip(views, arrays, strict=True):
            if array.shape != view.shape:
                raise ValueError(
                    f"{self.name}: the weight for {name} must have shape {tuple(view.shape)}. "
                    f"Received: {tuple(array.shape)}."
                )
        for (_, view), array in zip(views, arrays, strict=True):
            view.copy_(array)

    def count_params(self) -> int:
        """Return how many numbers the weights hold.

        Returns:
            Their count, states included.

        Raises:
            ValueError: If a layer is not built.
        """
        if not self.built:
            raise ValueError(f"{self.name} is not built: call it on an input first.")
        return count_params(self)

    def output_shapes(self) -> list[Shape | None]:
        """Return the sizes of each layer's output, the batch first.

        Returns:
            Those of each layer; None where they are not known.
        """
        if self.graph is not None:
            calls = self.graph.calls().values()
            return [next(symbolic_tensors(nodes[0].outputs)).shape for nodes in calls]
        return [
            layer.compute_output_shape(layer.input_shape)
            if isinstance(layer, Layer) and layer.built and layer.input_shape is not None
            else None
            for layer in self.layers
        ]

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print a table of the layers: their output's sizes, parameters and constraints.

        Args:
            print_fn: Takes the table, as one string.
        """
        found = zip(self.layer_names, self.layers, self.output_shapes(), strict=True)
        lines = [Line(*layer) for layer in found]
        print_fn(summary(f"{type(self).__name__} {self.name!r}", self, lines))


def _shape_of(tensor: SymbolicTensor) -> Shape:
    return tensor.shape
