"""What every layer shares: building from the first input, weights in Keras layout, configs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from feasible.known_layouts import layouts_of
from feasible.layers.configs import (
    argument_text,
    check_no_more,
    checked_name,
    checked_sizes,
    config_value,
    layer_arguments,
    torch_dtype,
)
from feasible.layers.roles import WeightOf
from feasible.layouts import ParameterLayout
from feasible.ops import convert_to_numpy
from feasible.torch.bound_weights import declare
from feasible.torch.declarations import declared_constraint

# Sizes with the batch first; None where a size is not known.
Shape = tuple[int | None, ...]


class Layer(nn.Module):
    """Base class of layers: a module whose parameters are made when its input's sizes are known.

    Parameters are stored under PyTorch's names and in its layout, and shown, read and written by
    `kernel`, `get_weights` and `set_weights` in Keras's. A subclass overrides `call`, and `build`
    if it has parameters. Its constructor's arguments are kept as attributes of the same names,
    from which `get_config` writes them.

    Args:
        name: The layer's name; None lets the model that it is added to choose one.
        trainable: Whether the parameters are trained.
        dtype: The parameters' dtype by name, or None for PyTorch's default.
        input_shape: Sizes of an input without the batch, by which a model builds itself when this
            is its first layer.
        **others: Arguments that Keras has and we do not; only the values that switch them off are
            taken. ``input_dim=8`` means ``input_shape=(8,)``.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
        TypeError: If there is no such argument.

    Example:
        >>> class Halve(Layer):
        ...     def call(self, inputs):
        ...         return inputs / 2
        >>> Halve()([[4.0]])
        tensor([[2.]])
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | torch.dtype | None = None,
        input_shape: Sequence[int | None] | None = None,
        **others: Any,
    ) -> None:
        super().__init__()
        if (size := others.pop("input_dim", None)) is not None:
            input_shape = (size,)
        check_no_more(type(self), others)
        self.name = checked_name(type(self).__name__, name)
        self.named = name is not None
        self.dtype = torch_dtype(type(self).__name__, dtype)
        self.input_shape: Shape | None = None
        if input_shape is not None:
            sizes = checked_sizes(type(self).__name__, "input_shape", input_shape)
            self.input_shape = (None, *sizes)
        self.built = False
        self.trainable = trainable

    @property
    def trainable(self) -> bool:
        """Whether the parameters are trained; what is assigned goes for layers inside too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        self.requires_grad_(self._trainable)
        for layer in self.sublayers().values():
            layer.trainable = self._trainable

    def __setattr__(self, name: str, value: Any) -> None:
        # A constraint may be a module, which nn.Module would take for a part of the layer.
        if hasattr(getattr(type(self), name, None), "__set__"):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        role = isinstance(getattr(type(self), name, None), WeightOf)
        if not vars(self).get("built", True) and (role or name in self._stored_names()):
            raise AttributeError(
                f"{self.name}: `{name}` is made when the layer is built. Call the layer on an "
                "input first."
            )
        return super().__getattr__(name)

    def _stored_names(self) -> list[str]:
        return [layout.parameter for layout in layouts_of(self)]

    def build(self, input_shape: Shape) -> None:
        """Make the parameters for inputs of some sizes.

        Args:
            input_shape: The sizes, the batch first; None where a size is not known.
        """
        del input_shape

    def build_once(
        self, input_shape: Shape, device: torch.device | None = None, **others: Any
    ) -> None:
        """Build the layer, if it is not built yet.

        Args:
            input_shape: The sizes of its input, the batch first.
            device: Where the parameters go; None for PyTorch's default.
            **others: What else `check_input` and `build` take, by name.
        """
        if self.built:
            return
        self.check_input(input_shape, **others)
        # The first input may come in an evaluation, but the parameters are to be trained.
        with torch.inference_mode(False), torch.device(device or torch.get_default_device()):
            self.build(input_shape, **others)
        self.input_shape = input_shape
        self.built = True

    def check_input(self, shape: Shape) -> None:
        """Raise if the layer cannot take an input of these sizes.

        Args:
            shape: The sizes, the batch first.

        Raises:
            ValueError: If it cannot.
        """

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the layer's output.

        Args:
            inputs: The input, the batch first.

        Returns:
            The output.
        """
        return inputs

    def forward(self, inputs: Any, *others: Any, **named: Any) -> Any:
        """Build the layer on its first input, and compute the output.

        Args:
            inputs: A tensor or an array, the batch first. It is cast to the parameters' dtype, save
                under autocast.
            *others: What else `call` takes.
            **named: What else `call` takes, by name.

        Returns:
            The output.
        """
        tensor = as_tensor(inputs)
        self.check_input(tuple(tensor.shape))
        self.build_once((None, *tensor.shape[1:]), tensor.device if tensor is inputs else None)
        tensor = self._cast(tensor if tensor is inputs else self._placed(tensor))
        return self.call(tensor, *others, **named)

    def _placed(self, array: Tensor) -> Tensor:
        """Return an array where the parameters are; if there are none, in PyTorch's precision."""
        parameter = next(self.parameters(), None)
        if parameter is not None:
            return array.to(parameter.device)
        return array.to(torch.get_default_dtype()) if array.dtype == torch.float64 else array

    def _cast(self, inputs: Tensor) -> Tensor:
        """Return the input in the parameters' dtype, or as it is where autocast sees to it."""
        parameter = next(self.parameters(), None)
        if parameter is None or inputs.dtype == parameter.dtype:
            return inputs
        device = inputs.device.type
        casts = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        if casts and inputs.dtype in (torch.float32, torch.float16, torch.bfloat16):
            return inputs
        return inputs.to(parameter.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output for an input of some sizes.

        Args:
            input_shape: The sizes, the batch first; None where a size is not known.

        Returns:
            The output's sizes; here, the same.
        """
        return input_shape

    def make_weight(
        self,
        layout: ParameterLayout,
        stored_shape: Sequence[int],
        initializer: Callable[..., Any],
        *,
        buffer: bool = False,
    ) -> None:
        """Make a parameter, fill it in Keras layout, and hold it to its constraint.

        Args:
            layout: Its name, role and layout.
            stored_shape: Its shape as PyTorch stores it.
            initializer: From a shape in Keras layout and a dtype to initial values.
            buffer: Whether it is a state that is not trained.

        Raises:
            ValueError: If the initializer gives another shape, or the constraint names an axis that
                the weight does not have.
        """
        tensor = torch.empty(tuple(stored_shape), dtype=self.dtype)
        if buffer:
            self.register_buffer(layout.parameter, tensor)
        else:
            self.register_parameter(
                layout.parameter, nn.Parameter(tensor, requires_grad=self.trainable)
            )
        # On the meta device there is nothing to fill, and the values could be many.
        if not tensor.is_meta:
            self._fill(layout, tensor, initializer)
        # Declared anew now that there is a parameter whose axes can be checked.
        declare(self, layout, declared_constraint(self, layout))

    def _fill(
        self, layout: ParameterLayout, tensor: Tensor, initializer: Callable[..., Any]
    ) -> None:
        view = layout.view(tensor)
        values = as_tensor(initializer(tuple(view.shape), dtype=tensor.dtype)).detach()
        if values.shape != view.shape:
            raise ValueError(
                f"{self.name}: the initializer of the {layout.role} must give values of shape "
                f"{tuple(view.shape)}. Received: {tuple(values.shape)} from {initializer!r}."
            )
        view.copy_(values)

    def weight_views(self) -> list[tuple[ParameterLayout, Tensor]]:
        """Return the layer's own parameters and states, those that exist, in Keras's order.

        Returns:
            Pairs of a layout and a view in Keras layout.
        """
        found = ((layout, getattr(self, layout.parameter, None)) for layout in layouts_of(self))
        return [
            (layout, layout.view(tensor.detach())) for layout, tensor in found if tensor is not None
        ]

    def sublayers(self) -> dict[str, Layer]:
        """Return the layers that this one is made of.

        Returns:
            Layers by the name under which Keras keeps their weights in this one's.
        """
        return {name: part for name, part in self.named_children() if isinstance(part, Layer)}

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

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as Keras writes them.

        Returns:
            Arguments by name, as values that JSON can hold.
        """
        own = {
            name: config_value(name, getattr(self, name)) for name in layer_arguments(type(self))
        }
        dtype = None if self.dtype is None else str(self.dtype).rpartition(".")[2]
        return {"name": self.name, "trainable": self.trainable, "dtype": dtype, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a layer from what `get_config` returned.

        Args:
            config: Arguments by name, as we or Keras write them.

        Returns:
            A layer of this class, not built.

        Raises:
            TypeError: If an argument is not known.
        """
        return cls(**config)

    def extra_repr(self) -> str:
        """Return the arguments that are shown when the layer is printed.

        Returns:
            Those that differ from their defaults.
        """
        arguments = layer_arguments(type(self)).items()
        given = (argument_text(name, getattr(self, name), default) for name, default in arguments)
        return ", ".join(filter(None, given))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        names = [prefix + name for name in self._stored_names()]
        if not self.built and any(name in state_dict for name in names):
            error_msgs.append(
                f"{self.name} is not built, so that it has no parameters to load into: call the "
                "model on an input first."
            )
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )


def as_tensor(value: Any) -> Tensor:
    """Return a tensor of what may be an array, without a copy where it can be.

    Args:
        value: A tensor, an array or nested sequences of numbers.

    Returns:
        A tensor of the same dtype.
    """
    if isinstance(value, Tensor):
        return value
    # PyTorch takes no array that is read-only, has negative strides or another order of bytes.
    array = np.require(value, requirements=["C", "W"])
    return torch.as_tensor(array.astype(array.dtype.newbyteorder("="), copy=False))
