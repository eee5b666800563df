"""What every layer shares: building from the first input, weights in Keras layout, configs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from feasible.known_layouts import layouts_of
from feasible.layers.added_losses import Penalized
from feasible.layers.configs import (
    argument_text,
    check_no_more,
    checked_name,
    checked_sizes,
    config_value,
    layer_arguments,
    torch_dtype,
)
from feasible.layers.graph_calls import GraphCalls
from feasible.layers.masks import give_masks, masks_of
from feasible.layers.modes import in_mode
from feasible.layers.own_weights import OwnWeights
from feasible.layers.roles import WeightOf
from feasible.layers.symbolic import Shape, map_nest, tensors_in, tried_result
from feasible.layers.tensors import as_tensor
from feasible.layouts import ParameterLayout
from feasible.torch.bound_weights import declare
from feasible.torch.declarations import declared_constraint


class Layer(GraphCalls, OwnWeights, Penalized):
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
            length = others.pop("input_length", None)
            input_shape = (size,) if length is None else (length, size)
        self.take_regularizers(others)
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
        self.take_lists()
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

    def _compute(self, *arguments: Any, **named: Any) -> Any:
        masks = masks_of(arguments[0]) if arguments else None
        if masks is not None and named.get("mask") is None and "mask" in self.call_options():
            named["mask"] = masks
        outputs = super()._compute(*arguments, **named)
        if self.penalties:
            self.add_activity_penalty(outputs)
        if masks is not None or self.makes_masks():
            give_masks(outputs, self.compute_mask(arguments[0], named.get("mask", masks)))
        return outputs

    def forward(self, inputs: Any, *others: Any, **named: Any) -> Any:
        """Build the layer on its first input, and compute the output.

        Args:
            inputs: A tensor or an array, the batch first, or a nest of these. It is cast to the
                parameters' dtype, save under autocast.
            *others: What else `call` takes.
            **named: What else `call` takes, by name.

        Returns:
            The output.
        """
        if not isinstance(inputs, Tensor):
            inputs = map_nest(as_tensor, inputs, np.ndarray) if _is_nest(inputs) else inputs
            if not _is_nest(inputs):
                inputs = self._placed(as_tensor(inputs))
        shapes = map_nest(lambda one: tuple(one.shape), inputs, Tensor)
        self.check_input(shapes)
        if not self.built:
            known = map_nest(lambda one: (None, *one.shape[1:]), inputs, Tensor)
            self.build_once(known, next(tensors_in(inputs)).device)
        if "training" in self.call_options():
            named["training"] = self.training
        return self.call(map_nest(self._cast, inputs, Tensor), *others, **named)

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Return the mask that the output carries.

        Args:
            inputs: The layer's input.
            mask: The mask that it carries, or a nest of masks.

        Returns:
            The same, where the layer has as many steps in as out; None otherwise.
        """
        del inputs
        return mask if self.supports_masking else None

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
            The output's sizes; by default those of the layer's output for zeros.
        """
        if "compute_output_shape" in self._overridden:
            return input_shape
        return self.tried_shape(input_shape)  # type: ignore[no-any-return]

    def tried_shape(self, input_shape: Any) -> Any:
        """Return the sizes of the layer's output for zeros.

        Args:
            input_shape: The sizes, the batch first; None where a size is not known.

        Returns:
            The output's sizes.
        """
        with in_mode(self, training=False):
            return tried_result(self, (self.stands_for(input_shape),), {})[0]

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

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as Keras writes them.

        Returns:
            Arguments by name, as values that JSON can hold.
        """
        own = {
            name: config_value(name, getattr(self, name)) for name in layer_arguments(type(self))
        }
        dtype = None if self.dtype is None else str(self.dtype).rpartition(".")[2]
        given = {"name": self.name, "trainable": self.trainable, "dtype": dtype}
        return {**given, **own, **self.regularizer_config()}

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


def _is_nest(inputs: Any) -> bool:
    """Return whether inputs are a nest of arrays, and not the numbers of one."""
    parts = inputs.values() if isinstance(inputs, dict) else inputs
    if not isinstance(inputs, dict | list | tuple):
        return False
    return isinstance(inputs, dict) or any(
        isinstance(one, Tensor | np.ndarray) or _is_nest(one) for one in parts
    )
