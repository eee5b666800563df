"""The embedding layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feasible.arguments import check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import EMBEDDINGS
from feasible.layers import initializers
from feasible.layers.layer import Layer
from feasible.layers.roles import ConstraintOf, WeightOf
from feasible.layers.symbolic import Shape
from feasible.layers.tensors import as_tensor


class Embedding(Layer):
    """A table of vectors, of which each id in the input picks one.

    It stores what `torch.nn.Embedding` stores: `weight` of shape (input_dim, output_dim).

    Args:
        input_dim: How many ids there are: one more than the largest.
        output_dim: How long a vector is.
        embeddings_initializer: Initial values of the vectors, of shape (input_dim, output_dim).
        embeddings_constraint: The vectors' constraint; ``axis=1`` or ``"unit"`` takes one norm a
            vector.
        mask_zero: Whether steps whose id is 0 do not count in the layers that follow.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> from feasible.constraints import UnitNorm
        >>> layer = Embedding(1000, 16, embeddings_constraint=UnitNorm(axis=1))
        >>> layer([[4, 20, 7]]).shape
        torch.Size([1, 3, 16])
    """

    embeddings = WeightOf("embeddings")
    embeddings_constraint = ConstraintOf("embeddings")
    weight: nn.Parameter

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_dim = check_integer("Embedding", "input_dim", input_dim)
        self.output_dim = check_integer("Embedding", "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_constraint = embeddings_constraint
        self.mask_zero = bool(mask_zero)

    def build(self, input_shape: Shape) -> None:
        """Make the vectors.

        Args:
            input_shape: The input's sizes, which make no difference.
        """
        del input_shape
        sizes = (self.input_dim, self.output_dim)
        self.make_weight(EMBEDDINGS, sizes, self.embeddings_initializer)

    def _cast(self, inputs: Tensor) -> Tensor:
        """Return the ids as integers; those of floating dtype are cut off."""
        return inputs if inputs.dtype == torch.int32 else inputs.long()

    def call(self, inputs: Tensor) -> Tensor:
        """Pick the vectors.

        Args:
            inputs: Integer ids of any shape, from 0 to ``input_dim - 1``.

        Returns:
            A tensor with one more axis, of size `output_dim`.

        Raises:
            IndexError: If an id is out of range, and the ids are on the CPU.
        """
        try:
            return functional.embedding(inputs, self.weight)
        except IndexError as error:
            raise IndexError(
                f"{self.name}: ids must be from 0 to {self.input_dim - 1}. Received: ids from "
                f"{inputs.min()} to {inputs.max()}."
            ) from error

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Return the mask that the output carries.

        Args:
            inputs: The ids.
            mask: The mask that they carry.

        Returns:
            Where ids are not 0, with `mask_zero`; None otherwise.
        """
        del mask
        return as_tensor(inputs) != 0 if self.mask_zero else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The same, and `output_dim`.
        """
        return (*input_shape, self.output_dim)


register_layouts(Embedding, EMBEDDINGS)
