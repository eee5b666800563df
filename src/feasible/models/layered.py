"""What every model offers: its layers, its weights in Keras's order, and a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray
from torch import nn

from feasible.layers.configs import checked_name
from feasible.layers.layer import Layer, Shape
from feasible.layers.tensors import as_tensor
from feasible.models.summary import Line, summary
from feasible.models.weight_views import count_params, is_built, weight_views
from feasible.ops import convert_to_numpy


class LayeredModule(nn.Module):
    """A module made of layers, Keras-style ones and any others.

    Args:
        name: The model's name; None for one made from the class's.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        self.name = checked_name(type(self).__name__, name)
        self.named = name is not None
        self._trainable = True

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
        return list(self.children())

    @property
    def layer_names(self) -> list[str]:
        """The layers' names, in order."""
        return [name for name, _ in self.named_children()]

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
