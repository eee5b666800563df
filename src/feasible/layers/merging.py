"""Layers that make one tensor of several: sums, products, joins."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape

Fold = Callable[[Tensor, Tensor], Tensor]


class Merge(Layer):
    """What layers share that fold several tensors into one, entry by entry.

    Args:
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.
    """

    supports_masking = True
    fold: ClassVar[Fold] = torch.add
    at_most: ClassVar[int | None] = None

    def check_input(self, shape: Any) -> None:
        """Raise if the input is not a list of tensors that can be merged.

        Args:
            shape: A list of sizes, the batch first.

        Raises:
            ValueError: If it is not.
        """
        if not isinstance(shape, list | tuple) or not all(isinstance(s, tuple) for s in shape):
            raise ValueError(f"{self.name}: the input must be a list of tensors. Received: {shape}")
        if not shape or (self.at_most is not None and len(shape) != self.at_most):
            count = self.at_most or "1 or more"
            raise ValueError(f"{self.name}: there must be {count} inputs. Received: {len(shape)}.")
        self.merged_shape(shape)

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes of the output.

        Args:
            shapes: The inputs' sizes.

        Returns:
            The sizes that they broadcast to, axes that are missing after the batch.

        Raises:
            ValueError: If they do not.
        """
        rank = max(map(len, shapes))
        aligned = [(s[0], *(1,) * (rank - len(s)), *s[1:]) for s in shapes]
        merged: list[int | None] = []
        for sizes in zip(*aligned, strict=True):
            known = {size for size in sizes if size not in (1, None)}
            if len(known) > 1:
                raise ValueError(
                    f"{self.name}: the inputs' sizes must be equal, or 1. Received: shapes "
                    f"{', '.join(map(str, shapes))}."
                )
            merged.append(known.pop() if known else None if None in sizes else 1)
        return tuple(merged)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        """Merge tensors.

        Args:
            inputs: A list of tensors, the batch first.

        Returns:
            One tensor.
        """
        rank = max(one.ndim for one in inputs)
        aligned = [
            one if one.ndim == rank else one[(slice(None), *(None,) * (rank - one.ndim))]
            for one in inputs
        ]
        return functools.reduce(type(self).fold, aligned)

    def compute_mask(self, inputs: Any, mask: Any) -> Tensor | None:
        """Return where a step of any input counts.

        Args:
            inputs: The inputs.
            mask: The masks that they carry.

        Returns:
            A mask; None where an input counts everywhere.
        """
        del inputs
        if not isinstance(mask, list | tuple) or any(one is None for one in mask):
            return None
        found: Tensor = functools.reduce(torch.logical_or, mask)
        return found

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: A list of the inputs' sizes.

        Returns:
            The sizes.
        """
        return self.merged_shape(input_shape)


class Add(Merge):
    """The sum of tensors.

    Example:
        >>> Add()([torch.ones(1, 2), torch.ones(1, 2)])
        tensor([[2., 2.]])
    """


class Subtract(Merge):
    """The difference of two tensors.

    Example:
        >>> Subtract()([torch.ones(1, 2), torch.ones(1, 2)])
        tensor([[0., 0.]])
    """

    fold = torch.sub
    at_most = 2


class Multiply(Merge):
    """The product of tensors, entry by entry.

    Example:
        >>> Multiply()([torch.ones(1, 2), torch.ones(1, 2)])
        tensor([[1., 1.]])
    """

    fold = torch.mul


class Average(Merge):
    """The mean of tensors, entry by entry.

    Example:
        >>> Average()([torch.zeros(1, 2), torch.ones(1, 2)])
        tensor([[0.5000, 0.5000]])
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        """Take the mean.

        Args:
            inputs: A list of tensors, the batch first.

        Returns:
            One tensor.
        """
        return super().call(inputs) / len(inputs)


class Maximum(Merge):
    """The largest of tensors, entry by entry.

    Example:
        >>> Maximum()([torch.zeros(1, 2), torch.ones(1, 2)])
        tensor([[1., 1.]])
    """

    fold = torch.maximum


class Minimum(Merge):
    """The smallest of tensors, entry by entry.

    Example:
        >>> Minimum()([torch.zeros(1, 2), torch.ones(1, 2)])
        tensor([[0., 0.]])
    """

    fold = torch.minimum


