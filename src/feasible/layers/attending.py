"""What attention computes: the keys that a query sees, their shares, the mix of their values."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from feasible.layers.dropout import Dropout


def visible(
    rows: int, columns: int, device: torch.device, causal: bool, window: int | None = None
) -> Tensor | None:
    """Return which keys each query sees by their places alone.

    Args:
        rows: How many queries there are.
        columns: How many keys there are.
        device: Where the mask is to be.
        causal: Whether a query sees no later keys.
        window: Whether it sees only keys that are less than so many places away.

    Returns:
        A mask of shape (rows, columns), True where a key is seen; None if all are.

    Example:
        >>> visible(3, 3, torch.device("cpu"), causal=True, window=2).int().tolist()
        [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    if not causal and window is None:
        return None
    mask = torch.ones(rows, columns, dtype=torch.bool, device=device)
    if window is not None:
        mask = mask.tril(window - 1).triu(1 - window)
    return mask.tril() if causal else mask


def both(mask: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Return what two masks let through together.

    Args:
        mask: A mask; None lets all through.
        other: Another, which is broadcast to the first or the first to it.

    Returns:
        The mask, or None.
    """
    if mask is None or other is None:
        return other if mask is None else mask
    return mask & other


def shares(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Return the softmax of scores over the keys that are seen.

    Args:
        scores: A tensor of shape (..., queries, keys).
        mask: Where keys are seen, broadcast to the scores; None if all are.

    Returns:
        A tensor of the same shape, 0 where a key is not seen: a query that sees none gets zeros.
    """
    if mask is None:
        return functional.softmax(scores, -1)
    lowest = torch.finfo(scores.dtype).min
    return functional.softmax(scores.masked_fill(~mask, lowest), -1).masked_fill(~mask, 0)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float,
    mask: Tensor | None,
    causal: bool,
    dropout: Dropout,
    with_shares: bool,
) -> tuple[Tensor, Tensor | None]:
    """Mix values by the softmax of the products of queries and keys.

    Args:
        query: A tensor of shape (batch, heads, queries, size).
        key: A tensor of shape (batch, heads, keys, size), of as many heads or a divisor of that.
        value: A tensor of shape (batch, heads, keys, size of the values), of as many heads as key.
        scale: What the products are multiplied by.
        mask: Where keys are seen, broadcast to (batch, heads, queries, keys); None if all are.
        causal: Whether a query sees no later keys.
        dropout: What is applied to the shares.
        with_shares: Whether to return the shares.

    Returns:
        A tensor of shape (batch, heads, queries, size of the values); and the shares before
        dropout, of shape (batch, heads, queries, keys), or None.

    Source:
        Vaswani et al.: Attention Is All You Need, 2017, equation 1; Ainslie et al.: GQA, 2023, for
        keys of fewer heads.
    """
    rate = dropout.rate if dropout.training else 0.0
    groups = query.shape[1] // key.shape[1]
    if not with_shares and (not rate or dropout.seed is None):
        alone = causal and mask is None
        if not alone:
            mask = both(mask, visible(query.shape[-2], key.shape[-2], query.device, causal))
        mixed = functional.scaled_dot_product_attention(
            query, key, value, mask, rate, alone, scale=scale, enable_gqa=groups > 1
        )
        return mixed, None
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    mask = both(mask, visible(query.shape[-2], key.shape[-2], query.device, causal))
    found = shares(scale * query @ key.mT, mask)
    return dropout(found) @ value, found if with_shares else None
