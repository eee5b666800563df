"""Multi-head attention, and the kind whose heads share keys and values in groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.layers.axis_arguments import check_axes
from feasible.layers.configs import checked_sizes
from feasible.layers.projected_attention import ProjectedAttention


class MultiHeadAttention(ProjectedAttention):
    """Attention of several heads, each with its own projections.

    It is called as ``layer(query, value)`` or ``layer(query, value, key)``. Its `query_dense`,
    `key_dense`, `value_dense` and `output_dense` are layers of type `EinsumDense`, whose kernels
    have shapes (features, heads, size) and (heads, size, features). The constraints given here hold
    for each of them; ``axis="unit"`` takes one norm for each number that a projection returns.

    Args:
        num_heads: How many heads there are.
        key_dim: The size of a query and of a key in each head.
        value_dim: The size of a value in each head; None for `key_dim`.
        dropout: The share of the attention that is dropped in training, from 0 to 1.
        use_bias: Whether the projections have a bias.
        output_shape: The size of the output's last axis, or the sizes of its last axes; None for
            the size of the query's last axis.
        attention_axes: The axes of the inputs along which queries attend to keys: an int, or a list
            of ints; None for all between the batch and the last.
        sliding_window: How near a key must be to be seen: less than so many places away; None for
            any.
        kernel_initializer: Initial values of the projections' kernels.
        bias_initializer: Initial values of their biases.
        kernel_constraint: The constraint of each projection's kernel.
        bias_constraint: The constraint of each projection's bias.
        use_gate: Whether what the heads find is multiplied by a sigmoid of one more projection of
            the query.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> from feasible.constraints import MaxNorm
        >>> layer = MultiHeadAttention(2, 4, kernel_constraint=MaxNorm(1, axis="unit"))
        >>> x = torch.ones(8, 5, 3)
        >>> outputs, scores = layer(x, x, return_attention_scores=True, use_causal_mask=True)
        >>> outputs.shape, scores.shape
        (torch.Size([8, 5, 3]), torch.Size([8, 2, 5, 5]))
        >>> layer.query_dense.kernel.shape, layer.output_dense.kernel.shape
        (torch.Size([3, 2, 4]), torch.Size([2, 4, 3]))

    Source:
        Vaswani et al.: Attention Is All You Need, 2017, section 3.2.2.
    """

    public_parts: ClassVar[tuple[str, ...]] = (
        "query_dense",
        "key_dense",
        "value_dense",
        "output_dense",
    )

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        num_heads = check_integer(owner, "num_heads", num_heads)
        key_dim = check_integer(owner, "key_dim", key_dim)
        value_dim = check_integer(owner, "value_dim", key_dim if value_dim is None else value_dim)
        if isinstance(output_shape, int):
            output_shape = (output_shape,)
        sizes = None if output_shape is None else checked_sizes(owner, "output_shape", output_shape)
        axes = (
            None
            if attention_axes is None
            else check_axes(owner, attention_axes, argument="attention_axes")
        )
        super().__init__(
            heads=num_heads,
            key_value_heads=num_heads,
            key_size=key_dim,
            value_size=value_dim,
            output_sizes=sizes,
            attention_axes=axes,
            dropout=dropout,
            use_bias=use_bias,
            use_gate=use_gate,
            sliding_window=sliding_window,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            seed=seed,
            **kwargs,
        )
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.output_shape = sizes
        self.attention_axes = axes


class GroupQueryAttention(ProjectedAttention):
    """Attention of several heads, of which groups share the projections of keys and values.

    It is called as ``layer(query, value)`` or ``layer(query, value, key)``, on tensors of 3 axes.
    Its projections are those of `MultiHeadAttention`, of fewer heads for keys and values.

    Args:
        head_dim: The size of a query, a key and a value in each head.
        num_query_heads: How many heads the queries have.
        num_key_value_heads: How many heads the keys and values have, a divisor of that.
        dropout: The share of the attention that is dropped in training, from 0 to 1.
        use_bias: Whether the projections have a bias.
        sliding_window: How near a key must be to be seen: less than so many places away; None for
            any.
        kernel_initializer: Initial values of the projections' kernels.
        bias_initializer: Initial values of their biases.
        kernel_constraint: The constraint of each projection's kernel.
        bias_constraint: The constraint of each projection's bias.
        use_gate: Whether what the heads find is multiplied by a sigmoid of one more projection of
            the query.
        seed: What dropout draws from; None for PyTorch's generator.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> layer = GroupQueryAttention(4, num_query_heads=6, num_key_value_heads=2)
        >>> layer(torch.ones(8, 5, 3), torch.ones(8, 7, 3)).shape
        torch.Size([8, 5, 3])
        >>> layer.query_dense.kernel.shape, layer.key_dense.kernel.shape
        (torch.Size([3, 6, 4]), torch.Size([3, 2, 4]))

    Source:
        Ainslie et al.: GQA: Training Generalized Multi-Query Transformer Models from Multi-Head
        Checkpoints, 2023.
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        head_dim = check_integer(owner, "head_dim", head_dim)
        num_query_heads = check_integer(owner, "num_query_heads", num_query_heads)
        check_integer(owner, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise InvalidArgumentError(
                owner,
                "num_key_value_heads",
                num_key_value_heads,
                f"a divisor of num_query_heads, which is {num_query_heads}",
            )
        super().__init__(
            heads=num_query_heads,
            key_value_heads=num_key_value_heads,
            key_size=head_dim,
            value_size=head_dim,
            output_sizes=None,
            attention_axes=(1,),
            dropout=dropout,
            use_bias=use_bias,
            use_gate=use_gate,
            sliding_window=sliding_window,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            seed=seed,
            **kwargs,
        )
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads


GroupedQueryAttention = GroupQueryAttention