class Concatenate(Merge):
    """Tensors one after the other.

    Args:
        axis: The axis along which they are joined.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the axis is no integer.

    Example:
        >>> Concatenate()([torch.zeros(1, 2), torch.ones(1, 1)])
        tensor([[0., 0., 1.]])
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_integer("Concatenate", "axis", axis, minimum=-16)

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes of the output.

        Args:
            shapes: The inputs' sizes.

        Returns:
            Those of the first input, the joined axis as long as all together.

        Raises:
            ValueError: If another axis differs.
        """
        first = shapes[0]
        rank = len(first)
        fits = {len(shape) for shape in shapes} == {rank} and -rank <= self.axis < rank
        axis = self.axis % rank if fits else 0
        others = [(*s[:axis], *s[axis + 1 :]) for s in shapes]
        for sizes in zip(*others, strict=False):
            fits = fits and len({size for size in sizes if size is not None}) <= 1
        if not fits:
            raise ValueError(
                f"{self.name}: the inputs' sizes must be equal, save along axis {self.axis}. "
                f"Received: shapes {', '.join(map(str, shapes))}."
            )
        joined = [shape[axis] for shape in shapes]
        whole = None if None in joined else sum(size for size in joined if size is not None)
        return (*first[:axis], whole, *first[axis + 1 :])

    def call(self, inputs: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        """Join tensors.

        Args:
            inputs: A list of tensors, the batch first.

        Returns:
            One tensor.
        """
        return torch.cat(list(inputs), self.axis)

    def compute_mask(self, inputs: Any, mask: Any) -> Tensor | None:
        """Return where steps count in the output.

        Args:
            inputs: The inputs.
            mask: The masks that they carry.

        Returns:
            A mask; None where all count everywhere.
        """
        if not isinstance(mask, list | tuple) or all(one is None for one in mask):
            return None
        whole = [
            torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if one is None else one
            for x, one in zip(inputs, mask, strict=True)
        ]
        rank = inputs[0].ndim
        if self.axis % rank == 1:
            return torch.cat([one.to(torch.bool) for one in whole], 1)
        found: Tensor = functools.reduce(torch.logical_or, whole)
        return found


class Dot(Merge):
    """The products of two tensors' vectors.

    Args:
        axes: The axis of both along which their vectors lie, or one for each.
        normalize: Whether vectors are scaled to norm 1 first, so that it is their cosine.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If the axes are neither an integer nor two.

    Example:
        >>> Dot(axes=1)([torch.ones(1, 3), torch.ones(1, 3)])
        tensor([[3.]])
    """

    at_most = 2

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        whole = isinstance(axes, int) or (
            isinstance(axes, list | tuple)
            and len(axes) == 2
            and all(isinstance(axis, int) for axis in axes)
        )
        if not whole:
            raise InvalidArgumentError("Dot", "axes", axes, "an integer or two")
        self.axes = axes if isinstance(axes, int) else list(axes)
        self.normalize = bool(normalize)

    def _places(self, shapes: Sequence[Any]) -> list[int]:
        axes = [self.axes] * 2 if isinstance(self.axes, int) else self.axes
        return [axis % len(shape) for axis, shape in zip(axes, shapes, strict=True)]

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the sizes of the output.

        Args:
            shapes: The inputs' sizes.

        Returns:
            The batch, and the axes of both that are left; one of size 1 where there are none.

        Raises:
            ValueError: If vectors have different sizes.
        """
        first, second = self._places(shapes)
        sizes = {shapes[0][first], shapes[1][second]} - {None}
        if len(sizes) > 1 or 0 in (first, second):
            raise ValueError(
                f"{self.name}: the inputs' axes {self.axes} must have one size, and not be that of "
                f"the batch. Received: shapes {shapes[0]} and {shapes[1]}."
            )
        rest = [
            [size for axis, size in enumerate(shape) if axis not in (0, place)]
            for shape, place in zip(shapes, (first, second), strict=True)
        ]
        left = [*rest[0], *rest[1]] or [1]
        return (shapes[0][0], *left)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        """Multiply vectors.

        Args:
            inputs: Two tensors, the batch first.

        Returns:
            One tensor.
        """
        places = self._places([one.shape for one in inputs])
        one, other = (x.movedim(axis, -1) for x, axis in zip(inputs, places, strict=True))
        if self.normalize:
            one, other = (
                x * (x.square().sum(-1, keepdim=True).clamp(min=1e-12)).rsqrt()
                for x in (one, other)
            )
        left, right = one.shape[1:-1], other.shape[1:-1]
        product = one.flatten(1, -2) if one.ndim > 2 else one.unsqueeze(1)
        other = other.flatten(1, -2) if other.ndim > 2 else other.unsqueeze(1)
        product = product @ other.transpose(1, 2)
        return product.reshape(len(product), *([*left, *right] or [1]))

    def compute_mask(self, inputs: Any, mask: Any) -> None:
        """Return that the output has no steps.

        Args:
            inputs: The inputs.
            mask: The masks that they carry.
        """
        del inputs, mask


def _function(kind: type[Merge]) -> Callable[..., Any]:
    def merge(inputs: Sequence[Any], **options: Any) -> Any:
        return kind(**options)(inputs)

    merge.__name__ = merge.__qualname__ = kind.__name__.lower()
    merge.__doc__ = f"""Call `{kind.__name__}` on a list of tensors.

    Args:
        inputs: The tensors.
        **options: Arguments of the layer.

    Returns:
        One tensor.
    """
    return merge


add, subtract, multiply, average, maximum, minimum, concatenate, dot = (
    _function(kind)
    for kind in (Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot)
)
