"""Integers as vectors of zeros and ones, or of counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from feasible.arguments import check_choice, check_integer
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape


def _one_hot(hot: Tensor, weights: Tensor | None) -> Tensor:
    del weights
    return hot.squeeze(-2) if hot.ndim > 2 and hot.shape[-2] == 1 else hot


def _multi_hot(hot: Tensor, weights: Tensor | None) -> Tensor:
    del weights
    return hot.any(-2)


def _count(hot: Tensor, weights: Tensor | None) -> Tensor:
    return hot.sum(-2) if weights is None else (hot * weights.unsqueeze(-1)).sum(-2)


ENCODINGS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
    "one_hot": _one_hot,
    "multi_hot": _multi_hot,
    "count": _count,
}


def encode(
    indices: Tensor, mode: str, depth: int, dtype: torch.dtype, weights: Tensor | None = None
) -> Tensor:
    """Return integers as vectors.

    Args:
        indices: Whole numbers; one that is not from 0 to below `depth` is all zeros.
        mode: One of `ENCODINGS`.
        depth: How long the vectors are.
        dtype: Their dtype.
        weights: What each integer counts as in ``"count"``; 1 by default.

    Returns:
        A tensor with a further axis of vectors, save where those along the last are joined into
        one.

    Example:
        >>> encode(torch.tensor([[0, 2, 2]]), "count", 3, torch.float32)
        tensor([[1., 0., 2.]])
    """
    indices = indices.unsqueeze(-1) if indices.ndim == 0 else indices
    hot = indices.unsqueeze(-1) == torch.arange(depth, device=indices.device)
    return ENCODINGS[mode](hot, weights).to(dtype)


def encoded_shape(shape: Shape, mode: str, depth: int) -> Shape:
    """Return the sizes of what `encode` returns.

    Args:
        shape: The sizes of the integers.
        mode: One of `ENCODINGS`.
        depth: How long the vectors are.

    Returns:
        The sizes.
    """
    joined = mode != "one_hot" or (len(shape) > 1 and shape[-1] == 1)
    return (*(shape[:-1] if joined else shape), depth)


def check_joined(owner: str, mode: str, shape: Shape) -> None:
    """Raise if integers have more axes than an encoding joins.

    Args:
        owner: The layer, for the message.
        mode: One of `ENCODINGS`, or ``"int"``.
        shape: The sizes of the integers.

    Raises:
        ValueError: If they have.
    """
    if len(shape) > 2 and mode in ("multi_hot", "count"):
        raise ValueError(
            f"{owner}: the input must have 1 or 2 axes where output_mode={mode!r}. Received: shape "
            f"{shape}. Flatten it, or use output_mode='one_hot'."
        )


class CategoryEncoding(Layer):
    """Turns integers into vectors of zeros and ones, or of counts.

    Args:
        num_tokens: How many integers there are, from 0 on.
        output_mode: ``"one_hot"``, a vector for each integer; ``"multi_hot"``, one for each row,
            with ones for what is in it; or ``"count"``, how often it is.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> CategoryEncoding(3)(torch.tensor([[0, 2]]))
        tensor([[1., 0., 1.]])
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_tokens = check_integer("CategoryEncoding", "num_tokens", num_tokens)
        # Keras 2's name for it.
        mode = "multi_hot" if output_mode == "binary" else output_mode
        self.output_mode = check_choice("CategoryEncoding", "output_mode", mode, [*ENCODINGS])

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has more axes than the output mode joins.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it has.
        """
        check_joined(self.name, self.output_mode, shape)

    def call(self, inputs: Tensor, count_weights: Any = None) -> Tensor:
        """Turn integers into vectors.

        Args:
            inputs: Whole numbers from 0 to below `num_tokens`.
            count_weights: What each counts as in the output mode ``"count"``; 1 by default.

        Returns:
            A floating tensor.

        Raises:
            ValueError: If a number is out of range, or weights are given in another output mode.
        """
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"{self.name}: `count_weights` must be None unless output_mode='count'. Received: "
                f"output_mode={self.output_mode!r}."
            )
        if not torch.compiler.is_compiling() and inputs.numel():
            lowest, highest = (int(one) for one in inputs.aminmax())
            if lowest < 0 or highest >= self.num_tokens:
                raise ValueError(
                    f"{self.name}: the input must be whole numbers from 0 to below num_tokens="
                    f"{self.num_tokens}. Received: from {lowest} to {highest}."
                )
        dtype = self.dtype or torch.get_default_dtype()
        weights = count_weights
        if weights is not None:
            weights = torch.as_tensor(weights, dtype=dtype, device=inputs.device)
        return encode(inputs.long(), self.output_mode, self.num_tokens, dtype, weights)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The sizes, with those of vectors last.
        """
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)
