"""Attention without projections: by products, or by sums."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError, check_choice, check_integer, check_number
from feasible.known_layouts import register_layouts
from feasible.layers import initializers
from feasible.layers.attending import attend, both, shares, visible
from feasible.layers.dropout import Dropout
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape
from feasible.layers.tensors import as_tensor
from feasible.layouts import ParameterLayout

SCALE = ParameterLayout("scale", "scale", "*unit", unit="*unit")
CONCAT = ParameterLayout("concat_score_weight", "concat_score_weight", "*unit", unit="*unit")


class Attention(Layer):
    """Mixes values by how well their keys match a query.

    It is called as ``layer([query, value])`` or ``layer([query, value, key])``.

    Args:
        use_scale: Whether scores are multiplied by a number that is trained.
        score_mode: What a score is: ``"dot"`` for the product of query and key, ``"concat"`` for
            the sum of the hyperbolic tangents of their sum, times a number that is trained.
        dropout: The share of the attention that is dropped in training, from 0 to 1.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> layer = Attention()
        >>> query, value = torch.ones(8, 5, 3), torch.ones(8, 7, 3)
        >>> outputs, scores = layer([query, value], return_attention_scores=True)
        >>> outputs.shape, scores.shape
        (torch.Size([8, 5, 3]), torch.Size([8, 5, 7]))

    Source:
        Luong, Pham, Manning: Effective Approaches to Attention-based Neural Machine Translation,
        2015, section 3.1.
    """

    scale: nn.Parameter | None
    concat_score_weight: nn.Parameter

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.use_scale = bool(use_scale)
        self.score_mode = check_choice(owner, "score_mode", score_mode, ("dot", "concat"))
        self.dropout = check_number(owner, "dropout", dropout, minimum=0, maximum=1)
        self.seed = seed
        self.dropout_layer = Dropout(dropout, seed=seed)

    def check_input(self, shape: Any) -> None:
        """Raise if the query, the values and the keys do not fit.

        Args:
            shape: Their sizes, the batch first.

        Raises:
            ValueError: If they do not fit.
        """
        query, value, key = (*shape, shape[-1])[:3]
        ranks = {len(query), len(value), len(key)}
        if ranks != {3} or key[1] != value[1] or query[-1] != key[-1]:
            raise ValueError(
                f"{self.name}: the query must have shape (batch, queries, size), the values (batch,"
                " keys, any size), and the keys, by default the values, (batch, keys, size). "
                f"Received: shapes {query}, {value} and {key}."
            )

    def build(self, input_shape: Any) -> None:
        """Make the numbers that scores are multiplied by.

        Args:
            input_shape: A list of the sizes of the query, the values and the keys.
        """
        self.dropout_layer.build_once(input_shape[0])
        ones = initializers.get("ones")
        for row, present in ((SCALE, self.use_scale), (CONCAT, self.score_mode == "concat")):
            if present:
                self.make_weight(row, (), ones)
            else:
                self.register_parameter(row.parameter, None)

    def forward(
        self,
        inputs: Any,
        mask: Any = None,
        *,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Build the layer on its first inputs, and compute the output.

        Args:
            inputs: A list of the query, of shape (batch, queries, size); the values, of shape
                (batch, keys, any size); and, if they are not the values, the keys, of shape (batch,
                keys, size).
            mask: A list of where queries are to have an output other than zeros, of shape (batch,
                queries), and where there are values, of shape (batch, keys); None for everywhere.
            return_attention_scores: Whether to return, beside the output, the share of each key, of
                shape (batch, queries, keys).
            use_causal_mask: Whether a query sees no later keys.

        Returns:
            A tensor of shape (batch, queries, any size); with the shares, a tuple of both.

        Raises:
            InvalidArgumentError: If the inputs or the masks are not such a list.
            ValueError: If the shapes do not fit.
        """
        _check_list(self.name, "inputs", inputs)
        if mask is not None:
            _check_list(self.name, "mask", mask)
        tensors = [*map(as_tensor, inputs)]
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        self.check_input(shapes)
        device = tensors[0].device if tensors[0] is inputs[0] else None
        self.build_once(tuple((None, *shape[1:]) for shape in shapes), device)  # type: ignore[misc]
        query, value, *keys = (
            self._cast(tensor if tensor is given else self._placed(tensor))
            for tensor, given in zip(tensors, inputs, strict=True)
        )
        seen = None if mask is None or mask[1] is None else _as_mask(mask[1], value).unsqueeze(1)
        key = keys[0] if keys else value
        outputs, found = self.mix(query, key, value, seen, use_causal_mask, return_attention_scores)
        if mask is not None and mask[0] is not None:
            outputs = outputs.masked_fill(~_as_mask(mask[0], query).unsqueeze(-1), 0)
        return (outputs, found) if return_attention_scores else outputs

    def mix(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        causal: bool,
        with_shares: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Mix values by the softmax of the scores of their keys.

        Args:
            query: A tensor of shape (batch, queries, size).
            key: A tensor of shape (batch, keys, size).
            value: A tensor of shape (batch, keys, any size).
            mask: Where keys are seen, of shape (batch, 1, keys); None if all are.
            causal: Whether a query sees no later keys.
            with_shares: Whether to return the shares.

        Returns:
            A tensor of shape (batch, queries, any size); and the shares before dropout, of shape
            (batch, queries, keys), or None.
        """
        if self.score_mode == "dot":
            outputs, found = attend(
                (query if self.scale is None else query * self.scale).unsqueeze(1),
                key.unsqueeze(1),
                value.unsqueeze(1),
                scale=1.0,
                mask=None if mask is None else mask.unsqueeze(1),
                causal=causal,
                dropout=self.dropout_layer,
                with_shares=with_shares,
            )
            return outputs.squeeze(1), None if found is None else found.squeeze(1)
        mask = both(mask, visible(query.shape[1], key.shape[1], query.device, causal))
        found = shares(self.scores(query, key), mask)
        return self.dropout_layer(found) @ value, found if with_shares else None

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Return how well keys match queries, where that is not their product.

        Args:
            query: A tensor of shape (batch, queries, size).
            key: A tensor of shape (batch, keys, size).

        Returns:
            A tensor of shape (batch, queries, keys).
        """
        sums = query.unsqueeze(2) + key.unsqueeze(1)
        if self.scale is not None:
            sums = sums * self.scale
        return sums.tanh().sum(-1) * self.concat_score_weight

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: A list of the sizes of the query, the values and the keys.

        Returns:
            The query's, with the last of the values.
        """
        return (*input_shape[0][:-1], input_shape[1][-1])


class AdditiveAttention(Attention):
    """Mixes values by the sums of the hyperbolic tangents of their keys plus a query.

    It is called as ``layer([query, value])`` or ``layer([query, value, key])``.

    Args:
        use_scale: Whether each term of the sum is multiplied by a number of its own that is
            trained: `scale`, of shape (size,).
        dropout: The share of the attention that is dropped in training, from 0 to 1.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> layer = AdditiveAttention()
        >>> layer([torch.ones(8, 5, 3), torch.ones(8, 7, 3)]).shape, layer.scale.shape
        (torch.Size([8, 5, 3]), torch.Size([3]))

    Source:
        Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and
        Translate, 2015, section 3.1.
    """

    def __init__(
        self,
        use_scale: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(use_scale, "concat", dropout, seed, **kwargs)

    def check_input(self, shape: Any) -> None:
        """Raise if the query, the values, the keys and the scale do not fit.

        Args:
            shape: Their sizes, the batch first.

        Raises:
            ValueError: If they do not fit.
        """
        super().check_input(shape)
        size = shape[0][-1]
        wanted = self.scale.shape[0] if self.built and self.scale is not None else size
        if size is None or size != wanted:
            raise ValueError(
                f"{self.name}: the query's last axis must have size {wanted or 'known'}. Received: "
                f"shape {shape[0]}."
            )

    def build(self, input_shape: Any) -> None:
        """Make the scale.

        Args:
            input_shape: A list of the sizes of the query, the values and the keys.
        """
        self.dropout_layer.build_once(input_shape[0])
        if self.use_scale:
            size = check_integer(self.name, "input_shape", input_shape[0][-1])
            self.make_weight(SCALE, (size,), initializers.get("glorot_uniform"))
        else:
            self.register_parameter("scale", None)

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Return how well keys match queries.

        Args:
            query: A tensor of shape (batch, queries, size).
            key: A tensor of shape (batch, keys, size).

        Returns:
            A tensor of shape (batch, queries, keys).
        """
        terms = (query.unsqueeze(2) + key.unsqueeze(1)).tanh()
        return terms.sum(-1) if self.scale is None else terms @ self.scale


def _check_list(owner: str, name: str, given: Any) -> None:
    if not isinstance(given, list | tuple) or not 2 <= len(given) <= 3:
        allowed = "a list of 2 or 3: for the query, the values and, if they differ, the keys"
        raise InvalidArgumentError(owner, name, given, allowed)


def _as_mask(mask: Any, like: Tensor) -> Tensor:
    return as_tensor(mask).to(like.device, torch.bool)


register_layouts(Attention, SCALE, CONCAT)
register_layouts(AdditiveAttention, SCALE)
