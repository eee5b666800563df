"""Attention of several heads, with the projections that lead to them and from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from feasible import constraints
from feasible.arguments import check_integer, check_number
from feasible.layers import initializers
from feasible.layers.attending import attend, both, visible
from feasible.layers.axis_arguments import count_from_zero
from feasible.layers.dropout import Dropout
from feasible.layers.einsum_dense import EinsumDense
from feasible.layers.layer import Layer
from feasible.layers.masks import mask_of
from feasible.layers.symbolic import Shape
from feasible.layers.tensors import as_tensor


class ConstraintOfProjections:
    """An attribute of a layer that is the constraint of one weight of each of its projections.

    What is assigned acts on all of them, from the next optimizer step on. Where they were given
    different ones, it is a list of them.

    Args:
        role: What the weight is to a projection, such as ``"kernel"``.
    """

    supports_masking = True

    def __init__(self, role: str) -> None:
        self.argument = f"{role}_constraint"

    def __get__(self, layer: nn.Module | None, owner: type[nn.Module]) -> Any:
        if layer is None:
            return self
        found = [getattr(projection, self.argument) for projection in projections(layer)]
        alike = all(constraint == found[0] for constraint in found)
        return found[0] if alike else found

    def __set__(self, layer: nn.Module, constraint: Any) -> None:
        for projection in projections(layer):
            setattr(projection, self.argument, constraints.get(constraint))


def projections(layer: nn.Module) -> list[EinsumDense]:
    """Return the projections of a layer, in Keras's order.

    Args:
        layer: The layer.

    Returns:
        Those of the query, the key, the gate if there is one, the value and the output.
    """
    return [part for part in layer.children() if isinstance(part, EinsumDense)]


class ProjectedAttention(Layer):
    """A layer whose heads attend, each to keys of its own: what the layers of this kind share.

    Args:
        heads: How many heads there are.
        key_value_heads: How many heads the keys and values have, a divisor of that.
        key_size: The size of a query and of a key in each head.
        value_size: The size of a value in each head.
        output_sizes: The sizes of the output's last axes; None for that of the query's last.
        attention_axes: The axes of the inputs along which queries attend to keys; None for all
            between the batch and the last.
        dropout: The share of the attention that is dropped in training, from 0 to 1.
        use_bias: Whether the projections have a bias.
        use_gate: Whether what the heads find is multiplied by a sigmoid of one more projection of
            the query.
        sliding_window: How near a key must be to be seen: less than so many places away; None for
            any.
        kernel_initializer: Initial values of the projections' kernels.
        bias_initializer: Initial values of their biases.
        kernel_constraint: The constraint of each projection's kernel.
        bias_constraint: The constraint of each projection's bias.
        seed: What dropout draws from.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    kernel_constraint = ConstraintOfProjections("kernel")
    bias_constraint = ConstraintOfProjections("bias")
    # The parts that Keras keeps under these names; the others' begin with an underscore there.
    public_parts: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        heads: int,
        key_value_heads: int,
        key_size: int,
        value_size: int,
        output_sizes: tuple[int | None, ...] | None,
        attention_axes: tuple[int, ...] | None,
        dropout: float,
        use_bias: bool,
        use_gate: bool,
        sliding_window: int | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.output_sizes = output_sizes
        self.attended = attention_axes
        self.dropout = check_number(owner, "dropout", dropout, minimum=0, maximum=1)
        self.use_bias = bool(use_bias)
        self.use_gate = bool(use_gate)
        if sliding_window is not None:
            check_integer(owner, "sliding_window", sliding_window)
        self.sliding_window = sliding_window
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.seed = seed
        self.scale = 1 / math.sqrt(key_size)

        def projection(name: str, *sizes: int, **others: Any) -> EinsumDense:
            return self._projection("...d,dnh->...nh", "nh", sizes, name=name, **others)

        self.query_dense = projection("query", heads, key_size)
        self.key_dense = projection("key", key_value_heads, key_size)
        self.gate_dense = (
            projection("gate", heads, value_size, activation="sigmoid") if use_gate else None
        )
        self.value_dense = projection("value", key_value_heads, value_size)
        letters = "opqrstuvwxyz"[: len(output_sizes or (None,))]
        self.output_dense = self._projection(
            f"...nh,nh{letters}->...{letters}",
            letters,
            output_sizes or (None,),
            name="attention_output",
        )
        self.dropout_layer = Dropout(dropout, seed=seed)
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def _projection(
        self, equation: str, bias_axes: str, sizes: Sequence[int | None], **others: Any
    ) -> EinsumDense:
        return EinsumDense(
            equation,
            sizes,
            bias_axes=bias_axes if self.use_bias else None,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            trainable=self.trainable,
            dtype=self.dtype,
            **others,
        )

    def sublayers(self) -> dict[str, Layer]:
        """Return the projections and the dropout.

        Returns:
            Layers by the name under which Keras keeps their weights in this one's.
        """
        return {
            name if name in self.public_parts else f"_{name}": part
            for name, part in super().sublayers().items()
        }

    def check_input(
        self, query_shape: Shape, value_shape: Shape | None = None, key_shape: Shape | None = None
    ) -> None:
        """Raise if the query, the values and the keys do not fit.

        Args:
            query_shape: The query's sizes, the batch first.
            value_shape: The values' sizes; None for those of the query.
            key_shape: The keys' sizes; None for those of the values.

        Raises:
            ValueError: If they do not fit.
        """
        value_shape = value_shape or query_shape
        key_shape = key_shape or value_shape
        rank = len(query_shape)
        fits = rank >= 3 and rank == len(value_shape) == len(key_shape)
        fits = fits and value_shape[1:-1] == key_shape[1:-1]
        if fits:
            attended = self._attended(query_shape)
            fits = 0 not in attended and rank - 1 not in attended
            pairs = zip(query_shape, value_shape, strict=True)
            fits = fits and all(
                None in pair or pair[0] == pair[1]
                for axis, pair in enumerate(pairs)
                if axis not in attended and axis < rank - 1
            )
        if not fits:
            raise ValueError(
                f"{self.name}: the query, the values and the keys must have the same number of "
                "axes, 3 or more, and the same sizes along those that are not attended to, the "
                "last aside; the values and the keys may differ along the last alone. Neither the "
                "first nor the last can be attended to. Received: shapes "
                f"{query_shape}, {value_shape} and {key_shape}, "
                f"attention_axes={self.attended}."
            )

    def _attended(self, shape: Shape) -> list[int]:
        if self.attended is None:
            return list(range(1, len(shape) - 1))
        return count_from_zero(self.name, self.attended, shape)

    def build(
        self, query_shape: Shape, value_shape: Shape | None = None, key_shape: Shape | None = None
    ) -> None:
        """Make the projections' kernels and biases.

        Args:
            query_shape: The query's sizes, the batch first.
            value_shape: The values' sizes; None for those of the query.
            key_shape: The keys' sizes; None for those of the values.
        """
        value_shape = value_shape or query_shape
        self.query_dense.build_once(query_shape)
        self.key_dense.build_once(key_shape or value_shape)
        if self.gate_dense is not None:
            self.gate_dense.build_once(query_shape)
        self.value_dense.build_once(value_shape)
        self.dropout_layer.build_once(query_shape)
        self.output_dense.output_shape = self.output_sizes or query_shape[-1:]
        heads, size = self.query_dense.output_shape[0], self.value_dense.output_shape[1]
        self.output_dense.build_once((*query_shape[:-1], heads, size))

    def forward(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        *,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Build the layer on its first inputs, and compute the output.

        Args:
            query: A tensor or an array of shape (batch, queries, features).
            value: One of shape (batch, keys, features).
            key: One of shape (batch, keys, features); None for the values.
            attention_mask: Where a query sees a key, of shape (batch, queries, keys), or with an
                axis for the heads after the batch; True or 1 where it does. None for everywhere. A
                query that sees no key finds zeros.
            return_attention_scores: Whether to return, beside the output, the share of each key, of
                shape (batch, heads, queries, keys).
            use_causal_mask: Whether a query sees no later keys.

        Returns:
            A tensor of the query's shape, the last axis aside; with the shares, a tuple of both.

        Raises:
            ValueError: If the shapes do not fit.
        """
        given = [query, value] if key is None else [query, value, key]
        tensors = [*map(as_tensor, given)]
        shapes = [tuple(tensor.shape) for tensor in tensors]
        self.check_input(*shapes)
        others = dict(zip(("value_shape", "key_shape"), shapes[1:], strict=False))
        device = tensors[0].device if tensors[0] is query else None
        self.build_once(
            (None, *shapes[0][1:]),
            device,
            **{name: (None, *shape[1:]) for name, shape in others.items()},
        )
        mask = None if attention_mask is None else as_tensor(attention_mask)
        mask = _with_carried(mask, query, value, key)
        found, shares = self._attend(
            self.query_dense(query),
            self.key_dense(value if key is None else key),
            self.value_dense(value),
            mask,
            use_causal_mask,
            return_attention_scores,
        )
        if self.gate_dense is not None:
            found = found * self.gate_dense(query)
        outputs = self.output_dense(found)
        return (outputs, shares) if return_attention_scores else outputs

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        causal: bool,
        with_shares: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend, given heads in the last axis but one, and return them there."""
        last = query.ndim - 1
        attended = self._attended(query.shape[:-1])
        others = [axis for axis in range(last - 1) if axis not in attended]
        order = [*others, last - 1, *attended, last]
        batch = [query.shape[axis] for axis in others]
        places = [query.shape[axis] for axis in attended]
        keys = [key.shape[axis] for axis in attended]
        if len(attended) > 1 and (causal or self.sliding_window is not None):
            raise ValueError(
                f"{self.name}: a causal mask and a sliding window need one axis that is attended "
                f"to, by `attention_axes`. Received: axes {attended}."
            )
        window = visible(places[0], keys[0], query.device, False, self.sliding_window)
        found, shares = attend(
            *(_joined(one.permute(order), len(others)) for one in (query, key, value)),
            scale=self.scale,
            mask=both(self._mask(mask, batch, places, keys, query.device), window),
            causal=causal,
            dropout=self.dropout_layer,
            with_shares=with_shares,
        )
        found = found.reshape(*batch, found.shape[1], *places, found.shape[-1])
        found = found.permute(*map(order.index, range(len(order))))
        if shares is not None:
            shares = shares.reshape(*batch, shares.shape[1], *places, *keys)
        return found, shares

    def _mask(
        self,
        mask: Tensor | None,
        batch: list[int],
        places: list[int],
        keys: list[int],
        device: torch.device,
    ) -> Tensor | None:
        """Return a mask of shape (batch, heads, queries, keys), or one that is broadcast to it."""
        if mask is None:
            return None
        inner = [*places, *keys]
        while mask.ndim < len(batch) + 1 + len(inner):
            mask = mask.unsqueeze(-len(inner) - 1)
        try:
            mask = mask.to(device, torch.bool).expand(*batch, -1, *inner)
        except RuntimeError as error:
            raise ValueError(
                f"{self.name}: `attention_mask` must be broadcast to the batch {batch}, the "
                f"heads, the queries {places} and the keys {keys}. Received: shape "
                f"{tuple(mask.shape)}."
            ) from error
        mask = mask.flatten(-len(inner), -len(keys) - 1).flatten(-len(keys))
        return mask.flatten(0, len(batch) - 1)

    def compute_output_shape(
        self, query_shape: Shape, value_shape: Shape | None = None, key_shape: Shape | None = None
    ) -> Shape:
        """Return the sizes of the output.

        Args:
            query_shape: The query's sizes, the batch first.
            value_shape: The values' sizes, which make no difference.
            key_shape: The keys' sizes, which make no difference.

        Returns:
            The query's sizes, the last one aside.
        """
        del value_shape, key_shape
        return (*query_shape[:-1], *(self.output_sizes or query_shape[-1:]))


def _joined(tensor: Tensor, batch_axes: int) -> Tensor:
    """Return (*batch, heads, *places, size) as (batch, heads, places, size)."""
    return tensor.flatten(batch_axes + 1, -2).flatten(0, batch_axes - 1)


def _with_carried(mask: Tensor | None, query: Any, value: Any, key: Any) -> Tensor | None:
    """Return a mask of shape (batch, queries, keys) to which those that inputs carry are added."""
    of_query, of_value, of_key = map(mask_of, (query, value, key))
    if of_query is None and of_value is None and of_key is None:
        return mask
    for found, axis in ((of_query, -1), (of_value, -2), (of_key, -2)):
        if found is not None:
            seen = found.to(torch.bool).unsqueeze(axis)
            if mask is None:
                mask = seen
            elif mask.ndim == 4:
                mask = mask.to(torch.bool) & seen.unsqueeze(1)
            else:
                mask = mask.to(torch.bool) & seen
    if mask is not None and mask.ndim == 3:
        mask = mask.expand(-1, query.shape[1], (value if key is None else key).shape[1])
    return mask
