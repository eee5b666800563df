"""What stands for tensors in a model that is being made, and the graph of calls on them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from feasible import ops
from feasible.ops.recording import Symbolic

Shape = tuple[int | None, ...]
# A tensor, or tuples, lists and dicts of tensors.
Nest = Any
# The sizes that stand for one that is not known, one after the other.
_TRIED_SIZES = (2, 3)


@dataclass(eq=False)
class Node:
    """One call of a module on tensors that are not there yet.

    Attributes:
        module: What is called.
        arguments: Its arguments: symbolic tensors, nests of these, and anything else.
        options: Its arguments by name.
        outputs: What stands for the result: a symbolic tensor or a nest of these.
        place: Which of the module's calls this is, from 0.
    """

    module: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    outputs: Nest = None
    place: int = 0

    @property
    def sources(self) -> list[SymbolicTensor]:
        """What the call takes, in order."""
        return list(symbolic_tensors((self.arguments, self.options)))

    def shown(self) -> str:
        """Return the call as messages show it."""
        return f"{getattr(self.module, 'name', type(self.module).__name__)}(...)"


@dataclass(eq=False)
class SymbolicTensor(Symbolic):
    """What stands for a tensor in a model that is being made: its sizes, and where it is from.

    `feasible.layers.Input` makes the first; layers, the functions of `feasible.ops` and operators
    on one return further ones, from which ``Model(inputs, outputs)`` makes a model.

    Args:
        shape: The sizes, the batch first; None where a size is not known.
        dtype: The dtype's name.
        node: The call that it comes from.
        place: Which of the call's outputs it is.

    Example:
        >>> from feasible.layers import Dense, Input
        >>> x = Input((3,))
        >>> (Dense(2)(x) + 1).shape
        (None, 2)
    """

    shape: Shape
    dtype: str
    node: Node = field(repr=False)
    place: int = 0

    # An array on the left leaves an operator to this side.
    __array_priority__ = 1000
    __array_ufunc__ = None

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """The name of the layer that it comes from."""
        return str(getattr(self.node.module, "name", "tensor"))

    @property
    def batch_shape(self) -> Shape:
        """The sizes, the batch first."""
        return self.shape

    def record(self, function: Callable[..., Any], arguments: Any, options: Any) -> Any:
        """Note down that a function of `feasible.ops` is called.

        Args:
            function: The function.
            arguments: All its arguments.
            options: All those given by name.

        Returns:
            What stands for its result.
        """
        return record(Operation(function), arguments, options)

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        del types, arguments, options
        name = getattr(function, "__name__", str(function))
        raise TypeError(
            f"torch's `{name}` was called on an Input, or on a layer's output for one, which has "
            "no values yet. Use the function of feasible.ops, or a layer; a torch.nn.Module goes "
            "into a Sequential, or into a Layer of your own."
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        del dtype, copy
        # Not a TypeError, for which NumPy would call again with fewer arguments.
        raise ValueError(
            f"{self!r} has no values yet, and cannot become an array: use the functions of "
            "feasible.ops in place of NumPy's, or put the code into a Layer's `call`."
        )

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no values yet, so that it is neither true nor false.")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self!r} has no values yet, and cannot be gone through.")

    def __getitem__(self, key: Any) -> Any:
        return record(Operation(get_item), (self, key), {})

    def __add__(self, other: Any) -> Any:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return ops.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return ops.matmul(self, other)

    def __neg__(self) -> Any:
        return ops.negative(self)

    def __abs__(self) -> Any:
        return ops.abs(self)

    def __lt__(self, other: Any) -> Any:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Any:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return ops.greater_equal(self, other)


def get_item(x: Any, key: Any) -> Any:
    """Return a part of an array.

    Args:
        x: The array.
        key: Numbers and slices, one for each axis.

    Returns:
        The part.
    """
    return x[tuple(key) if isinstance(key, list) else key]


class Operation(nn.Module):
    """A function of `feasible.ops` as a part of a model.

    Args:
        function: The function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.name = function.__name__.strip("_")
        self.named = False

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """Call the function.

        Args:
            *arguments: Its arguments.
            **options: Its arguments by name.

        Returns:
            Its result.
        """
        return self.function(*arguments, **options)


def symbolic_tensors(nest: Any) -> Iterator[SymbolicTensor]:
    """Return what stands for tensors in tuples, lists and dicts.

    Args:
        nest: A nest of anything.

    Returns:
        The symbolic tensors, in order.
    """
    return (one for one in leaves(nest) if isinstance(one, SymbolicTensor))


def tensors_in(nest: Any) -> Iterator[Tensor]:
    """Return the tensors in tuples, lists and dicts.

    Args:
        nest: A nest of anything.

    Returns:
        The tensors, in order.
    """
    return (one for one in leaves(nest) if isinstance(one, Tensor))


