"""What each array is to its module, and how its axes are counted in Keras's layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from feasible.layout_table import LayoutTable
from feasible.unit_axes import (
    all_but_last,
    all_but_second_to_last,
    first_axis,
    last_axis,
    no_axes,
)

Axes = Callable[[int], tuple[int, ...]]


class ArrayLayout(NamedTuple):
    """One row of the table: an array of a module type, its role and its layout.

    Attributes:
        array: The array's path from the module, such as ``"kernel"`` or ``"dense_h/kernel"``.
        role: What it is to the module, in Keras's words, such as ``"kernel"``.
        order: From the number of axes to which stored axis each axis in Keras layout is.
        unit_axes: From the number of axes to those, in Keras layout, along which the weights
            incident to one unit lie.
        rank: How many axes it has in one module. With more, it is that of several modules, stacked
            along the leading axes, as `jax.vmap` stacks them. None takes all axes as its own.
    """

    array: str
    role: str
    order: Axes
    unit_axes: Axes
    rank: int | None = None


def as_stored(rank: int) -> tuple[int, ...]:
    """Return the axes in their order, of arrays that are stored as in Keras.

    Args:
        rank: The number of axes.

    Returns:
        The stored axis of each axis in Keras layout.
    """
    return tuple(range(rank))


def output_first(rank: int) -> tuple[int, ...]:
    """Return the axes (*spatial, in, out) of a kernel stored as (out, in, *spatial).

    Args:
        rank: The number of axes.

    Returns:
        The stored axis of each axis in Keras layout.
    """
    return (*range(2, rank), 1, 0)


def input_second(rank: int) -> tuple[int, ...]:
    """Return the axes (*spatial, out, in) of a kernel stored as (out, in, *spatial).

    Args:
        rank: The number of axes.

    Returns:
        The stored axis of each axis in Keras layout.
    """
    return (*range(2, rank), 0, 1)


def output_last(rank: int) -> tuple[int, ...]:
    """Return the axes (*spatial, out, in) of a kernel stored as (*spatial, in, out).

    Args:
        rank: The number of axes.

    Returns:
        The stored axis of each axis in Keras layout.
    """
    return (*range(rank - 2), rank - 1, rank - 2)


KERNEL = ArrayLayout("kernel", "kernel", as_stored, all_but_last)
TRANSPOSE_KERNEL = ArrayLayout("kernel", "kernel", output_last, all_but_second_to_last)
EMBEDDINGS = ArrayLayout("embedding", "embeddings", as_stored, last_axis)
BIAS = ArrayLayout("bias", "bias", as_stored, no_axes)
GAMMA = ArrayLayout("scale", "gamma", as_stored, no_axes)
BETA = ArrayLayout("bias", "beta", as_stored, no_axes)
ALPHA = ArrayLayout("negative_slope", "alpha", as_stored, no_axes)

Rows = tuple[ArrayLayout, ...]

_BY_NAME: Rows = (
    *(
        ArrayLayout(f"{name}/kernel", "kernel", as_stored, first_axis)
        for name in ("query", "key", "value")
    ),
    *(
        ArrayLayout(f"{name}/kernel", "recurrent_kernel", as_stored, all_but_last)
        for name in ("hi", "hf", "hg", "ho", "hr", "hz", "hn", "h", "dense_h")
    ),
    KERNEL,
    GAMMA,
    EMBEDDINGS,
    ALPHA,
)


def named(params: Any) -> Rows:
    """Return what the names that Flax gives tell of params whose modules are not there.

    Args:
        params: The params of one module, by their names.

    Returns:
        Rows of arrays that are counted as they are stored.

    Example:
        >>> named({"scale": None, "bias": None})[-1].role
        'beta'
    """
    return *_BY_NAME, BETA if GAMMA.array in params else BIAS


# The same for every dict, whether or not Flax has been imported.
_table = LayoutTable(ArrayLayout)
_table.register(dict, (named,))


def register_layouts(module_type: type, *layouts: ArrayLayout | Callable[[Any], Rows]) -> None:
    """Say what the arrays of a module type, and of its subclasses, are.

    Args:
        module_type: The type: of a Flax or Equinox module, or of any node of a tree.
        *layouts: A row for each of its arrays, or one function from a module to its rows, where
            they depend on how it was made. They replace those the type had.

    Raises:
        InvalidArgumentError: If a layout is neither.

    Example:
        >>> class Rows:
        ...     pass
        >>> register_layouts(Rows, EMBEDDINGS)
        >>> layouts_of(Rows())[0].role
        'embeddings'
    """
    _table.register(module_type, layouts)


def layouts_of(module: Any) -> Rows:
    """Return the layouts of a module's arrays.

    Args:
        module: The module, or any node of a tree.

    Returns:
        The rows registered for its type, or for the nearest type above that has any; none if
        nothing is known of it.

    Example:
        >>> layouts_of(object())
        ()
    """
    return _table.rows_of(module)
