"""The weights of a layer in Keras's order and layout, and those that it adds by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from feasible import constraints, regularizers
from feasible.known_layouts import layouts_of
from feasible.layers import initializers
from feasible.layers.added_losses import Penalized
from feasible.layers.configs import torch_dtype
from feasible.layers.tensors import as_tensor
from feasible.layers.variable import Variable
from feasible.layers.weight_lists import WeightLists
from feasible.layouts import ParameterLayout
from feasible.ops import convert_to_numpy
from feasible.registry import snake_case
from feasible.torch.bound_weights import declare


class OwnWeights(Penalized, WeightLists):
    """A module whose weights are read, written and added as Keras's layers' are."""

    # What `add_weight` made, beside what is known of the class.
    added_layouts: tuple[ParameterLayout, ...] = ()

    def add_weight(
        self,
        shape: Sequence[int] | int | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str | None = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Any:
        """Make a weight of the layer's own, in `build` or in the constructor.

        Args:
            shape: Its sizes; none for a single number.
            initializer: Its initial values; by default Glorot's, or zeros for whole numbers.
            dtype: Its dtype by name; the layer's by default.
            trainable: Whether it is trained; otherwise it is a state.
            autocast: No difference here.
            regularizer: The penalty on it.
            constraint: Its constraint, whose axes count its own.
            aggregation: No difference here.
            overwrite_with_gradient: Must be False.
            name: Its name in the layer; ``"weight"`` by default.

        Returns:
            The parameter; or the tensor of a state.

        Raises:
            ValueError: If the initializer gives another shape, or the constraint names an axis that
                the weight does not have.
        """
        del autocast, aggregation
        if overwrite_with_gradient:
            raise ValueError(
                f"{self._called}: `overwrite_with_gradient` must be False. Received: True. Write "
                "the weight in `train_step` instead."
            )
        if isinstance(shape, int):
            shape = (shape,)
        layout = ParameterLayout(self._free_name(name or "weight"), name or "weight")
        self.added_layouts = (*self.added_layouts, layout)
        tensor = self._initial(tuple(shape or ()), initializer, dtype)
        if not trainable or not tensor.is_floating_point():
            self.register_buffer(layout.parameter, tensor.as_subclass(Variable))
            return getattr(self, layout.parameter)
        parameter = nn.Parameter(tensor, requires_grad=bool(getattr(self, "trainable", True)))
        self.register_parameter(layout.parameter, parameter)
        if constraint is not None:
            declare(self, layout, constraints.get(constraint))
        if regularizer is not None:
            self.penalties[layout.parameter] = regularizers.get(regularizer)
        return parameter

    @property
    def _called(self) -> str:
        return str(getattr(self, "name", type(self).__name__))

    def _free_name(self, name: str) -> str:
        """Return a name for a parameter that nothing else of the layer has."""
        base = found = name.replace(".", "_").replace("/", "_")
        count = 0
        while found in self._parameters or found in self._buffers or hasattr(type(self), found):
            count += 1
            found = f"{base}_{count}"
        return found

    def _initial(self, shape: tuple[int, ...], initializer: Any, dtype: Any) -> Tensor:
        name = str(dtype).removeprefix("torch.") if dtype is not None else None
        if name is not None and name.startswith(("int", "uint", "bool")):
            found = getattr(torch, name)
        else:
            found = torch_dtype(self._called, dtype) or self.dtype or torch.get_default_dtype()
        fallback = "glorot_uniform" if found.is_floating_point else "zeros"
        make: Callable[..., Any] = initializers.get(initializer or fallback)
        values = as_tensor(make(shape, dtype=found)).detach().to(found)
        if tuple(values.shape) != shape:
            raise ValueError(
                f"{self._called}: the initializer must give values of shape {shape}. Received: "
                f"{tuple(values.shape)} from {make!r}."
            )
        return values.to(torch.get_default_device())

    def __setattr__(self, name: str, value: Any) -> None:
        # What `add_weight` returned is a parameter already, under the name that it was given.
        kept = {**self._parameters, **self._buffers} if "_buffers" in vars(self) else {}
        if isinstance(value, Tensor) and any(
            value is one and name != own for own, one in kept.items() if self._has_added(own)
        ):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _has_added(self, name: str) -> bool:
        return any(layout.parameter == name for layout in self.added_layouts)

    def weight_layouts(self) -> list[ParameterLayout]:
        """Return the layouts of the layer's own parameters and states, in Keras's order.

        Returns:
            Those of what is known of the class, of what was added, and of further parameters.
        """
        known = list(layouts_of(self))
        named = {layout.parameter for layout in known}
        added = [one for one in self.added_layouts if one.parameter not in named]
        named.update(one.parameter for one in added)
        others = [ParameterLayout(name, name) for name in self._parameters if name not in named]
        added.sort(key=lambda layout: layout.parameter in self._buffers)
        return [*known, *others, *added]

    def weight_views(self, *, detached: bool = True) -> list[tuple[ParameterLayout, Tensor]]:
        """Return the layer's own parameters and states, those that exist, in Keras's order.

        Args:
            detached: Whether gradients end at the views.

        Returns:
            Pairs of a layout and a view in Keras layout.
        """
        found = (
            (layout, getattr(self, layout.parameter, None)) for layout in self.weight_layouts()
        )
        return [
            (layout, layout.view(tensor.detach() if detached else tensor))
            for layout, tensor in found
            if tensor is not None
        ]

    def sublayers(self) -> dict[str, Any]:
        """Return the layers that this one is made of.

        Returns:
            Layers by the name under which Keras keeps their weights in this one's.
        """
        return dict(layers_by_path(self))

    def all_weight_views(self) -> list[tuple[ParameterLayout, Tensor]]:
        """Return what `weight_views` returns of this layer and of those that it is made of.

        Returns:
            Pairs of a layout and a view in Keras layout.
        """
        parts = self.sublayers().values()
        return [*self.weight_views(), *(pair for part in parts for pair in part.all_weight_views())]

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the weights in Keras's order and layout.

        Returns:
            NumPy arrays, such as the kernel and the bias.
        """
        return [convert_to_numpy(view).copy() for _, view in self.all_weight_views()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Write the weights, given in Keras's order and layout.

        Args:
            weights: Arrays of the shapes that `get_weights` returns.

        Raises:
            ValueError: If their number or a shape does not fit; no weight is changed then.
        """
        views = self.all_weight_views()
        arrays = [as_tensor(weight).detach() for weight in weights]
        wanted = [(layout.role, tuple(view.shape)) for layout, view in views]
        if [tuple(array.shape) for array in arrays] != [shape for _, shape in wanted]:
            raise ValueError(
                f"{self.name}: `weights` must be arrays for "
                f"{', '.join(f'{role} of shape {shape}' for role, shape in wanted) or 'nothing'}. "
                f"Received: shapes {[tuple(array.shape) for array in arrays]}."
                + ("" if self.built else " The layer is not built: call it on an input first.")
            )
        for (_, view), array in zip(views, arrays, strict=True):
            view.copy_(array)

    def count_params(self) -> int:
        """Return how many numbers the layer's weights hold.

        Returns:
            Their count, states and layers inside included.
        """
        return sum(view.numel() for _, view in self.all_weight_views())

    @property
    def weights(self) -> list[Tensor]:
        """The weights, those that are trained first, in Keras's order and layout."""
        return sorted(variables_of(self), key=lambda one: not one.requires_grad)


def layers_by_path(module: nn.Module) -> Iterator[tuple[str, OwnWeights]]:
    """Return the layers that a module is made of.

    Args:
        module: The module.

    Yields:
        The path under which Keras keeps a layer's weights in the module's, and the layer: its
        attribute's name; for one in a list, that of the list and of its class, counted.
    """
    for name, part in module.named_children():
        if isinstance(part, OwnWeights):
            yield name, part
        elif isinstance(part, nn.ModuleList):
            for own, one in zip(counted_names(part), part, strict=True):
                if isinstance(one, OwnWeights):
                    yield f"{name}/{own}", one


def counted_names(modules: Iterable[nn.Module]) -> list[str]:
    """Return names for modules in a list, as Keras makes them: dense, dense_1, lstm.

    Args:
        modules: The modules.

    Returns:
        A name for each.
    """
    used: Counter[str] = Counter()
    names = []
    for module in modules:
        stem = snake_case(type(module).__name__)
        names.append(f"{stem}_{used[stem]}" if used[stem] else stem)
        used[stem] += 1
    return names


def variables_of(layer: OwnWeights) -> list[Tensor]:
    """Return the weights of a layer and of those inside it, as views that can be trained.

    Args:
        layer: The layer.

    Returns:
        Views in Keras layout.
    """
    found: list[Tensor] = [Variable.of(view) for _, view in layer.weight_views(detached=False)]
    for part in layer.sublayers().values():
        found.extend(variables_of(part))
    return found