def leaves(nest: Any) -> Iterator[Any]:
    """Return what is in tuples, lists and dicts.

    Args:
        nest: A nest of anything.

    Yields:
        What is none of these, in order.

    Example:
        >>> list(leaves({"a": [1, (2, 3)], "b": 4}))
        [1, 2, 3, 4]
    """
    if isinstance(nest, dict | tuple | list):
        for one in nest.values() if isinstance(nest, dict) else nest:
            yield from leaves(one)
    else:
        yield nest


def map_nest(function: Callable[[Any], Any], nest: Any, kind: type | tuple[type, ...]) -> Any:
    """Return a nest with what is of some kind replaced.

    Args:
        function: From such a thing to what takes its place.
        nest: Tuples, lists and dicts of anything.
        kind: Which things.

    Returns:
        A nest of the same form.
    """
    if isinstance(nest, kind):
        return function(nest)
    if isinstance(nest, dict):
        return {name: map_nest(function, one, kind) for name, one in nest.items()}
    if isinstance(nest, tuple | list):
        parts = [map_nest(function, one, kind) for one in nest]
        return parts if isinstance(nest, list) else tuple(parts)
    return nest


def record(module: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Nest:
    """Note down a call of a module on symbolic tensors, and build the module.

    Args:
        module: A layer, a model or any other module.
        arguments: The call's arguments.
        options: Those given by name.

    Returns:
        What stands for its result.
    """
    node = Node(module, arguments, options)
    shapes, dtype = _result_of(module, node)
    node.outputs = _standing_for(shapes, dtype, node, itertools.count())
    calls = vars(module).setdefault("_calls", [])
    node.place = len(calls)
    calls.append(node)
    return node.outputs


def _standing_for(shapes: Any, dtype: str, node: Node, count: Iterator[int]) -> Nest:
    if isinstance(shapes, dict):
        return {name: _standing_for(one, dtype, node, count) for name, one in shapes.items()}
    if isinstance(shapes, list):
        return [_standing_for(one, dtype, node, count) for one in shapes]
    if isinstance(shapes, tuple) and shapes and isinstance(shapes[0], tuple | list | dict):
        return tuple(_standing_for(one, dtype, node, count) for one in shapes)
    return SymbolicTensor(tuple(shapes), dtype, node, next(count))


def _result_of(module: Any, node: Node) -> tuple[Any, str]:
    """Return the shapes, and the dtype, of what a call returns."""
    known = getattr(module, "symbolic_result", None)
    if known is not None:
        found = known(*node.arguments, **node.options)
        if found is not None:
            return found  # type: ignore[no-any-return]
    return tried_result(module, node.arguments, node.options)


def tried_result(
    call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Any, str]:
    """Return the shapes and the dtype of a call's result by making it on zeros.

    Args:
        call: A module or a function.
        arguments: Its arguments; what stands for tensors becomes zeros, twice, with other sizes
            for those that are not known.
        options: Its arguments by name.

    Returns:
        A nest of shapes, None where a size varies with one that is not known; and the dtype's name.
    """
    is_known = all(None not in one.shape for one in symbolic_tensors((arguments, options)))
    tried = []
    for size in _TRIED_SIZES[:1] if is_known else _TRIED_SIZES:
        zeros = functools.partial(_zeros, size=size)
        given = map_nest(zeros, (arguments, options), SymbolicTensor)
        with torch.no_grad(), _states_kept(call):
            tried.append(call(*given[0], **given[1]))
    dtypes = [one.dtype for one in tensors_in(tried[0])]
    dtype = str(dtypes[0]).removeprefix("torch.") if dtypes else "float32"
    return _common_shapes(*tried), dtype


@contextmanager
def _states_kept(call: Any) -> Iterator[None]:
    """Put the states that a module has back to what they are."""
    buffers = list(call.buffers()) if isinstance(call, nn.Module) else []
    before = [buffer.clone() for buffer in buffers]
    yield
    for buffer, values in zip(buffers, before, strict=True):
        buffer.copy_(values)


def _zeros(one: SymbolicTensor, size: int) -> Tensor:
    dtype = getattr(torch, one.dtype)
    return torch.zeros([size if known is None else known for known in one.shape], dtype=dtype)


def _common_shapes(first: Any, *others: Any) -> Any:
    if isinstance(first, dict):
        return {name: _common_shapes(first[name], *(o[name] for o in others)) for name in first}
    if isinstance(first, tuple | list):
        parts = [_common_shapes(*parts) for parts in zip(first, *others, strict=True)]
        return parts if isinstance(first, list) else tuple(parts)
    shapes = [tuple(one.shape) for one in (first, *others)]
    return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True))
