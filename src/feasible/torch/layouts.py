"""What each parameter is to its module, and how to see it in Keras's layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from feasible.layout_table import LayoutTable
from feasible.unit_axes import (
    all_but_last,
    all_but_second_to_last,
    last_axis,
    no_axes,
    spatial_axes,
)


class ParameterLayout(NamedTuple):
    """One row of the table: a parameter of a module type, its role and its layout.

    Attributes:
        parameter: The parameter's name in its module, such as ``"weight"``.
        role: What it is to the module, in Keras's words, such as ``"kernel"``.
        view: From the module and the stored tensor to a view of it in Keras layout.
        unit_axes: From the number of axes in Keras layout to those along which the weights
            incident to one unit lie; None where units are not known.
        part: Which part of the parameter the view shows, where several rows share one parameter.
    """

    parameter: str
    role: str
    view: Callable[[nn.Module, Tensor], Tensor]
    unit_axes: Callable[[int], tuple[int, ...]] | None
    part: str | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """What tells this row from the others of its module: the parameter and the part."""
        return self.parameter, self.part

    def shape(self, module: nn.Module, tensor: Tensor) -> tuple[int, ...]:
        """Return the shape of a tensor's view in Keras layout, looking at the tensor's shape alone.

        Args:
            module: The module it belongs to.
            tensor: The parameter, which may be sharded or on any device.

        Returns:
            The view's shape.
        """
        return tuple(self.view(module, torch.empty(tensor.shape, device="meta")).shape)


def as_stored(module: nn.Module, tensor: Tensor) -> Tensor:
    """Return a tensor as it is stored, for parameters that both libraries store alike.

    Args:
        module: The module it belongs to.
        tensor: The parameter, or a tensor of its shape.

    Returns:
        The same tensor.
    """
    del module
    return tensor


def as_kernel(module: nn.Module, tensor: Tensor) -> Tensor:
    """Return the view (*spatial, in, out) of a kernel stored as (out, in, *spatial).

    Transposed convolutions store (in, out, *spatial) and have (*spatial, out, in) in Keras, which
    is the same permutation.

    Args:
        module: The module it belongs to.
        tensor: The parameter, or a tensor of its shape.

    Returns:
        A view in Keras layout.
    """
    del module
    return tensor.permute(*range(2, tensor.ndim), 1, 0)


def as_depthwise_kernel(module: nn.Module, tensor: Tensor) -> Tensor:
    """Return the view (*spatial, in, multiplier) of a depthwise kernel.

    It is stored as that of a convolution with one group a channel: (in * multiplier, 1, *spatial).

    Args:
        module: The module it belongs to, which has `groups` input channels.
        tensor: The parameter, or a tensor of its shape.

    Returns:
        A view in Keras layout.
    """
    channels: int = module.groups  # type: ignore[assignment]
    split = tensor.squeeze(1).reshape(channels, -1, *tensor.shape[2:])
    return split.permute(*range(2, split.ndim), 0, 1)


KERNEL = ParameterLayout("weight", "kernel", as_kernel, all_but_last)
TRANSPOSE_KERNEL = ParameterLayout("weight", "kernel", as_kernel, all_but_second_to_last)
DEPTHWISE_KERNEL = ParameterLayout("weight", "depthwise_kernel", as_depthwise_kernel, spatial_axes)
EMBEDDINGS = ParameterLayout("weight", "embeddings", as_stored, last_axis)
BIAS = ParameterLayout("bias", "bias", as_stored, no_axes)
GAMMA = ParameterLayout("weight", "gamma", as_stored, no_axes)
BETA = ParameterLayout("bias", "beta", as_stored, no_axes)
ALPHA = ParameterLayout("weight", "alpha", as_stored, no_axes)

Rows = tuple[ParameterLayout, ...]

_table = LayoutTable(ParameterLayout)


def register_layouts(
    module_type: type[nn.Module], *layouts: ParameterLayout | Callable[[nn.Module], Rows]
) -> None:
    """Say what the parameters of a module type, and of its subclasses, are.

    Args:
        module_type: The type.
        *layouts: A row for each of its parameters, or one function from a module to its rows,
            where they depend on how it was made. They replace those the type had.

    Raises:
        InvalidArgumentError: If a layout is neither.

    Example:
        >>> class Rows(nn.Module):
        ...     pass
        >>> register_layouts(Rows, EMBEDDINGS)
        >>> layouts_of(Rows())[0].role
        'embeddings'
    """
    _table.register(module_type, layouts)


def layouts_of(module: nn.Module) -> Rows:
    """Return the layouts of a module's parameters.

    Args:
        module: The module.

    Returns:
        The rows registered for its type, or for the nearest type above that has any; none if
        nothing is known of it.

    Example:
        >>> [layout.role for layout in layouts_of(nn.Linear(2, 3))]
        ['kernel', 'bias']
    """
    return _table.rows_of(module)
