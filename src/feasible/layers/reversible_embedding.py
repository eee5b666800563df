"""The embedding layer that also leads back, from vectors to scores of ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feasible.arguments import InvalidArgumentError, check_number
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import EMBEDDINGS, KERNEL
from feasible.layers.configs import torch_dtype
from feasible.layers.embedding import Embedding
from feasible.layers.layer import Layer
from feasible.layers.roles import WeightOf
from feasible.layers.symbolic import Shape
from feasible.layers.tensors import as_tensor

REVERSE = replace(KERNEL, parameter="reverse_weight", role="reverse_embeddings")


class ReversibleEmbedding(Embedding):
    """A table of vectors, of which each id picks one; or, in reverse, the products with all.

    It is called as ``layer(ids)`` or ``layer(vectors, reverse=True)``. It stores what
    `torch.nn.Embedding` stores, and, unless the weights are tied, `reverse_weight` as
    `torch.nn.Linear` stores a weight.

    Args:
        input_dim: How many ids there are: one more than the largest.
        output_dim: How long a vector is.
        tie_weights: Whether the products are those with the vectors of the table; if not, they are
            those with the columns of `reverse_embeddings`, of shape (output_dim, input_dim).
        embeddings_initializer: Initial values of the vectors, of shape (input_dim, output_dim), and
            of `reverse_embeddings`.
        embeddings_constraint: The vectors' constraint; ``axis=1`` or ``"unit"`` takes one norm a
            vector.
        reverse_dtype: The dtype in which the products are computed, by name; None for that of the
            inputs.
        logit_soft_cap: A bound above 0 that the products come near to but do not pass: they become
            ``logit_soft_cap * tanh(products / logit_soft_cap)``; None for no bound.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> layer = ReversibleEmbedding(1000, 16, embeddings_constraint="unit_norm")
        >>> vectors = layer([[4, 20, 7]])
        >>> vectors.shape, layer(vectors, reverse=True).shape
        (torch.Size([1, 3, 16]), torch.Size([1, 3, 1000]))

    Source:
        Press, Wolf: Using the Output Embedding to Improve Language Models, 2016.
    """

    reverse_embeddings = WeightOf("reverse_embeddings")
    reverse_weight: nn.Parameter | None

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_constraint: Any = None,
        reverse_dtype: str | None = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim, output_dim, embeddings_initializer, embeddings_constraint, **kwargs
        )
        self.tie_weights = bool(tie_weights)
        dtype = torch_dtype("ReversibleEmbedding", reverse_dtype)
        self.reverse_dtype = None if dtype is None else str(dtype).removeprefix("torch.")
        self.logit_soft_cap = logit_soft_cap
        if logit_soft_cap is not None:
            cap = check_number("ReversibleEmbedding", "logit_soft_cap", logit_soft_cap, minimum=0)
            if cap == 0:
                raise InvalidArgumentError(
                    "ReversibleEmbedding", "logit_soft_cap", cap, "above 0, or None"
                )

    def build(self, input_shape: Shape) -> None:
        """Make the vectors.

        Args:
            input_shape: The input's sizes, which make no difference.
        """
        super().build(input_shape)
        if self.tie_weights:
            self.register_parameter("reverse_weight", None)
        else:
            sizes = (self.input_dim, self.output_dim)
            self.make_weight(REVERSE, sizes, self.embeddings_initializer)

    def forward(self, inputs: Any, reverse: bool = False) -> Tensor:
        """Build the layer on its first input, and pick vectors, or compute products with them.

        Args:
            inputs: Integer ids of any shape; in reverse, vectors of shape (..., output_dim).
            reverse: Whether to compute products.

        Returns:
            A tensor with one more axis, of size `output_dim`; in reverse, one whose last axis has
            size `input_dim`.
        """
        if not reverse:
            outputs: Tensor = super().forward(inputs)
            return outputs
        vectors = as_tensor(inputs)
        if vectors.ndim < 1 or vectors.shape[-1] != self.output_dim:
            raise ValueError(
                f"{self.name}: in reverse, the input's last axis must have size output_dim="
                f"{self.output_dim}. Received: shape {tuple(vectors.shape)}."
            )
        given = vectors is inputs
        self.build_once((None, *vectors.shape[1:-1]), vectors.device if given else None)
        # Not as `Embedding` casts, which takes ids.
        return self.call(Layer._cast(self, vectors if given else self._placed(vectors)), True)

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        """Pick vectors, or compute products with them.

        Args:
            inputs: Integer ids of any shape; in reverse, vectors of shape (..., output_dim).
            reverse: Whether to compute products.

        Returns:
            A tensor with one more axis, of size `output_dim`; in reverse, one whose last axis has
            size `input_dim`.
        """
        if not reverse:
            return super().call(inputs)
        weight: Tensor = self.weight if self.reverse_weight is None else self.reverse_weight
        if self.reverse_dtype is not None:
            dtype = getattr(torch, self.reverse_dtype)
            inputs, weight = inputs.to(dtype), weight.to(dtype)
        products = functional.linear(inputs, weight)
        if self.logit_soft_cap is None:
            return products
        return torch.tanh(products / self.logit_soft_cap) * self.logit_soft_cap

    def compute_output_shape(self, input_shape: Shape, reverse: bool = False) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.
            reverse: Whether products are computed.

        Returns:
            The same, and `output_dim`; in reverse, the same with `input_dim` last.
        """
        if reverse:
            return (*input_shape[:-1], self.input_dim)
        return super().compute_output_shape(input_shape)


register_layouts(ReversibleEmbedding, EMBEDDINGS, REVERSE)
